/**
 * How a task is run, as a user says it, and as a plan records it: durations in any form become milliseconds, and what can't
 * be a policy becomes a problem.
 */
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import type { Policy } from "../plan/Document.ts"
import * as Name from "./Name.ts"

/** How often and when a failed handler is tried again. `Tag` are the tags of the task's errors. */
export interface Retry<Tag extends string = string> {
  /** How often the handler is tried at most, the first try included. Default 1. */
  readonly attempts?: number | undefined
  /** How the delay before a next attempt grows: doubled each time, or always `base`. Default exponential. */
  readonly backoff?: "exponential" | "fixed" | undefined
  /** The delay before the second attempt. Default 1 second. */
  readonly base?: Duration.Input | undefined
  /** The longest delay. Default 1 minute. */
  readonly max?: Duration.Input | undefined
  /** Draw each delay from 0 to itself, so that what failed together does not come back together. Default true. */
  readonly jitter?: boolean | undefined
  /** Errors that another attempt can't help. */
  readonly except?: ReadonlyArray<Tag> | undefined
}

/** How a task is run. Every part has its default; a call can say otherwise with `Flow.withPolicy`. */
export interface PolicyOptions<Tag extends string = string> {
  readonly retry?: Retry<Tag> | undefined
  /** How long one attempt may take. Default: as long as it needs. */
  readonly timeout?: Duration.Input | undefined
  /** The queue it goes to. Default `default`. */
  readonly queue?: string | undefined
  /** 0 to 9, 0 first. Default 5. */
  readonly priority?: number | undefined
  /** How long it may be ready and not begun. Default: for ever. */
  readonly expires?: Duration.Input | undefined
  /** How long it waits, once all it depends on is there. Default: not at all. */
  readonly delay?: Duration.Input | undefined
}

type Entry = readonly [key: keyof Policy, value: unknown, problem?: string]

/** A length of time that a timer can measure. */
const duration = (key: keyof Policy, name: string, input: Duration.Input | undefined): Entry => {
  if (input === undefined) return [key, undefined]
  const millis = Option.match(Duration.fromInput(input), { onNone: () => Number.NaN, onSome: Duration.toMillis })
  return Number.isFinite(millis) && millis >= 0
    ? [key, millis]
    : [key, undefined, `\`${name}\` is ${say(input)}; give a length of time, like "30 seconds", or milliseconds.`]
}

const integer = (key: keyof Policy, name: string, value: number | undefined, min: number, max: number): Entry =>
  value === undefined || (Number.isInteger(value) && value >= min && value <= max)
    ? [key, value]
    : [
        key,
        undefined,
        `\`${name}\` is ${say(value)}; give a whole number ${max === Infinity ? `from ${min}` : `from ${min} to ${max}`}.`
      ]

const name = (key: keyof Policy, value: string | undefined): Entry => {
  const issue = value === undefined ? undefined : Name.issueOf(value)
  return issue === undefined ? [key, value] : [key, undefined, `\`${key}\` is ${say(value)}; give a name: ${issue}.`]
}

const oneOf = (key: keyof Policy, name: string, value: unknown, allowed: ReadonlyArray<unknown>): Entry =>
  value === undefined || allowed.includes(value)
    ? [key, value]
    : [key, undefined, `\`${name}\` is ${say(value)}; give one of ${allowed.map(say).join(", ")}.`]

const say = (value: unknown): string => (typeof value === "string" ? JSON.stringify(value) : String(value))

/** The options as a plan records them; without those that were left out. */
export const normalize = (
  options: PolicyOptions = {}
): { readonly policy: Policy; readonly problem: string | undefined } => {
  const retry = options.retry ?? {}
  const entries: ReadonlyArray<Entry> = [
    name("queue", options.queue),
    integer("priority", "priority", options.priority, 0, 9),
    integer("attempts", "retry.attempts", retry.attempts, 1, Infinity),
    oneOf("backoff", "retry.backoff", retry.backoff, ["exponential", "fixed"]),
    duration("base", "retry.base", retry.base),
    duration("max", "retry.max", retry.max),
    oneOf("jitter", "retry.jitter", retry.jitter, [true, false]),
    ["except", retry.except === undefined ? undefined : [...retry.except]],
    duration("timeout", "timeout", options.timeout),
    duration("expires", "expires", options.expires),
    duration("delay", "delay", options.delay)
  ]
  const problems = entries.flatMap(([, , problem]) => problem ?? [])
  return {
    policy: Object.fromEntries(entries.filter(([, value]) => value !== undefined)) as Policy,
    problem: problems.length === 0 ? undefined : problems.join(" ")
  }
}

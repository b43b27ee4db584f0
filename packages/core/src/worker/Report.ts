/**
 * What a worker reports of an attempt: the outcome in the words of the broker, made from how the handler ended.
 */
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as Attempt from "../Attempt.ts"
import type { Outcome, Payload } from "../Broker.ts"
import * as Name from "../definition/Name.ts"
import type { Contract } from "../definition/Step.ts"
import { Defect, PayloadMismatch, StepFailure, TimedOut } from "../Failure.ts"
import type { Decision, Json } from "../plan/Document.ts"
import { at } from "../plan/Values.ts"
import * as Wire from "../plan/Wire.ts"

/** The codecs of a task, made once per worker. */
export interface Codecs {
  readonly task: string
  readonly input: Wire.Decode
  readonly output: Wire.Encode
  readonly error: Wire.Encode
}

export const codecsOf = (task: Contract): Codecs => ({
  task: task.key,
  input: Wire.decoder(task.input),
  output: Wire.encoder(task.output),
  error: Wire.encoder(task.error)
})

const encodeFailure = Schema.encodeSync(Schema.toCodecJson(StepFailure))

const fail = (failure: StepFailure, retryable: boolean): Outcome => ({
  _tag: "Failed",
  failed: { tag: failure._tag, declared: false, error: JSON.stringify(encodeFailure(failure)) },
  retryable
})

/** A value that does not fit does not fit the next time either. */
export const mismatch = (where: "input" | "output" | "error", task: string, issue: string): Outcome =>
  fail(new PayloadMismatch({ where, task, issue }), false)

export const timedOut = (after: number): Outcome => fail(new TimedOut({ after }), true)

export const interrupted: Outcome = { _tag: "Interrupted" }

export const defect = (summary: string, cause: string): Outcome => fail(new Defect({ summary, cause }), true)

/** A failure nobody declared: the summary is its first line, the cause all there is to read, with the stack. */
export const died = (cause: Cause.Cause<unknown>): Outcome => {
  if (Cause.hasInterruptsOnly(cause)) {
    return defect("it interrupted itself, though nobody had asked it to stop", Cause.pretty(cause))
  }
  const error = Cause.squash(cause)
  const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  const outcome = defect(message.split("\n", 1)[0]!, Cause.pretty(cause))
  const retryAfter = Attempt.retryAfterOf(cause)
  return retryAfter === undefined || outcome._tag !== "Failed" ? outcome : { ...outcome, retryAfter }
}

/** The outcome of a handler that ended by itself. */
export const ended = (
  codecs: Codecs,
  decides: ReadonlyArray<Decision> | undefined,
  exit: Exit.Exit<unknown, unknown>
): Outcome => {
  if (Exit.isSuccess(exit)) return succeeded(codecs, decides, exit.value)
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  if (failure === undefined) return died(exit.cause)
  const encoded = codecs.error(failure.error)
  if (Exit.isFailure(encoded)) return died(exit.cause)
  return {
    _tag: "Failed",
    failed: { tag: tagOf(failure.error), declared: true, error: textOf(encoded.value) },
    retryable: true
  }
}

const succeeded = (codecs: Codecs, decides: ReadonlyArray<Decision> | undefined, value: unknown): Outcome => {
  const encoded = codecs.output(value)
  if (Exit.isFailure(encoded)) return mismatch("output", codecs.task, Wire.issueOf(encoded.cause))
  if (decides === undefined) return { _tag: "Succeeded", value: textOf(encoded.value) }
  const elements = new Map<number, ReadonlyArray<Payload>>()
  for (const decision of decides) {
    const array = at(encoded.value, decision.path)
    if (!Array.isArray(array)) return mismatch("output", codecs.task, notAnArray(decision.path))
    elements.set(decision.node, array.map(textOf))
  }
  return { _tag: "Succeeded", value: textOf(encoded.value), elements }
}

/** The outcome of a built-in node that splits an array. */
export const decided = (node: number, id: string, value: Json): Outcome =>
  Array.isArray(value)
    ? { _tag: "Succeeded", elements: new Map([[node, value.map(textOf)]]) }
    : mismatch("input", id, notAnArray([]))

const notAnArray = (path: ReadonlyArray<string | number>) =>
  `expected an array to make instances for${path.length === 0 ? "" : `, at ${path.map((key) => `[${JSON.stringify(key)}]`).join("")}`}`

/** One that is no name (see there) is none. */
const tagOf = (error: unknown): string =>
  typeof error === "object" && error !== null && "_tag" in error && Name.issueOf(error._tag) === undefined
    ? (error._tag as string)
    : ""

/** What JSON has no word for reads as null. */
const textOf = (value: Json): Payload => JSON.stringify(value) ?? "null"

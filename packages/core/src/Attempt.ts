/**
 * What a handler can ask about the attempt it is running: which run and node, which try, and tokens to guard outside
 * systems with. The worker provides it; a layer of handlers never requires it.
 *
 * An async function gets the same record as its second argument.
 */
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** The defect of a handler that wants its next attempt at a time of its own. `delay` is in milliseconds. */
export class RetryAfter extends globalThis.Error {
  readonly _tag = "RetryAfter"
  readonly delay: number
  constructor(delay: number) {
    super(`The handler asked to be tried again after ${delay} ms, and this was its last attempt.`)
    this.name = "RetryAfter"
    this.delay = delay
  }
}

/** What is known of an attempt. */
export interface Info {
  readonly runId: string
  /** Readable id of the node: `resize`, `each[3].resize`. */
  readonly node: string
  /** Which try it is, from 1. */
  readonly number: number
  /** The generation of the run, from 1; a retry of the run opens the next. */
  readonly generation: number
  /** How often this attempt was handed out before, to workers that died. */
  readonly lost: number
  /**
   * A number that grows with every delivery of the node: with every attempt, when a worker was lost or has given it back, and
   * when the run is retried. Keep the highest an outside system has seen and refuse what is below, and a handler that was
   * thought dead, or ignores its interruption, can't write there. A safe integer: microseconds by the clock of the
   * store, or more than before where that was set back and the store has not been started again since.
   */
  readonly fence: number
}

/**
 * The attempt that runs now.
 *
 * @example
 * ```ts
 * import { Attempt } from "@arpeggio/core/Attempt"
 * import * as Effect from "effect/Effect"
 *
 * const charge = Effect.gen(function* () {
 *   const attempt = yield* Attempt
 *   const response = yield* Effect.promise((signal) =>
 *     fetch("https://pay.example", { method: "POST", headers: { "idempotency-key": attempt.idempotencyKey }, signal }))
 *   if (response.status === 429) return yield* attempt.retryAfter("30 seconds")
 *   return response.status
 * })
 * ```
 */
export class Attempt extends Context.Service<
  Attempt,
  Info & {
    /** The same for every attempt and delivery of this node of this run, and for no other: `run/node`. */
    readonly idempotencyKey: string
    /** Aborted when the attempt is interrupted: time-out, cancel, shut-down, a lost lease (then its reason is a `LeaseLost`). */
    readonly signal: AbortSignal
    /**
     * Ends this attempt as failed, with the next to begin after the duration (in milliseconds, or `"30 seconds"`),
     * whatever the back-off of the task's policy says. It counts as an attempt: when it was the last one, the node fails
     * with a `Defect` that says so. It can't be caught as an error: it is a defect of its own. An async function throws
     * `new RetryAfter(milliseconds)`.
     */
    readonly retryAfter: (duration: Duration.Input) => Effect.Effect<never>
  }
>()("@arpeggio/core/Attempt") {}

const controllers = new WeakMap<Attempt["Service"], AbortController>()

const retryAfter = (duration: Duration.Input): Effect.Effect<never> =>
  Effect.die(new RetryAfter(Duration.toMillis(duration)))

// One is made for every attempt, so what costs is on the prototype and made when it is asked for.
class Running implements Info {
  readonly runId: string
  readonly node: string
  readonly number: number
  readonly generation: number
  readonly lost: number
  readonly fence: number
  readonly retryAfter = retryAfter

  constructor(info: Info) {
    this.runId = info.runId
    this.node = info.node
    this.number = info.number
    this.generation = info.generation
    this.lost = info.lost
    this.fence = info.fence
  }
  get idempotencyKey(): string {
    return `${this.runId}/${this.node}`
  }
  get signal(): AbortSignal {
    const controller = controllers.get(this) ?? new AbortController()
    controllers.set(this, controller)
    return controller.signal
  }
}

/** An attempt as the service a handler sees. The abort signal is made when it is asked for. */
export const make = (info: Info): Attempt["Service"] => new Running(info)

/** Aborts the signal of an attempt, if anybody has asked for it. */
export const abort = (self: Attempt["Service"]): void => controllers.get(self)?.abort()

/** The same with a reason, which is there also for who asks for the signal later. */
export const abortWith = (self: Attempt["Service"], reason: unknown): void => {
  if (!self.signal.aborted) controllers.get(self)!.abort(reason)
}

/** After how many milliseconds the handler that failed with this cause wants its next attempt; nothing when it did not say. */
export const retryAfterOf = (cause: Cause.Cause<unknown>): number | undefined => {
  for (const reason of cause.reasons) {
    if (reason._tag === "Die" && reason.defect instanceof RetryAfter) return reason.defect.delay
  }
  return undefined
}

/**
 * An orchestrator does what needs a clock: retries and delays that are due, workers that fell silent, work that was
 * deferred, ended runs past their retention. Its unit of work is a sweep; any number of orchestrators may sweep at once,
 * and none is needed where workers sweep too, which they do unless told not to.
 */
import type * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import { Broker } from "./Broker.ts"
import * as Defaults from "./Defaults.ts"

export interface Options {
  /** How often it sweeps, with a quarter of jitter to both sides. Default: 1 second. */
  readonly interval?: Duration.Input | undefined
}

/**
 * Sweeps for ever. A sweep is bounded, so one that found something goes again at once; one that fails is logged and
 * tried again at the next interval.
 */
export const sweeps = (options: Options = {}): Effect.Effect<never, never, Broker> => {
  const interval = Duration.toMillis(options.interval ?? Defaults.sweepInterval)
  const round = Effect.gen(function* () {
    const broker = yield* Broker
    let found = true
    while (found) {
      const swept = yield* broker.sweep
      found = swept.timers + swept.workers + swept.removed > 0
      yield* Effect.yieldNow
    }
  })
  return Random.nextBetween(interval * 0.75, interval * 1.25).pipe(
    Effect.flatMap(Effect.sleep),
    Effect.andThen(Effect.catchCause(round, logFailure)),
    Effect.forever
  )
}

const logFailure = (cause: Cause.Cause<unknown>) => Effect.logWarning("A sweep failed and is tried again.", cause)

/**
 * An orchestrator that runs while the layer does.
 *
 * @example
 * ```ts
 * import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
 * import * as Orchestrator from "@arpeggio/core/Orchestrator"
 * import * as Layer from "effect/Layer"
 *
 * export const app = Orchestrator.layer({ interval: "250 millis" }).pipe(Layer.provideMerge(MemoryBroker.layer()))
 * ```
 */
export const layer = (options: Options = {}): Layer.Layer<never, never, Broker> =>
  Layer.effectDiscard(Effect.forkScoped(sweeps(options)))

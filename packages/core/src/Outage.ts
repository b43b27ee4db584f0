/**
 * An outage of the store, as whoever waits for a run sees it. The store comes back, and the run with it; so the wait goes
 * on, for as long as that takes. Who does not want it interrupts it (`Effect.timeout`).
 *
 * Only a store that is away (`BrokerUnavailable`) is waited for. That there is no such run, or that it is damaged, stays so,
 * and a store that answers and refuses does so until somebody changes something.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Random from "effect/Random"
import type { Broker } from "./Broker.ts"
import type { BrokerUnavailable, RunDamaged, RunNotFound } from "./Failure.ts"

/** Says that the store is away, and `back` completes when it is not any more. */
export type Announce = (
  error: BrokerUnavailable,
  back: Effect.Effect<void, RunNotFound | RunDamaged>
) => Effect.Effect<void, RunNotFound | RunDamaged>

/** A call about a run, made again after every outage. */
export const rideOut = <A>(
  broker: Broker["Service"],
  run: string,
  call: Effect.Effect<A, RunNotFound | RunDamaged | BrokerUnavailable>,
  announce: Announce = logged(broker)
): Effect.Effect<A, RunNotFound | RunDamaged> =>
  Effect.catchTag(call, "BrokerUnavailable", (error) =>
    Effect.andThen(
      announce(error, back(broker, run)),
      Effect.suspend(() => rideOut(broker, run, call, announce))
    )
  )

/** The longest pause between two questions, in milliseconds. A question itself takes up to the deadline of the broker. */
const longest = 2_000

/** Asks for nothing of the run but whether it is there. */
const back = (broker: Broker["Service"], run: string, failures = 0): Effect.Effect<void, RunNotFound | RunDamaged> => {
  const pause = Math.min(longest, 50 * 2 ** failures)
  return Random.nextBetween(pause / 2, pause).pipe(
    Effect.flatMap(Effect.sleep),
    Effect.andThen(broker.read(run, [])),
    Effect.asVoid,
    Effect.catchTag("BrokerUnavailable", () => Effect.suspend(() => back(broker, run, failures + 1)))
  )
}

/** How many wait for a store that is away. The first of them logs it, and the last one that it is back. */
const waiting = new WeakMap<Broker["Service"], number>()

const logged = (broker: Broker["Service"]): Announce => {
  const count = (by: 1 | -1): number => {
    const now = (waiting.get(broker) ?? 0) + by
    waiting.set(broker, now)
    return now
  }
  return ({ reason }, back) =>
    Effect.acquireUseRelease(
      Effect.suspend(() => (count(1) > 1 ? Effect.void : Effect.logWarning(`${away} ${reason}`))),
      () => back,
      (_, exit) => Effect.suspend(() => (count(-1) > 0 || Exit.isFailure(exit) ? Effect.void : isBack))
    )
}

const away = "The store is away, and whoever awaits a run waits until it is back:"
const isBack = Effect.logInfo("The store is back.")

/**
 * What a worker reads from the broker beside its deliveries: plans, kept by hash, and ends that did not come with a
 * delivery. A broker that is away is asked again until it answers.
 */
import * as Cache from "effect/Cache"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Address, Broker, Ended } from "../Broker.ts"
import type { RunDamaged, RunNotFound } from "../Failure.ts"
import { prepare } from "../plan/Values.ts"
import type { Prepared } from "../plan/Values.ts"

/** Plans kept at once. */
const capacity = 256

/** From 50 ms doubling to 5 s, jittered: for calls to a broker that is away. */
export const backOff = Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("5 seconds")]).pipe(
  Schedule.jittered
)

export interface Sources {
  /** The plan, if it is at hand. */
  readonly known: (hash: string) => Prepared | undefined
  readonly plan: (hash: string) => Effect.Effect<Prepared>
  /** The ends at these addresses, all of which are recorded. */
  readonly read: (
    run: string,
    addresses: ReadonlyArray<Address>
  ) => Effect.Effect<ReadonlyMap<Address, Ended>, RunNotFound | RunDamaged>
}

export const make = (broker: Broker["Service"]): Effect.Effect<Sources> =>
  Effect.gen(function* () {
    const known = new Map<string, Prepared>()
    const lookup = Effect.fnUntraced(function* (hash: string) {
      const plan = yield* Effect.orDie(Effect.retry(broker.plan(hash), backOff))
      if (plan === undefined) return yield* Effect.die(new Error(`The broker has no plan ${hash}`))
      const prepared = prepare(plan)
      known.set(hash, prepared)
      if (known.size > capacity) known.delete(known.keys().next().value!)
      return prepared
    })
    const cache = yield* Cache.make({ capacity, lookup })
    return {
      known: (hash) => known.get(hash),
      plan: (hash) => Cache.get(cache, hash),
      read: Effect.fnUntraced(function* (run, addresses) {
        const read = yield* Effect.retry(broker.read(run, addresses), {
          schedule: backOff,
          while: (error) => error._tag === "BrokerUnavailable"
        }).pipe(Effect.catchTag("BrokerUnavailable", Effect.die))
        const ends = new Map<Address, Ended>()
        for (let i = 0; i < addresses.length; i++) {
          const end = read[i]
          if (end === undefined)
            return yield* Effect.die(new Error(`Run ${run} has no end recorded at ${addresses[i]}`))
          ends.set(addresses[i]!, end)
        }
        return ends
      })
    }
  })

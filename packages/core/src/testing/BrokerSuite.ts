/**
 * Whether something is a broker: a suite of cases over the seam, one sentence each. `MemoryBroker` passes it, a broker
 * over Redis passes it, and so must a broker of your own.
 *
 * The suite knows no test runner, and it starts nothing: it is given a layer that makes an empty broker, and a way to
 * let time pass. A broker with a clock of its own is given real time, in small units.
 *
 * @example
 * ```ts
 * import { MemoryBroker } from "@arpeggio/core"
 * import * as BrokerSuite from "@arpeggio/core/testing/BrokerSuite"
 * import * as Layer from "effect/Layer"
 * import * as TestClock from "effect/testing/TestClock"
 * import { describe, it } from "vitest"
 *
 * BrokerSuite.register({ describe, it }, {
 *   name: "MemoryBroker",
 *   layer: (settings) => MemoryBroker.layer(settings).pipe(Layer.provideMerge(TestClock.layer())),
 *   passTime: TestClock.adjust
 * })
 * ```
 */
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { Broker } from "../Broker.ts"
import { attempts } from "./suite/attempts.ts"
import { branches } from "./suite/branches.ts"
import { cancelling } from "./suite/cancelling.ts"
import type { Case, Settings } from "./suite/Case.ts"
import { claiming } from "./suite/claiming.ts"
import { deadLetters } from "./suite/deadLetters.ts"
import { events } from "./suite/events.ts"
import { expansions } from "./suite/expansions.ts"
import { inspection } from "./suite/inspection.ts"
import { joins } from "./suite/joins.ts"
import { leases } from "./suite/leases.ts"
import { outcomes } from "./suite/outcomes.ts"
import { releasing } from "./suite/releasing.ts"
import { retention } from "./suite/retention.ts"
import { retrying } from "./suite/retrying.ts"
import * as Rig from "./suite/Rig.ts"
import { settling } from "./suite/settling.ts"
import { submitting } from "./suite/submitting.ts"
import { suspects } from "./suite/suspects.ts"
import { unknownRuns } from "./suite/unknownRuns.ts"

export type { Case, Settings } from "./suite/Case.ts"

/** Every case, in the order of a run's life. */
export const cases: ReadonlyArray<Case> = [
  ...submitting,
  ...claiming,
  ...settling,
  ...joins,
  ...branches,
  ...expansions,
  ...outcomes,
  ...attempts,
  ...releasing,
  ...leases,
  ...suspects,
  ...deadLetters,
  ...cancelling,
  ...retrying,
  ...retention,
  ...inspection,
  ...events,
  ...unknownRuns
]

export interface Options<E> {
  /** What the broker is called in reports. */
  readonly name: string
  /** Makes an empty broker with these settings, one for every case. */
  readonly layer: (settings: Settings) => Layer.Layer<Broker, E>
  /** Lets milliseconds pass in the broker's clock: adjusts a test clock, or sleeps. */
  readonly passTime: (millis: number) => Effect.Effect<void>
  /**
   * The shortest delay of the cases, in milliseconds: much longer than a few calls take. Default: 1,000, which costs
   * nothing under a test clock; 100 or more is a good choice for a store on the same machine.
   */
  readonly unit?: number | undefined
  /**
   * How many brokers share the runs behind this one, where there are several: then order of readiness among runs, and how
   * many ended runs are kept, are promised for each of them only, and that is what the cases ask for. Default: 1.
   */
  readonly partitions?: number | undefined
}

/** One case on a broker of its own. Fails, or dies of an `AssertionError`, when it does not hold. */
export const run = <E>(
  test: Case,
  { layer, partitions = 1, passTime, unit = 1_000 }: Options<E>
): Effect.Effect<void, unknown> =>
  Effect.flatMap(Broker, (broker) => test.run(Rig.make(broker, { unit, passTime, partitions }))).pipe(
    Effect.scoped,
    Effect.provide(layer(test.settings(unit)))
  )

/** What the suite needs of a test runner: `describe` and `it` of vitest, of jest, of `node:test`. */
export interface Runner {
  readonly describe: (name: string, body: () => void) => void
  readonly it: (name: string, test: () => Promise<void>) => void
}

/** Registers every case with a test runner, a group at a time. */
export const register = <E>(runner: Runner, options: Options<E>): void =>
  runner.describe(options.name, () => {
    for (const group of new Set(cases.map((test) => test.group))) {
      runner.describe(group, () => {
        for (const test of cases) {
          if (test.group === group) runner.it(test.name, () => Effect.runPromise(run(test, options)))
        }
      })
    }
  })

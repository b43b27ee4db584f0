import { Broker } from "@arpeggio/core/Broker"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import { group } from "@arpeggio/core/testing/suite/plans"
import * as Rig from "@arpeggio/core/testing/suite/Rig"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"

describe("Dead letters in memory", () => {
  it.effect("are 10,000 at most: the newest", () =>
    Effect.gen(function* () {
      const rig = Rig.make(yield* Broker, { unit: 1_000, passTime: TestClock.adjust })
      const run = yield* rig.submit(group(10_002))
      const worker = yield* rig.hand()
      const jobs = yield* worker.claim(20_000)
      assert.strictEqual(jobs.length, 10_002)
      yield* rig.pass(31)
      yield* rig.broker.sweep
      assert.strictEqual((yield* rig.broker.await(run)).state, "failed")
      const letters = yield* rig.broker.dead({ limit: 20_000 })
      // What was claimed last is given back first.
      assert.deepStrictEqual([letters.length, letters[0]?.node, letters.at(-1)?.node], [10_000, "t0", "t9999"])
    }).pipe(Effect.provide(MemoryBroker.layer({ maxDeliveries: 1 })))
  )
})

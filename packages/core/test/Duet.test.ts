import { Broker } from "@arpeggio/core/Broker"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import * as Duet from "@arpeggio/core/testing/Duet"
import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as KernelPlans from "./simulation/KernelPlans.ts"
import { Random as Draw } from "./simulation/Random.ts"

const memory = Effect.provide(Broker, MemoryBroker.layer())

type Change = (broker: Broker["Service"]) => Partial<Broker["Service"]>

/** The first complaint, over so many seeds, about a pair whose second broker is changed. */
const disagreement = Effect.fnUntraced(function* (seeds: number, change: Change) {
  for (let seed = 1; seed <= seeds; seed++) {
    const [left, right] = [yield* memory, yield* memory]
    const plan = KernelPlans.make(new Draw(seed))
    const exit = yield* Duet.play({ left, right: { ...right, ...change(right) }, plan, commands: 40 }).pipe(
      Random.withSeed(seed),
      Effect.exit
    )
    if (exit._tag === "Failure") return `seed ${seed}: ${Cause.pretty(exit.cause)}`
  }
  return undefined
})

const flaws: { readonly [flaw: string]: Change } = {
  "drops what is released": () => ({ release: () => Effect.void }),
  "answers `already` to everything": (broker) => ({
    settle: (settle) =>
      Effect.map(broker.settle(settle), (settled) => ({
        ...settled,
        receipts: settled.receipts.map(() => "already" as const)
      }))
  }),
  "cancels nothing": () => ({ cancel: () => Effect.succeed(true) }),
  "retries from where it failed only": (broker) => ({ retry: (run) => broker.retry(run) }),
  "gives the last first": (broker) => ({
    settle: (settle) =>
      Effect.map(broker.settle(settle), (settled) => ({ ...settled, deliveries: settled.deliveries.toReversed() }))
  })
}

describe("Duet", () => {
  it.effect("finds two brokers that are the same to agree on random plans", () =>
    Effect.gen(function* () {
      assert.isUndefined(yield* disagreement(60, () => ({})))
    })
  )

  for (const [flaw, change] of Object.entries(flaws)) {
    it.effect(`tells the story after which a broker ${flaw}`, () =>
      Effect.gen(function* () {
        assert.include(yield* disagreement(30, change), "The brokers do not agree after\n1. one registers")
      })
    )
  }
})

import { Broker } from "@arpeggio/core/Broker"
import { RunNotEnded } from "@arpeggio/core/Failure"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import type { Plan } from "@arpeggio/core/Plan"
import * as Duet from "@arpeggio/core/testing/Duet"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as KernelPlans from "../../core/test/simulation/KernelPlans.ts"
import { Random as Draw } from "../../core/test/simulation/Random.ts"
import * as RedisBroker from "../src/RedisBroker.ts"
import * as RedisServer from "./RedisServer.ts"

let server: RedisServer.RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
}, 120_000)
afterAll(() => server.stop())

type Change = (broker: Broker["Service"]) => Broker["Service"]

/**
 * What the Redis broker does not keep, left out on both sides: how often a node was tried before it was cancelled or
 * its run retried; and whether a report that comes late was recorded once, when its node has gone on since. And where it
 * is lazy: a timer nobody needs any more is removed when it is due, and counted; a queue shows as unroutable what it has
 * parked, which takes a claim that found it; what to interrupt is told once, and again by renewals.
 */
const kept: Change = (broker) => ({
  ...broker,
  queues: Effect.map(broker.queues, (queues) => queues.map((queue) => ({ ...queue, unroutable: {} }))),
  settle: (settle) =>
    Effect.map(broker.settle(settle), (settled) => ({
      ...settled,
      interrupt: [],
      receipts: settled.receipts.map((receipt) => (receipt === "recorded" ? receipt : "stale"))
    })),
  sweep: Effect.map(broker.sweep, (swept) => ({ ...swept, timers: 0 })),
  nodes: (run, options) =>
    Effect.map(broker.nodes(run, options), (nodes) =>
      nodes.map((node) => (node.state === "cancelled" ? { ...node, attempt: 0 } : node))
    ),
  run: (id) =>
    Effect.map(broker.run(id), (view) => ({
      ...view,
      nodes: view.nodes.map((node) => (view.generation > 1 || node.cancelled > 0 ? { ...node, retries: 0 } : node))
    }))
})

const withoutRetry: Change = (broker) => ({ ...broker, retry: (run) => Effect.fail(new RunNotEnded({ run })) })

/** Who claims gets all there is, so it does not matter what stands first. */
const withoutOrder: Change = (broker) => ({
  ...broker,
  settle: (settle) =>
    Effect.map(broker.settle({ ...settle, claim: settle.claim === 0 ? 0 : 1_000 }), (settled) => ({
      ...settled,
      deliveries: settled.deliveries.toSorted((a, b) => (a.node < b.node ? -1 : 1))
    }))
})

/** A submission decides forks of the root only: the compiler makes a `Decide` of any other. */
const isDecidedAsCompiled = (plan: Plan): boolean => plan.decides.every(({ node }) => node < plan.bodies[0].count)

/** What the memory broker and the Redis broker disagree about when they are told the story of this seed. */
const disagreement = (seed: number, change: Change) =>
  Effect.gen(function* () {
    const plan = (seed % 5 === 0 ? KernelPlans.wide : KernelPlans.make)(new Draw(seed))
    if (!isDecidedAsCompiled(plan)) return undefined
    const left = change(kept(yield* Effect.provide(Broker, MemoryBroker.layer())))
    const right = change(kept(yield* Broker))
    yield* Duet.play({ left, right, plan, commands: 40 }).pipe(Random.withSeed(seed))
    return undefined
  }).pipe(
    Effect.provide(RedisBroker.layer({ url: server.url, namespace: `duet-${process.pid}-${change.name}-${seed}:` })),
    Effect.catchCause((cause) => Effect.succeed(`ARPEGGIO_SEED=${seed} vitest run test/Duet: ${Cause.pretty(cause)}`))
  )

const agree = async (change: Change) => {
  const only = process.env["ARPEGGIO_SEED"]
  const first = only === undefined ? 1 : Number(only)
  const count = only === undefined ? Number(process.env["ARPEGGIO_RUNS"] ?? 60) : 1
  for (let seed = first; seed < first + count; seed++) {
    expect(await Effect.runPromise(disagreement(seed, change))).toBeUndefined()
  }
}

describe("RedisBroker gives the same answers as the memory broker and shows the same run after each, on random plans and commands", () => {
  it("in the same order, while nothing is retried", () => agree(withoutRetry), 240_000)
  it("with retries, in whatever order", () => agree(withoutOrder), 240_000)
})

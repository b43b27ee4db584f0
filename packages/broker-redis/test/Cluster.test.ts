import { Broker } from "@arpeggio/core/Broker"
import * as Rig from "@arpeggio/core/testing/suite/Rig"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { Redis } from "ioredis"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as RedisBroker from "../src/RedisBroker.ts"
import { survives } from "./failOver.ts"
import * as RedisCluster from "./RedisCluster.ts"

let cluster: RedisCluster.RedisCluster
beforeAll(async () => {
  cluster = await RedisCluster.start()
}, 120_000)
afterAll(() => cluster?.stop())

const run = (test: Effect.Effect<void, unknown, Scope.Scope>) => Effect.runPromise(Effect.scoped(test))

const single = PlanBuilder.make("single", (p) => p.task("a"))

const layer = (namespace: string, partitions?: number) =>
  RedisBroker.layer({
    cluster: cluster.nodes.slice(1, 3).map(({ port }) => ({ host: "127.0.0.1", port })),
    namespace,
    partitions,
    lease: "5 seconds",
    deadline: "3 seconds"
  })

describe("RedisBroker on a cluster", { timeout: 120_000 }, () => {
  it("spreads the runs of several partitions over the nodes", () =>
    run(
      Effect.gen(function* () {
        const broker = Context.get(yield* Layer.build(layer("spread:", 8)), Broker)
        const rig = Rig.make(broker, { unit: 50, passTime: Effect.sleep })
        for (let i = 0; i < 40; i++) yield* rig.submit(single)
        const counts = yield* Effect.promise(() =>
          Promise.all(
            cluster.nodes.slice(0, 3).map(async (node) => {
              const keys = (await node.command("KEYS", "spread:{*}:r:*")) as ReadonlyArray<string>
              return keys.length
            })
          )
        )
        expect(counts.reduce((sum, count) => sum + count, 0)).toBe(40)
        expect(Math.min(...counts)).toBeGreaterThan(0)
        const hand = yield* rig.hand()
        expect((yield* hand.claim(100)).length).toBe(40)
        expect((yield* broker.runs({ limit: 100 })).length).toBe(40)
        expect((yield* broker.workers).map(({ running }) => running)).toEqual([40])
      })
    ))

  it("is found over the URL of a cluster, with the number of partitions that it has", () =>
    run(
      Effect.gen(function* () {
        const first = Context.get(yield* Layer.build(layer("found:", 3)), Broker)
        yield* Rig.make(first, { unit: 50, passTime: Effect.sleep }).submit(single, { id: "one" })
        const url = Redacted.make(`redis+cluster://127.0.0.1:${cluster.nodes[2]!.port}`)
        const second = Context.get(yield* Layer.build(RedisBroker.layer({ url, namespace: "found:" })), Broker)
        expect((yield* second.run("one")).state).toBe("running")
        const error = yield* Effect.flip(Layer.build(layer("found:", 4)))
        expect(error._tag).toBe("IncompatibleStore")
        expect(error.message).toContain("has 3 partitions, and 4 are asked for")
      })
    ))

  it("hears of what happens after the node it listens to has gone", () =>
    run(
      Effect.gen(function* () {
        const broker = Context.get(yield* Layer.build(layer("heard:", 2)), Broker)
        const rig = Rig.make(broker, { unit: 50, passTime: Effect.sleep })
        const hand = yield* rig.hand({ tasks: ["a"] })
        for (let i = 0; i < 4; i++) {
          for (const node of cluster.nodes)
            yield* Effect.promise(() => node.command("CLIENT", "KILL", "TYPE", "pubsub"))
          yield* hand.play()
          const waiting = yield* Effect.forkScoped(broker.wake(hand.id), { startImmediately: true })
          for (let j = 0; j < 100 && waiting.pollUnsafe() === undefined; j++) {
            yield* rig.submit(single)
            yield* rig.pass(1)
          }
          expect(waiting.pollUnsafe()).not.toBe(undefined)
        }
      })
    ))

  // The last one: a node is dead after it.
  it("loses no run when a primary is killed under running workers and its replica takes over", () =>
    run(
      Effect.andThen(
        survives({
          broker: layer("survives:", 8),
          replicated: async () => {
            const client = new Redis({ port: cluster.primary.port })
            // A key of the first node's slots: WAIT speaks of what its own connection has written.
            await client.set("survives:{3}:replicated", "1")
            expect(await client.wait(1, 5_000)).toBe(1)
            client.disconnect()
          },
          kill: cluster.primary.kill
        }),
        Effect.promise(async () => {
          expect(await cluster.replica.command("ROLE")).toContain("master")
        })
      )
    ))
})

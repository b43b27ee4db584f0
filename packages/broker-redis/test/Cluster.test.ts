import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as Connection from "../src/Connection.ts"
import * as RedisBroker from "../src/RedisBroker.ts"
import { survives } from "./failOver.ts"
import * as RedisCluster from "./RedisCluster.ts"
import * as Scene from "./Scene.ts"

let cluster: RedisCluster.RedisCluster
beforeAll(async () => {
  cluster = await RedisCluster.start()
}, 120_000)
afterAll(() => cluster?.stop())

const single = PlanBuilder.make("single", (p) => p.task("a"))

const options = (namespace: string, partitions?: number): RedisBroker.Options => ({
  cluster: cluster.nodes.slice(1, 3).map(({ port }) => ({ host: "127.0.0.1", port })),
  namespace,
  partitions,
  lease: "5 seconds",
  deadline: "3 seconds"
})

describe("RedisBroker on a cluster", { timeout: 120_000 }, () => {
  it("spreads the runs of several partitions over the nodes", () =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* Scene.rig(options("spread:", 8))
        const { broker } = rig
        for (let i = 0; i < 40; i++) yield* rig.submit(single)
        const counts = yield* Effect.promise(() =>
          Promise.all(
            cluster.nodes.slice(0, 3).map(async (node) => {
              let count = 0
              for (const key of (await node.command("KEYS", "spread:{*}:runs")) as ReadonlyArray<string>)
                count += Number(await node.command("LLEN", key))
              return count
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
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* Scene.rig(options("found:", 3))
        yield* rig.submit(single, { id: "one" })
        const url = Redacted.make(`redis+cluster://127.0.0.1:${cluster.nodes[2]!.port}`)
        const other = yield* Scene.broker({ url, namespace: "found:" })
        expect((yield* other.run("one")).state).toBe("running")
        expect(yield* Scene.refusal(options("found:", 4))).toEqual({
          _tag: "IncompatibleStore",
          reason: expect.stringContaining("has 3 partitions, and 4 are asked for")
        })
      })
    ))

  it("hears of what happens after the node it listens to has gone", () =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* Scene.rig(options("heard:", 2))
        const { broker } = rig
        const hand = yield* rig.hand({ tasks: ["a"] })
        for (let i = 0; i < 4; i++) {
          for (const node of cluster.nodes)
            yield* Effect.promise(() => node.command("CLIENT", "KILL", "TYPE", "pubsub"))
          const waiting = yield* Effect.forkScoped(broker.wake(hand.id), { startImmediately: true })
          // A message that is lost costs a poll.
          for (let j = 0; j < 100 && waiting.pollUnsafe() === undefined; j++) {
            yield* hand.play()
            yield* rig.submit(single)
            yield* rig.pass(1)
          }
          expect(waiting.pollUnsafe()).not.toBe(undefined)
        }
      })
    ))

  it("gives up the connection to a node that says nothing while others answer, and no other", () =>
    Scene.play(
      Effect.gen(function* () {
        const nodes = cluster.nodes.slice(1, 3)
        const server = { _tag: "Cluster" as const, nodes: nodes.map(({ port }) => ({ host: "127.0.0.1", port })) }
        const connection = yield* Connection.make({ server, deadline: 500, redis: { connectionName: "calls" } })
        const silent = nodes[0]!
        // The second and the third node have their slots.
        const ids = () => Effect.forEach(["silent:{c}", "other:{d}"], clientOf)
        const clientOf = (key: string, at: number) =>
          Effect.gen(function* () {
            yield* Effect.retry(connection.command("SET", key, "x"), { times: 20 })
            const list = yield* Effect.promise(() => nodes[at]!.command("CLIENT", "LIST"))
            return /id=(\d+)(?=.* name=calls )/.exec(String(list))?.[1]
          })
        const before = yield* ids()
        silent.freeze()
        const call = yield* Effect.forkScoped(Effect.flip(connection.command("GET", "silent:{c}")), {
          startImmediately: true
        })
        while (call.pollUnsafe() === undefined) yield* connection.command("GET", "other:{d}")
        expect((yield* Fiber.join(call)).reason).toContain("did not answer within 500 ms")
        silent.thaw()
        const after = yield* ids()
        expect(before[1]).toBe(after[1])
        expect(before[0]).not.toBe(after[0])
        expect([...before, ...after]).not.toContain(undefined)
      })
    ))

  // The last one: a node is dead after it.
  it("loses no run when a primary is killed under running workers and its replica takes over", () =>
    Scene.play(
      survives({
        broker: RedisBroker.layer(options("survives:", 8)),
        primary: cluster.primary,
        replica: cluster.replica,
        // In one of its slots.
        key: "survives:{3}:replicated"
      })
    ))
})

import { Broker } from "@arpeggio/core/Broker"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Rig from "@arpeggio/core/testing/suite/Rig"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Redis } from "ioredis"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as RedisBroker from "../src/RedisBroker.ts"
import { survives } from "./failOver.ts"
import * as RedisSentinels from "./RedisSentinels.ts"

let sentinels: RedisSentinels.RedisSentinels
beforeAll(async () => {
  sentinels = await RedisSentinels.start()
}, 120_000)
afterAll(() => sentinels?.stop())

const run = (test: Effect.Effect<void, unknown, Scope.Scope>) => Effect.runPromise(Effect.scoped(test))

const single = PlanBuilder.make("single", (p) => p.task("a"))

describe("RedisBroker with Sentinels", { timeout: 120_000 }, () => {
  it("is found over the URL of the Sentinels", () =>
    run(
      Effect.gen(function* () {
        const hosts = sentinels.addresses.map(({ host, port }) => `${host}:${port}`).join(",")
        const url = `redis+sentinel://${hosts}/${RedisSentinels.name}`
        const broker = Context.get(yield* Layer.build(RedisBroker.layer({ url, namespace: "url:" })), Broker)
        const rig = Rig.make(broker, { unit: 50, passTime: Effect.sleep })
        yield* rig.submit(single)
        expect(yield* (yield* rig.hand()).play()).toEqual(["a"])
      })
    ))

  it("says which primary of which Sentinels it can't reach, and nothing secret", () =>
    run(
      Effect.gen(function* () {
        const layer = RedisBroker.layer({
          sentinels: sentinels.addresses,
          name: "another",
          password: "secret",
          deadline: "500 millis"
        })
        const error = yield* Effect.flip(Layer.build(layer))
        expect(error._tag).toBe("BrokerUnavailable")
        expect(error.message).toContain(`another of the Sentinels 127.0.0.1:${sentinels.addresses[0]!.port}`)
        expect(error.message).not.toContain("secret")
      })
    ))

  // The last one: the primary is dead after it.
  it("loses no run when the primary is killed under running workers and the replica takes over", () =>
    run(
      Effect.andThen(
        survives({
          broker: Layer.suspend(() =>
            RedisBroker.layer({
              sentinels: sentinels.addresses.slice(0, 2),
              name: RedisSentinels.name,
              namespace: "survives:",
              lease: "5 seconds",
              deadline: "3 seconds"
            })
          ),
          replicated: async () => {
            const client = new Redis({ port: sentinels.primary.port })
            // WAIT speaks of what its own connection has written.
            await client.set("survives:replicated", "1")
            expect(await client.wait(1, 5_000)).toBe(1)
            client.disconnect()
          },
          kill: sentinels.primary.kill
        }),
        Effect.promise(async () => {
          expect(await sentinels.replica.command("ROLE")).toContain("master")
        })
      )
    ))
})

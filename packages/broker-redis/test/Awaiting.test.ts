import { Broker } from "@arpeggio/core/Broker"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import * as Rig from "@arpeggio/core/testing/suite/Rig"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as RedisBroker from "../src/RedisBroker.ts"
import { eventually } from "./eventually.ts"
import * as RedisServer from "./RedisServer.ts"

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing")
}, 120_000)
afterAll(() => server.stop())

const rigOf = (namespace: string) =>
  Effect.map(Layer.build(RedisBroker.layer({ url: server.url, namespace })), (context) =>
    Rig.make(Context.get(context, Broker), { unit: 50, passTime: Effect.sleep })
  )

const listenedTo = async (namespace: string): Promise<ReadonlyArray<string>> => {
  const channels = (await server.command("PUBSUB", "CHANNELS", `${namespace}*`)) as ReadonlyArray<string>
  return channels.map((channel) => channel.slice(channel.indexOf(":", namespace.length) + 1)).toSorted()
}

const run = (test: Effect.Effect<void, unknown, Scope.Scope>) => Effect.runPromise(Effect.scoped(test))

const one = PlanBuilder.make("one", (p) => p.task("a"))

describe("A process", () => {
  it("listens to what it waits for, and to nothing else", () =>
    run(
      Effect.gen(function* () {
        const rig = yield* rigOf("listens:")
        const channels = Effect.promise(() => listenedTo("listens:"))
        const id = yield* rig.submit(one)
        expect(yield* channels).toEqual([])
        const hand = yield* rig.hand()
        expect(yield* channels).toEqual(["wake"])
        yield* hand.play()
        yield* rig.broker.await(id)
        expect(yield* channels).toEqual(["ended", "wake"])
      })
    ))

  it.each([
    ["short", '"short"'],
    ["long", JSON.stringify("long".repeat(1_000))],
    ["with what stands between the parts of a message", '{\n\t"a": 1\n}'],
    ["empty", ""]
  ])("gets the value it awaits as it was reported: one that is %s", (what, value) =>
    run(
      Effect.gen(function* () {
        const rig = yield* rigOf(`value ${what}:`)
        const id = yield* rig.submit(one)
        const awaiting = yield* Effect.forkChild(rig.broker.await(id), { startImmediately: true })
        yield* Effect.promise(() =>
          eventually("it listens for ends", async () => (await listenedTo(`value ${what}:`)).includes("ended"))
        )
        yield* (yield* rig.hand()).play({
          a: ({ attempt, node, nonce, run }) => ({
            attempt,
            node,
            nonce,
            run,
            outcome: { _tag: "Succeeded", value }
          })
        })
        const end = yield* Fiber.join(awaiting)
        expect(end).toMatchObject({ state: "succeeded", generation: 1, exit: { _tag: "Succeeded", value } })
      })
    )
  )

  it("gets the end of the generation it awaits", () =>
    run(
      Effect.gen(function* () {
        const rig = yield* rigOf("generation:")
        const hand = yield* rig.hand({ tasks: ["a"] })
        const id = yield* rig.submit(one)
        yield* hand.play({ a: Answer.failing("Boom") })
        expect((yield* rig.broker.await(id)).state).toBe("failed")
        yield* rig.broker.retry(id)
        const awaiting = yield* Effect.forkChild(rig.broker.await(id), { startImmediately: true })
        yield* hand.play()
        expect(yield* Fiber.join(awaiting)).toMatchObject({ state: "succeeded", generation: 2 })
      })
    ))
})

import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { isDeepStrictEqual } from "node:util"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as RedisServer from "./RedisServer.ts"
import * as Scene from "./Scene.ts"

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing")
}, 120_000)
afterAll(() => server.stop())

const rigOf = (namespace: string) => Scene.rig({ url: server.url, namespace })

const listenedTo = async (namespace: string): Promise<ReadonlyArray<string>> => {
  const channels = (await server.command("PUBSUB", "CHANNELS", `${namespace}*`)) as ReadonlyArray<string>
  return channels.map((channel) => channel.slice(channel.indexOf(":", namespace.length) + 1)).toSorted()
}

const one = PlanBuilder.make("one", (p) => p.task("a"))

describe("A process", () => {
  it("listens to what it waits for, and to nothing else", () =>
    Scene.play(
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

  it("listens no longer when nobody has waited for a while, and again when somebody does", () =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* rigOf("leaves:")
        const listensTo = (...wanted: ReadonlyArray<string>) =>
          Scene.until(`it listens to ${wanted.join(", ")}`, async () =>
            isDeepStrictEqual(await listenedTo("leaves:"), wanted)
          )
        const hand = yield* rig.hand({ tasks: ["a"] })
        const first = yield* rig.submit(one)
        yield* hand.play()
        yield* rig.broker.await(first)
        const meanwhile = yield* rig.submit(one)
        yield* listensTo("wake")

        // What was submitted while ends were listened to may have ended since.
        yield* hand.play()
        expect((yield* rig.broker.await(meanwhile)).state).toBe("succeeded")
        const awaited = yield* rig.submit(one)
        const awaiting = yield* Effect.forkChild(rig.broker.await(awaited), { startImmediately: true })
        yield* listensTo("ended", "wake")
        yield* hand.play()
        expect((yield* Fiber.join(awaiting)).state).toBe("succeeded")

        yield* rig.broker.unregister(hand.id)
        yield* listensTo()
      })
    ))

  it.each([
    ["short", '"short"'],
    ["long", JSON.stringify("long".repeat(1_000))],
    ["with what stands between the parts of a message", '{\n\t"a": 1\n}'],
    ["empty", ""]
  ])("gets the value it awaits as it was reported: one that is %s", (what, value) =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* rigOf(`value ${what}:`)
        const id = yield* rig.submit(one)
        const awaiting = yield* Effect.forkChild(rig.broker.await(id), { startImmediately: true })
        yield* Scene.until("it listens for ends", async () => (await listenedTo(`value ${what}:`)).includes("ended"))
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
    Scene.play(
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

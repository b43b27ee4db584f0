import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import * as Effect from "effect/Effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as RedisServer from "./RedisServer.ts"
import * as Scene from "./Scene.ts"

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing")
}, 120_000)
afterAll(() => server.stop())

let stores = 0

/** A store, and who waits in it for something in the default queue. */
const open = Effect.gen(function* () {
  const namespace = `waking-${stores++}:`
  const rig = yield* Scene.rig({ url: server.url, namespace, lease: 200 })
  const key = `${namespace}{0}:i:default`
  const waiting = Effect.promise(async () => (await server.command("SMEMBERS", key)) as ReadonlyArray<string>)
  return { rig, waiting, key }
})

const one = PlanBuilder.make("one", (p) => p.task("a"))
const other = PlanBuilder.make("other", (p) => p.task("b"))
const three = PlanBuilder.make("three", (p) =>
  p.pass("all", { after: [p.task("a1", { task: "a" }), p.task("a2", { task: "a" }), p.task("a3", { task: "a" })] })
)

const crew = (count: number) => Array.from({ length: count }, (_, i) => `hand-${i}`)

describe("Of the workers that wait", () => {
  it("as many are woken as there is work for, and one more, however many wait", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig, waiting } = yield* open
        for (const id of crew(10)) yield* rig.hand({ id, tasks: ["a"] })
        expect((yield* waiting).length).toBe(10)
        yield* rig.submit(one)
        expect((yield* waiting).length).toBe(8)
        yield* rig.submit(three)
        expect((yield* waiting).length).toBe(4)
      })
    ))

  it("all are woken where there are several partitions, as who waits here may be busy there", () =>
    Scene.play(
      Effect.gen(function* () {
        const namespace = "waking-spread:"
        const rig = yield* Scene.rig({ url: server.url, namespace, partitions: 2 })
        for (const id of crew(5)) yield* rig.hand({ id, tasks: ["a"] })
        yield* rig.submit(one)
        const waiting = (index: number) => server.command("SCARD", `${namespace}{${index}}:i:default`)
        const left = yield* Effect.promise(() => Promise.all([waiting(0), waiting(1)]))
        expect(left.toSorted()).toEqual([0, 5])
      })
    ))

  it("each is told that there is work", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig } = yield* open
        const hands = yield* Effect.forEach(crew(2), (id) => rig.hand({ id, tasks: ["a"] }))
        const woken = Effect.forEach(hands, ({ id }) => rig.broker.wake(id), { concurrency: "unbounded" })
        const [kinds] = yield* Effect.all([woken, rig.submit(one)], { concurrency: "unbounded" })
        expect(kinds).toEqual(["claim", "claim"])
      })
    ))

  it("who is given all it asks for waits no longer, and who is given less does", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig, waiting } = yield* open
        yield* rig.submit(three)
        const hand = yield* rig.hand({ id: "hand", tasks: ["a"] })
        yield* hand.claim(2)
        expect(yield* waiting).toEqual([])
        yield* hand.claim(2)
        expect(yield* waiting).toEqual(["hand"])
        yield* hand.report()
        expect(yield* waiting).toEqual(["hand"])
      })
    ))

  it("nobody is woken for what it gives back itself", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig, waiting } = yield* open
        yield* rig.submit(three)
        const hand = yield* rig.hand({ id: "hand", tasks: ["a"] })
        for (const how of ["reports", "releases"]) {
          const [job] = yield* hand.claim(4)
          expect(yield* waiting).toEqual(["hand"])
          yield* how === "reports" ? hand.report(Answer.interrupting(job!)!) : hand.release(job!)
          expect(yield* waiting).toEqual([])
        }
      })
    ))

  it("all look when one has found what it can't run", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig, waiting } = yield* open
        for (const id of crew(8)) yield* rig.hand({ id, tasks: ["b"] })
        yield* rig.submit(other)
        const hand = yield* rig.hand({ id: "stranger", tasks: ["a"] })
        expect((yield* waiting).length).toBe(7)
        yield* hand.claim()
        expect(yield* waiting).toEqual(["stranger"])
      })
    ))

  it("nobody is left who has gone, be it without a word", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig, waiting } = yield* open
        for (const id of crew(2)) yield* rig.hand({ id, tasks: ["a"] })
        yield* rig.broker.unregister("hand-0")
        expect(yield* waiting).toEqual(["hand-1"])
        yield* Scene.until("its lease is over", async () => {
          await Effect.runPromise(rig.broker.sweep)
          return (await Effect.runPromise(rig.broker.workers)).length === 0
        })
        expect(yield* waiting).toEqual([])
      })
    ))

  it("nobody is missed where something else stands in their place", () =>
    Scene.play(
      Effect.gen(function* () {
        const { key, rig, waiting } = yield* open
        const hand = yield* rig.hand({ id: "hand", tasks: ["a"] })
        yield* Effect.promise(() => server.command("SET", key, "zzz"))
        yield* rig.submit(one)
        yield* Effect.promise(() => server.command("SET", key, "zzz"))
        expect((yield* hand.claim(2)).length).toBe(1)
        expect(yield* waiting).toEqual(["hand"])
      })
    ))
})

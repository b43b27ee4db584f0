import { Broker } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import * as Task from "@arpeggio/core/Task"
import * as Worker from "@arpeggio/core/Worker"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as Partitions from "../src/Partitions.ts"
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

const Slow = Task.make("slow", { input: Schema.Struct({}), output: Schema.Void })

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

  it("one hears of a delay that ends before it would look, and nobody of a longer one", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig, waiting } = yield* open
        const ids = crew(3)
        for (const id of ids) yield* rig.hand({ id, tasks: ["a"] })
        yield* rig.submit(one, { delay: 60_000 })
        expect((yield* waiting).length).toBe(3)
        yield* rig.submit(one, { id: "soon", delay: 20 })
        const left = yield* waiting
        expect(left.length).toBe(2)
        const worker = ids.find((id) => !left.includes(id))!
        yield* rig.broker.wake(worker)
        const { deliveries, timer } = yield* rig.broker.settle({ worker, settlements: [], claim: 1 })
        expect(deliveries).toEqual([])
        expect(timer).toBeLessThan(1_500)
      })
    ))

  it("one hears of it too where the first node is what waits", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig, waiting } = yield* open
        for (const id of crew(3)) yield* rig.hand({ id, tasks: ["a"] })
        yield* rig.submit(PlanBuilder.make("later", (p) => p.task("a", { policy: { delay: 900 } })))
        expect((yield* waiting).length).toBe(2)
      })
    ))

  it("who has no room, as another partition keeps it busy, passes it on", () =>
    Scene.play(
      Effect.gen(function* () {
        const namespace = "waking-busy:"
        const { broker, submit } = yield* Scene.rig({ url: server.url, namespace, partitions: 2 })
        const register = (id: string) =>
          broker.register({ id, tasks: ["a"], queues: ["default"], concurrency: 1, host: "here" })
        const idsIn = (partition: number) =>
          Array.from({ length: 50 }, (_, i) => `run-${i}`).filter((id) => Partitions.partitionOf(id, 2) === partition)
        const [here, there] = [idsIn(0), idsIn(1)]
        const busy = crew(2)
        for (const [i, worker] of busy.entries()) {
          yield* register(worker)
          yield* submit(one, { id: there[i]! })
          expect((yield* broker.settle({ worker, settlements: [], claim: 1 })).deliveries.length).toBe(1)
        }
        yield* register("idle")
        const woken = yield* Effect.forkChild(broker.wake("idle"))
        // Of three that wait two are picked: here those that are busy.
        yield* Effect.promise(() => server.command("SREM", `${namespace}{0}:i:default`, "idle"))
        yield* submit(one, { id: here[0]! })
        yield* Effect.promise(() => server.command("SADD", `${namespace}{0}:i:default`, "idle"))
        yield* Effect.forEach(busy, (worker) => broker.wake(worker))
        expect(yield* Fiber.join(woken)).toBe("claim")
      })
    ))

  it("who stops is not among them, however long its handlers take", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig, waiting } = yield* open
        const hand = yield* rig.hand({ id: "hand", tasks: [] })
        const latch = yield* Latch.make()
        const handlers = Slow.toLayer(() => latch.await)
        const layer = Worker.layer({ tasks: [Slow] }).pipe(
          Layer.provide(handlers),
          Layer.provideMerge(Layer.succeed(Broker, rig.broker))
        )
        const scope = yield* Scope.make()
        yield* Layer.buildWithScope(layer, scope)
        yield* Effect.provideService(Client.submit(Slow, {}), Broker, rig.broker)
        yield* Scene.until("it is with the worker", async () => {
          const views = await Effect.runPromise(rig.broker.workers)
          return views.some(({ running }) => running === 1)
        })
        yield* hand.claim()
        expect((yield* waiting).length).toBe(2)
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
        yield* Scene.until("only the other one waits", async () => {
          const left = await Effect.runPromise(waiting)
          return left.length === 1 && left[0] === "hand"
        })
        yield* latch.open
        yield* Fiber.join(closing)
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

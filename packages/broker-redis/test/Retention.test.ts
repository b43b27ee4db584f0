import { Broker } from "@arpeggio/core/Broker"
import type { Plan } from "@arpeggio/core/Plan"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import * as Rig from "@arpeggio/core/testing/suite/Rig"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as RedisBroker from "../src/RedisBroker.ts"
import * as RedisServer from "./RedisServer.ts"
import * as Scene from "./Scene.ts"

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing")
}, 120_000)
afterAll(() => server.stop())

const plan = PlanBuilder.make("fan", (p) => {
  const split = p.task("split")
  return p.each("each", { over: split }, (p) =>
    p.each("inner", { over: p.task("again", { after: [split] }) }, (p) => p.task("part"))
  )
})

describe("A run that is removed", () => {
  it("leaves no elements behind, also of instances that a retry has discarded", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const layer = RedisBroker.layer({ url: server.url, namespace: "retention:", retention: { count: 1 } })
          const broker = Context.get(yield* Layer.build(layer), Broker)
          const rig = Rig.make(broker, { unit: 50, passTime: Effect.sleep })
          const id = yield* rig.submit(plan)
          const hand = yield* rig.hand()
          yield* hand.play({
            split: (job) => Answer.decided(job, { each: [1, 2] }),
            again: (job) => Answer.decided(job, { inner: [1, 2, 3] })
          })
          yield* rig.broker.retry(id, PlanBuilder.addressOf(plan, "split"))
          yield* hand.play({ split: Answer.failing("Boom") })
          expect((yield* rig.broker.await(id)).state).toBe("failed")
          yield* rig.submit(plan, { id: "next" })
          yield* hand.play({ split: Answer.failing("Boom") })
          yield* rig.broker.sweep
          expect((yield* rig.broker.runs({ limit: 10 })).map((run) => run.id)).toEqual(["next"])
          const keys = (yield* Effect.promise(() => server.command("KEYS", "retention:*"))) as ReadonlyArray<string>
          expect(keys.filter((key) => key.includes(id))).toEqual([])
        })
      )
    ))

  it("takes its plan along when no other run has it; a plan that is needed again is stored again", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const layer = RedisBroker.layer({ url: server.url, namespace: "plans:", retention: { count: 2 } })
          const broker = Context.get(yield* Layer.build(layer), Broker)
          const rig = Rig.make(broker, { unit: 50, passTime: Effect.sleep })
          const [first, second] = ["first", "second"].map((name) => PlanBuilder.make(name, (p) => p.task("a")))
          const play = Effect.fnUntraced(function* (plan: typeof first, id: string) {
            yield* rig.submit(plan!, { id })
            yield* (yield* rig.hand()).play()
            yield* rig.broker.sweep
          })
          const plans = Effect.map(
            Effect.promise(() => server.command("KEYS", "plans:{0}:p:*")),
            (keys) => (keys as ReadonlyArray<string>).length
          )
          yield* play(first, "1")
          yield* play(first, "2")
          yield* play(second, "3")
          expect(yield* plans).toBe(2)
          yield* play(second, "4")
          expect(yield* plans).toBe(1)
          yield* play(first, "5")
          expect((yield* rig.broker.await("5")).state).toBe("succeeded")
          expect((yield* rig.broker.runs({ limit: 10 })).map(({ flow, id }) => `${flow} ${id}`)).toEqual([
            "first 5",
            "second 4"
          ])
          expect(yield* plans).toBe(2)
        })
      )
    ))

  it("needs no plan that was stored and never submitted: a sweep removes it, and none that is in use", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const namespace = "unused:{0}:"
          const broker = Context.get(
            yield* Layer.build(RedisBroker.layer({ url: server.url, namespace: "unused:" })),
            Broker
          )
          const rig = Rig.make(broker, { unit: 50, passTime: Effect.sleep })
          const id = yield* rig.submit(PlanBuilder.make("used", (p) => p.task("a")))
          const [used] = (yield* Effect.promise(() =>
            server.command("KEYS", `${namespace}p:*`)
          )) as ReadonlyArray<string>
          // As if somebody else had stored it at the same time, and another plan, an age ago.
          yield* Effect.promise(() => server.command("HSET", `${namespace}p:other`, "json", "{}"))
          yield* Effect.promise(() => server.command("ZADD", `${namespace}g`, 1, used!, 1, `${namespace}p:other`))
          yield* rig.broker.sweep
          expect(yield* Effect.promise(() => server.command("KEYS", `${namespace}p:*`))).toEqual([used])
          const hand = yield* rig.hand()
          expect(yield* hand.play()).toHaveLength(1)
          expect((yield* rig.broker.await(id)).state).toBe("succeeded")
        })
      )
    ))

  it("does not stay in the list of all runs either, while others that are older go on", () =>
    Scene.play(
      Effect.gen(function* () {
        const namespace = "order:"
        const rig = yield* Scene.rig({ url: server.url, namespace, retention: { count: 10 } })
        const command = (name: string, key: string, ...args: ReadonlyArray<string | number>) =>
          Effect.promise(() => server.command(name, `${namespace}{0}:${key}`, ...args))
        const long = PlanBuilder.make("long", (p) => p.task("long"))
        const short = PlanBuilder.make("short", (p) => p.task("short"))
        const hand = yield* rig.hand({ tasks: ["short"] })
        let submitted = 0
        const submit = (plan: Plan, count: number) =>
          Effect.forEach(Array.from({ length: count }), () => rig.submit(plan, { id: `run ${submitted++}` }), {
            concurrency: "unbounded"
          })
        for (let i = 0; i < 20; i++) {
          yield* submit(long, 1)
          yield* submit(long, 1)
          yield* submit(short, 400)
          yield* hand.play()
          yield* rig.broker.sweep
        }
        const length = Effect.map(Effect.all([command("LLEN", "kept"), command("LLEN", "runs")]), ([kept, runs]) => {
          expect(kept).toBeGreaterThan(0)
          return Number(kept) + Number(runs)
        })
        expect(yield* length).toBeLessThan(2 * (1_000 + 50) + 400)
        // All are listed that are there, each once, the newest first.
        const listed = (yield* rig.broker.runs({ limit: 100 })).map(({ id }) => Number(id.slice(4)))
        expect(listed).toEqual(listed.toSorted((a, b) => b - a))
        expect(new Set(listed).size).toBe(50)
        // And found where the store has lost sight of them.
        yield* command("DEL", "k:default:5:long")
        yield* command("DEL", "q:default:5")
        yield* command("HDEL", "flags", "reconciled")
        expect(yield* rig.broker.reconcile).toBe(40)
        const other = yield* rig.hand({ tasks: ["long"] })
        expect(yield* other.play()).toHaveLength(40)
        // However wrong the count of what is gone was: ids may have been used again.
        yield* command("HSET", "flags", "gone", "9000 0")
        for (let i = 0; i < 10; i++) yield* rig.broker.sweep
        expect(Number.parseInt(String(yield* command("HGET", "flags", "gone")))).toBeLessThan(1_000)
      })
    ))
})

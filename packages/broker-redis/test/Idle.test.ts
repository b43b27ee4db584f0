import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import type { Rig } from "@arpeggio/core/testing/suite/Rig"
import { group } from "@arpeggio/core/testing/suite/plans"
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

const open = (options: { readonly lease?: number; readonly retention?: { readonly count: number } } = {}) =>
  Effect.gen(function* () {
    const namespace = `idle-${stores++}:`
    const rig = yield* Scene.rig({ url: server.url, namespace, ...options })
    const command = (name: string, key: string, ...args: ReadonlyArray<string | number>) =>
      Effect.promise(() => server.command(name, `${namespace}{0}:${key}`, ...args))
    /** Whoever is not in this set is told nothing. */
    const unheard = command("DEL", "i:default")
    return { rig, command, unheard }
  })

const isDue = ({ broker }: Rig) => Effect.map(broker.nextSweep, (millis) => millis <= 0)

const one = PlanBuilder.make("one", (p) => p.task("a"))
const other = PlanBuilder.make("other", (p) => p.task("b"))

describe("A worker that has found nothing", () => {
  it("asks with one command whether there is something now", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig } = yield* open()
        const hand = yield* rig.hand()
        yield* hand.claim()
        const { commands, result } = yield* Scene.asked(server, hand.claim())
        expect(result).toEqual([])
        expect(commands).toEqual(["exists 1"])
      })
    ))

  it("is given what has come of every priority, in every one of its queues, also without a hint", () =>
    Scene.play(
      Effect.gen(function* () {
        const { command, rig } = yield* open()
        const hand = yield* rig.hand({ queues: ["red", "blue"], tasks: ["a"] })
        for (const queue of ["red", "blue"]) {
          for (let priority = 0; priority < 10; priority++) {
            yield* hand.claim()
            yield* command("DEL", `i:${queue}`)
            yield* rig.submit(
              PlanBuilder.make(`${queue}-${priority}`, (p) => p.task("a", { policy: { queue, priority } }))
            )
            const jobs = yield* hand.claim(1)
            expect(jobs.length).toBe(1)
            yield* hand.report(Answer.succeeded(jobs[0]!))
          }
        }
      })
    ))

  it("is given what another one has parked, and asks with one command again once that is gone", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig, unheard } = yield* open()
        const hand = yield* rig.hand({ id: "hand", tasks: ["b"] })
        const stranger = yield* rig.hand({ id: "stranger", tasks: ["a"] })
        yield* hand.claim()
        yield* unheard
        yield* rig.submit(other)
        expect(yield* stranger.claim()).toEqual([])
        const jobs = yield* hand.claim(2)
        expect(jobs.length).toBe(1)
        yield* hand.report(Answer.succeeded(jobs[0]!))
        yield* hand.claim()
        const { commands } = yield* Scene.asked(server, hand.claim())
        expect(commands).toEqual(["exists 1"])
      })
    ))

  it("is given what another one has parked while it took what was parked before", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig } = yield* open()
        const [a, b] = [yield* rig.hand({ id: "a", tasks: ["a"] }), yield* rig.hand({ id: "b", tasks: ["b"] })]
        yield* rig.submit(one)
        expect(yield* b.claim()).toEqual([])
        yield* rig.submit(other)
        expect((yield* a.claim(5)).length).toBe(1)
        expect((yield* b.claim(5)).length).toBe(1)
      })
    ))

  it("is given what others died over", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig, unheard } = yield* open({ lease: 100 })
        yield* rig.submit(one)
        const hand = yield* rig.hand({ id: "hand" })
        for (const id of ["first", "second"]) {
          yield* (yield* rig.hand({ id })).claim()
          yield* hand.claim()
          yield* unheard
          yield* Scene.until(`the lease of ${id} is over`, async () => {
            await Effect.runPromise(rig.broker.renew("hand", []))
            return (await Effect.runPromise(rig.broker.sweep)).workers === 1
          })
        }
        expect((yield* hand.claim()).length).toBe(1)
      })
    ))

  it("goes on with what others deferred", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig } = yield* open()
        const idle = yield* rig.hand({ id: "idle", tasks: ["nothing"] })
        yield* idle.claim()
        yield* rig.submit(group(2_000), { id: "large" })
        const ready = Effect.map(rig.broker.queues, ([queue]) => queue?.ready ?? 0)
        const before = yield* ready
        expect(before).toBeLessThan(2_000)
        yield* idle.claim()
        expect(yield* ready).toBeGreaterThan(before)
      })
    ))

  it("is told that the store has forgotten it, whatever there is beside", () =>
    Scene.play(
      Effect.gen(function* () {
        const { command, rig } = yield* open()
        const queues = ["red", "blue", "green"]
        const hand = yield* rig.hand({ id: "hand", queues })
        for (let count = 0; count <= queues.length; count++) {
          yield* hand.claim()
          for (const queue of queues.slice(0, count)) yield* command("RPUSH", `q:${queue}:5`, "of a run that is gone")
          yield* command("DEL", "w:hand")
          const { unknown } = yield* rig.broker.settle({ worker: "hand", settlements: [], claim: 1 })
          expect(unknown).toBe(true)
          yield* rig.broker.register({ id: "hand", queues, tasks: [], concurrency: 1, host: "here" })
        }
      })
    ))
})

describe("A sweep is due", () => {
  it("not while there is nothing to do, which one command says", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig } = yield* open()
        yield* rig.hand()
        yield* rig.submit(one, { delay: 1_000 })
        yield* rig.broker.sweep
        const { commands, result } = yield* Scene.asked(server, rig.broker.nextSweep)
        expect(result).toBeGreaterThan(0)
        expect(commands).toEqual(["zrange 1"])
      })
    ))

  it("when a delay is over, or a retry", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig } = yield* open()
        yield* rig.broker.sweep
        yield* rig.submit(one, { delay: 2 })
        const due = yield* rig.broker.nextSweep
        expect(due).toBeGreaterThan(0)
        expect(due).toBeLessThan(500)
        yield* Scene.until("it is due", () => Effect.runPromise(isDue(rig)))
        expect((yield* rig.broker.sweep).timers).toBe(1)
        expect(yield* (yield* rig.hand()).claim()).toHaveLength(1)
      })
    ))

  it("when the first lease ends", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig } = yield* open({ lease: 500 })
        yield* rig.hand({ id: "hand" })
        yield* rig.broker.sweep
        yield* Scene.until("its lease is over", async () => {
          if (!(await Effect.runPromise(isDue(rig)))) return false
          return (await Effect.runPromise(rig.broker.sweep)).workers === 1
        })
      })
    ))

  it("when somebody has deferred something, also for who has never seen it", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig } = yield* open()
        // What has no timer is looked at more seldom then.
        for (let i = 0; i < 4; i++) yield* rig.broker.sweep
        yield* rig.submit(group(2_000), { id: "large" })
        expect(yield* rig.broker.nextSweep).toBeLessThan(1_000)
        yield* rig.broker.sweep
        expect((yield* rig.broker.queues)[0]).toMatchObject({ ready: 2_000 })
      })
    ))

  it("again after one that has removed something, as there is mostly more", () =>
    Scene.play(
      Effect.gen(function* () {
        const { rig } = yield* open({ retention: { count: 0 } })
        yield* rig.submit(one)
        const hand = yield* rig.hand()
        yield* hand.report(Answer.succeeded(yield* hand.take("a")))
        expect((yield* rig.broker.sweep).removed).toBe(1)
        expect(yield* isDue(rig)).toBe(true)
      })
    ))
})

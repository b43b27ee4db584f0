import { Broker } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import * as Task from "@arpeggio/core/Task"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import * as Rig from "@arpeggio/core/testing/suite/Rig"
import * as Worker from "@arpeggio/core/Worker"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Redis } from "ioredis"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { Random } from "../../core/test/simulation/Random.ts"
import * as RedisBroker from "../src/RedisBroker.ts"
import * as Scripts from "../src/Scripts.ts"
import * as RedisServer from "./RedisServer.ts"

let server: RedisServer.OwnServer
let admin: Redis
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing")
  admin = new Redis(server.url)
}, 120_000)
afterAll(async () => {
  admin.disconnect()
  await server.stop()
})

const { fcall } = Redis.prototype
afterEach(() => {
  Redis.prototype.fcall = fcall
})

let stores = 0

/** Of one call: each command takes about a microsecond of Redis, and each thousand characters, and nobody else is served meanwhile. */
const bound = { commands: 2_000, characters: 2_500_000 }

/** Plays the story, and then no call of it may have held up the store: what it does must not grow with the run. */
const story = (
  name: string,
  tell: (rig: Rig.Rig) => Effect.Effect<void, unknown, Scope.Scope>,
  settings: RedisBroker.Settings = {}
) =>
  it(
    name,
    () =>
      Effect.runPromise(
        Effect.scoped(
          Effect.gen(function* () {
            const most = measureCalls()
            const broker = Context.get(
              yield* Layer.build(RedisBroker.layer({ ...settings, url: server.url, namespace: `large-${stores++}:` })),
              Broker
            )
            yield* tell(Rig.make(broker, { unit: 50, passTime: Effect.sleep }))
            const isLong = ({ characters, commands }: Cost) =>
              commands > bound.commands || characters > bound.characters
            expect([...most].filter(([, cost]) => isLong(cost))).toEqual([])
          })
        )
      ),
    120_000
  )

interface Cost {
  readonly commands: number
  /** Sent and received. */
  readonly characters: number
}

/** From now on, the most a call of each function has done; calls come one at a time. */
const measureCalls = (): ReadonlyMap<string, Cost> => {
  const most = new Map<string, Cost>()
  let last = Promise.resolve(0)
  Redis.prototype.fcall = function (this: Redis, ...call: Parameters<typeof fcall>) {
    const name = String(call[0]).slice(Scripts.library.length + 1)
    const reply = last.then(commandsSoFar).then(async (before) => {
      let received: unknown
      try {
        received = await fcall.apply(this, call)
        return received
      } finally {
        const known = most.get(name) ?? { commands: 0, characters: 0 }
        most.set(name, {
          commands: Math.max(known.commands, (await commandsSoFar()) - before),
          characters: Math.max(known.characters, lengthOf(call) + lengthOf(received))
        })
      }
    })
    last = reply.then(
      () => 0,
      () => 0
    )
    return reply
  } as typeof fcall
  return most
}

const lengthOf = (value: unknown): number =>
  Array.isArray(value) ? value.reduce<number>((sum, part) => sum + lengthOf(part), 0) : String(value ?? "").length

const commandsSoFar = async (): Promise<number> => {
  const stats = await admin.info("commandstats")
  return Array.from(stats.matchAll(/:calls=(\d+)/g), ([, calls]) => Number(calls)).reduce(
    (sum, calls) => sum + calls,
    0
  )
}

/** Sweeps until the run has ended. */
const settle = (rig: Rig.Rig, run: string) =>
  Effect.gen(function* () {
    while ((yield* rig.broker.runs({ state: "running", limit: 1 })).length > 0) yield* rig.broker.sweep
    return yield* rig.broker.await(run)
  })

const numbers = (count: number): ReadonlyArray<number> => Array.from({ length: count }, (_, i) => i)

const fan = PlanBuilder.make("fan", (p) => {
  const split = p.task("split")
  const each = p.each("each", { over: split }, (p) => p.task("part"))
  return p.task("last", { after: [each], input: { literal: null } })
})

const join = (width: number) =>
  PlanBuilder.make("join", (p) => {
    const first = p.task("first")
    const all = p.pass("all", {
      after: numbers(width).map((i) => p.task(`t${i}`, { task: "t", after: [first], input: { literal: null } }))
    })
    return p.task("last", { after: [all], input: { literal: null } })
  })

describe("a large run", () => {
  story("a forEach over 20,000 elements", (rig) =>
    Effect.gen(function* () {
      const id = yield* rig.submit(fan)
      const hand = yield* rig.hand()
      const given = yield* hand.play({ split: (job) => Answer.decided(job, { each: numbers(20_000) }) })
      expect(given).toHaveLength(20_002)
      expect((yield* rig.broker.await(id)).state).toBe("succeeded")
    })
  )

  story("a forEach over 20,000 elements of which all are ready, cancelled", (rig) =>
    Effect.gen(function* () {
      const id = yield* rig.submit(fan)
      const hand = yield* rig.hand()
      const [split] = yield* hand.claim()
      const { jobs } = yield* hand.settle([Answer.decided(split!, { each: numbers(20_000) })], 10)
      for (let i = 0; i < 60; i++) yield* rig.broker.sweep
      expect(yield* rig.broker.cancel(id)).toBe(true)
      expect(
        (yield* hand.settle(
          jobs.map(Answer.interrupting).map((answer) => answer!),
          100
        )).jobs
      ).toEqual([])
      expect((yield* settle(rig, id)).state).toBe("cancelled")
      expect(yield* hand.claim()).toEqual([])
    })
  )

  story("a join over 10,000 nodes", (rig) =>
    Effect.gen(function* () {
      const id = yield* rig.submit(join(10_000))
      const hand = yield* rig.hand()
      expect(yield* hand.play()).toHaveLength(10_002)
      expect((yield* rig.broker.await(id)).state).toBe("succeeded")
    })
  )

  story("a join over 10,000 nodes of which one fails, cancelled by it, and retried", (rig) =>
    Effect.gen(function* () {
      const id = yield* rig.submit(join(10_000))
      const hand = yield* rig.hand()
      const before = yield* hand.play({ t77: Answer.failing("Boom") })
      expect((yield* settle(rig, id)).state).toBe("failed")
      expect(yield* rig.broker.retry(id)).toEqual({ generation: 2 })
      expect(yield* hand.play()).toHaveLength(10_002 - (before.length - 1))
      expect((yield* rig.broker.await(id)).state).toBe("succeeded")
    })
  )

  story("a forEach over 10,000 elements beside a join over 5,000 nodes, retried from its start", (rig) =>
    Effect.gen(function* () {
      const plan = PlanBuilder.make("both", (p) => {
        const split = p.task("split")
        const steps = numbers(5_000).map((i) =>
          p.task(`t${i}`, { task: "t", after: [split], input: { literal: null } })
        )
        const all = p.pass("all", { after: steps })
        const each = p.each("each", { over: "input" }, (p) =>
          p.task("part", { after: [split], input: { literal: null } })
        )
        return p.task("last", { after: [each, all], input: { literal: null } })
      })
      const id = yield* rig.submit(plan, { elements: { each: numbers(10_000) } })
      const hand = yield* rig.hand()
      expect(yield* hand.play()).toHaveLength(15_002)
      expect(yield* rig.broker.retry(id, PlanBuilder.addressOf(plan, "split"))).toEqual({ generation: 2 })
      expect(yield* hand.play()).toHaveLength(15_002)
      expect(yield* rig.broker.await(id)).toMatchObject({ state: "succeeded", generation: 2 })
    })
  )

  story("a plan of 5,000 nodes, each after two others", (rig) =>
    Effect.gen(function* () {
      const random = new Random(1)
      const plan = PlanBuilder.make("mesh", (p) => {
        const steps: Array<PlanBuilder.Step> = []
        for (let i = 0; i < 5_000; i++) {
          const after = i < 10 ? [] : [...new Set([steps[random.below(i)]!, steps[i - 1 - random.below(10)]!])]
          steps.push(p.task(`t${i}`, { task: "t", after, input: { literal: null } }))
        }
        return p.pass("all", { after: steps })
      })
      const id = yield* rig.submit(plan)
      const hand = yield* rig.hand()
      expect(yield* hand.play()).toHaveLength(5_000)
      expect((yield* rig.broker.await(id)).state).toBe("succeeded")
    })
  )

  story("40 runs with inputs of 300,000 characters", (rig) =>
    Effect.gen(function* () {
      const plan = PlanBuilder.make("long", (p) => p.task("t", { input: { input: [] } }))
      const input = "x".repeat(300_000)
      const hand = yield* rig.hand({ tasks: ["t"] })
      const ids = numbers(40).map((i) => `long-${i}`)
      yield* Effect.forEach(ids, (id) => rig.submit(plan, { id, input }), { concurrency: "unbounded" })
      expect(yield* hand.play()).toHaveLength(40)
      for (const id of ids) expect((yield* rig.broker.await(id)).state).toBe("succeeded")
    })
  )

  story("10 tasks with inputs of 300,000 characters, which wait for each other", (rig) =>
    Effect.gen(function* () {
      const task = Task.make("t", { input: Schema.String, output: Schema.Int })
      let running = 0
      const all = Latch.makeUnsafe(false)
      const handlers = task.toLayer(({ length }) =>
        Effect.suspend(() => {
          if (++running === 10) all.openUnsafe()
          return Effect.as(all.await, length)
        })
      )
      const runs = yield* Effect.forEach(numbers(10), () => Client.submit(task, "x".repeat(300_000)))
      yield* Layer.build(
        Worker.layer({ tasks: [task], concurrency: 10, pollInterval: "1 hour" }).pipe(Layer.provide(handlers))
      )
      for (const run of runs) expect(yield* run.await).toBe(300_000)
    }).pipe(Effect.provideService(Broker, rig.broker))
  )

  story("forEachs over 400 and over 1,200 elements of 10,000 characters", (rig) =>
    Effect.gen(function* () {
      const hand = yield* rig.hand({ tasks: ["split", "part", "last"] })
      for (const count of [400, 1_200]) {
        const elements = numbers(count).map((i) => `${i}`.padEnd(10_000, "x"))
        const id = yield* rig.submit(fan)
        expect(yield* hand.play({ split: (job) => Answer.decided(job, { each: elements }) })).toHaveLength(count + 2)
        expect((yield* rig.broker.await(id)).state).toBe("succeeded")
      }
    })
  )

  story("a plan of several megabytes", (rig) =>
    Effect.gen(function* () {
      // Characters that take two places each, at odd places and at even ones.
      const literal = "😀".repeat(500_000)
      const plan = PlanBuilder.make("literal", (p) => {
        const a = p.task("a", { input: { literal } })
        return p.task("b", { after: [a], input: { literal: `b${literal}` } })
      })
      const id = yield* rig.submit(plan)
      const { planHash } = yield* rig.broker.run(id)
      expect(yield* rig.broker.plan(planHash)).toEqual(plan)
      expect(yield* (yield* rig.hand()).play()).toEqual(["a", "b"])
      expect((yield* rig.broker.await(id)).state).toBe("succeeded")
    })
  )

  story(
    "1,500 deliveries of one worker, given back in their order when it leaves, and again when it is gone",
    (rig) =>
      Effect.gen(function* () {
        const plan = PlanBuilder.make("two", (p) => p.task("b", { after: [p.task("a")] }))
        const ids = numbers(1_500).map(String)
        for (const id of ids) yield* rig.submit(plan, { id })
        const claim = Effect.gen(function* () {
          const hand = yield* rig.hand({ tasks: ["a"] })
          const jobs: Array<Answer.Job> = []
          while (jobs.length < ids.length) jobs.push(...(yield* hand.claim(500)))
          expect(jobs.map(({ run }) => run)).toEqual(ids)
          return { hand, jobs }
        })
        const first = yield* claim
        yield* rig.broker.unregister(first.hand.id)
        const second = yield* claim
        expect(new Set(second.jobs.map(({ lost }) => lost))).toEqual(new Set([0]))
        yield* rig.broker.release(second.hand.id, second.jobs)
        yield* rig.broker.unregister(second.hand.id)
        yield* claim
        // Its lease runs out.
        while ((yield* rig.broker.workers).length > 0) {
          yield* rig.pass(2)
          yield* rig.broker.sweep
        }
        const last = yield* claim
        expect(new Set(last.jobs.map(({ lost }) => lost))).toEqual(new Set([1]))
      }),
    { lease: "2 seconds" }
  )

  story("3,000 deliveries of one worker, compared with what the worker says", (rig) =>
    Effect.gen(function* () {
      const ids = numbers(3_000).map(String)
      const one = PlanBuilder.make("one", (p) => p.task("a"))
      for (const id of ids) yield* rig.submit(one, { id })
      const hand = yield* rig.hand({ id: "hand" })
      const jobs: Array<Answer.Job> = []
      // Few per call, so that the nonces are of many.
      while (jobs.length < ids.length) jobs.push(...(yield* hand.claim(20)))
      const unheard = jobs.filter((_, i) => i % 100 === 7)
      const heard = jobs.filter((_, i) => i % 100 !== 7).map(({ nonce }) => nonce)
      const unknown = numbers(50).map((n) => `${jobs[n]!.nonce}x`)
      yield* rig.broker.cancel(jobs[3]!.run)
      const renewed = yield* rig.broker.renew(hand.id, [...heard, ...unknown])
      expect(renewed.unknown).toBe(false)
      expect(new Set(renewed.lost)).toEqual(new Set(unknown))
      expect(renewed.interrupt).toEqual([jobs[3]!.nonce])
      const again = yield* (yield* rig.hand()).claim(100)
      expect(new Set(again.map(({ run }) => run))).toEqual(new Set(unheard.map(({ run }) => run)))
      yield* rig.broker.unregister(hand.id)
      expect((yield* rig.broker.renew(hand.id, heard)).lost.length).toBe(heard.length)
    })
  )

  story("9,000 deliveries of one worker, all of a run that closes", (rig) =>
    Effect.gen(function* () {
      yield* rig.submit(
        PlanBuilder.make("wide", (p) =>
          p.pass("all", { after: numbers(9_000).map((n) => p.task(`t${n}`, { task: "t" })) })
        )
      )
      const hand = yield* rig.hand()
      const jobs: Array<Answer.Job> = []
      while (jobs.length < 9_000) jobs.push(...(yield* hand.claim(500)))
      const { interrupt } = yield* hand.settle([Answer.failed(jobs[0]!, "Boom")], 0)
      expect(new Set(interrupt)).toEqual(new Set(jobs.slice(1).map(({ nonce }) => nonce)))
    })
  )

  story(
    "300 runs of 100 elements, removed by retention",
    (rig) =>
      Effect.gen(function* () {
        const hand = yield* Effect.andThen(rig.submit(fan, { id: "first" }), rig.hand())
        for (let i = 0; i < 300; i++) yield* rig.submit(fan, { id: `more-${i}` })
        yield* hand.play({ split: (job) => Answer.decided(job, { each: numbers(100) }) })
        while ((yield* rig.broker.sweep).removed > 0) {
          /* a bounded round each */
        }
        expect((yield* rig.broker.runs({ limit: 1_000 })).length).toBe(10)
        const keys = (yield* Effect.promise(() =>
          server.command("KEYS", `large-${stores - 1}:*`)
        )) as ReadonlyArray<string>
        const isOfRun = (key: string) => key.includes(":r:") || key.includes(":f:") || key.includes(":d:")
        expect(keys.filter(isOfRun)).toHaveLength(20)
      }),
    { retention: { count: 10 } }
  )
})

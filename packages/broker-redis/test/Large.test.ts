import { Broker } from "@arpeggio/core/Broker"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import * as Rig from "@arpeggio/core/testing/suite/Rig"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
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

/** Commands of one call. Each takes about a microsecond of Redis, which nobody else is served meanwhile. */
const bound = 2_000

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
            const most = countCommands()
            const broker = Context.get(
              yield* Layer.build(RedisBroker.layer({ ...settings, url: server.url, namespace: `large-${stores++}:` })),
              Broker
            )
            yield* tell(Rig.make(broker, { unit: 50, passTime: Effect.sleep }))
            expect([...most].filter(([, commands]) => commands > bound)).toEqual([])
          })
        )
      ),
    120_000
  )

/** From now on, the most commands a call of each function has done; calls come one at a time. */
const countCommands = (): ReadonlyMap<string, number> => {
  const most = new Map<string, number>()
  let last = Promise.resolve(0)
  Redis.prototype.fcall = function (this: Redis, ...call: Parameters<typeof fcall>) {
    const name = String(call[0]).slice(Scripts.library.length + 1)
    const reply = last.then(commandsSoFar).then(async (before) => {
      try {
        return await fcall.apply(this, call)
      } finally {
        most.set(name, Math.max(most.get(name) ?? 0, (await commandsSoFar()) - before))
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
        expect(yield* Effect.promise(() => server.command("LLEN", `large-${stores - 1}:{0}:runs`))).toBe(10)
      }),
    { retention: { count: 10 } }
  )
})

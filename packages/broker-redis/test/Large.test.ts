import { Broker } from "@arpeggio/core/Broker"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import * as Rig from "@arpeggio/core/testing/suite/Rig"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { Random } from "../../core/test/simulation/Random.ts"
import * as RedisBroker from "../src/RedisBroker.ts"
import * as Scripts from "../src/Scripts.ts"
import * as RedisServer from "./RedisServer.ts"

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing", ["--slowlog-log-slower-than", "2000", "--slowlog-max-len", "10000"])
}, 120_000)
afterAll(() => server.stop())

let stores = 0

/** Far above what a bounded call takes on a busy machine, far below one whose time grows with the run: microseconds. */
const bound = 250_000

/** Plays the story, and then no call of it may have held up the store. */
const story = (
  name: string,
  tell: (rig: Rig.Rig) => Effect.Effect<void, unknown, Scope.Scope>,
  settings: Partial<RedisBroker.Options> = {}
) =>
  it(
    name,
    () =>
      Effect.runPromise(
        Effect.scoped(
          Effect.gen(function* () {
            yield* Effect.promise(() => server.command("SLOWLOG", "RESET"))
            const broker = Context.get(
              yield* Layer.build(RedisBroker.layer({ ...settings, url: server.url, namespace: `large-${stores++}:` })),
              Broker
            )
            yield* tell(Rig.make(broker, { unit: 50, passTime: Effect.sleep }))
            const slow = (yield* Effect.promise(() =>
              server.command("SLOWLOG", "GET", 10_000)
            )) as ReadonlyArray<SlowCall>
            console.log(`${name}: ${inWords(slow)}`)
            expect(
              slow
                .filter(([, , micros]) => micros > bound)
                .map(([, , micros, command]) => `${nameOf(command)} took ${micros} µs`)
            ).toEqual([])
          })
        )
      ),
    120_000
  )

type SlowCall = readonly [id: number, at: number, micros: number, command: ReadonlyArray<string>]

const scripts = Object.values(Scripts).filter((script) => typeof script === "object")

const nameOf = ([command, first]: ReadonlyArray<string>): string =>
  scripts.find(({ sha, source }) => sha === first || source.startsWith(first!.slice(0, 60)))?.name ??
  `${command} ${first}`

const inWords = (slow: ReadonlyArray<SlowCall>): string => {
  const most = new Map<string, { calls: number; micros: number }>()
  for (const [, , micros, command] of slow) {
    const name = nameOf(command)
    const known = most.get(name) ?? { calls: 0, micros: 0 }
    most.set(name, { calls: known.calls + 1, micros: Math.max(known.micros, micros) })
  }
  const parts = [...most].map(
    ([name, { calls, micros }]) => `${name} ${(micros / 1_000).toFixed(1)} ms at most (${calls})`
  )
  return parts.length === 0 ? "no call over 2 ms" : `calls over 2 ms: ${parts.join(", ")}`
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

import type { Plan } from "@arpeggio/core/Plan"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import { group, map, single } from "@arpeggio/core/testing/suite/plans"
import type * as Rig from "@arpeggio/core/testing/suite/Rig"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as Scripts from "../src/Scripts.ts"
import * as RedisServer from "./RedisServer.ts"
import * as Scene from "./Scene.ts"

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing")
}, 120_000)
afterAll(() => server.stop())

let stores = 0

/** A store of its own, and what somebody does to it. */
interface Store extends Pick<Rig.Rig, "broker" | "hand" | "submit" | "states"> {
  readonly command: (name: string, key: string, ...args: ReadonlyArray<string | number>) => Effect.Effect<unknown>
  readonly call: (script: Scripts.Script, ...args: ReadonlyArray<string | number>) => Effect.Effect<unknown>
  /** Looks for what the store has lost sight of, whenever it did so last. */
  readonly reconcile: Effect.Effect<number, unknown>
}

const tell = (name: string, story: (store: Store) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it(name, () =>
    Scene.play(
      Effect.gen(function* () {
        const namespace = `reconcile-${stores++}:`
        const rig = yield* Scene.rig({ url: server.url, namespace })
        const command: Store["command"] = (name, key, ...args) =>
          Effect.promise(() => server.command(name, `${namespace}{0}:${key}`, ...args))
        const call: Store["call"] = ({ name }, ...args) =>
          Effect.promise(() => server.command("FCALL", name, 1, `${namespace}{0}:`, ...args))
        const reconcile = Effect.andThen(command("HDEL", "flags", "reconciled"), rig.broker.reconcile)
        yield* story({ ...rig, command, call, reconcile })
      })
    )
  )

/** `a` and `b`, then `c`. */
const join = PlanBuilder.make("join", (p) => p.task("c", { after: [p.task("a"), p.task("b")] }))

const retried = single({ attempts: 2, base: 50, jitter: false })

/** The same; when a node that can expire is ready again, that is written. */
const expiring = PlanBuilder.make("expiring", (p) =>
  p.task("c", { after: [p.task("a", { policy: { expires: 60_000 } }), p.task("b")] })
)

const queue = "q:default:5"

describe("what the store has lost sight of is put back", () => {
  tell("a ready node that is in no queue and with no worker", (store) =>
    Effect.gen(function* () {
      yield* store.submit(join)
      yield* store.command("DEL", queue)
      const hand = yield* store.hand()
      expect(yield* hand.claim()).toEqual([])
      expect(yield* store.reconcile).toBe(2)
      const jobs = yield* hand.claim()
      expect(jobs.map(({ lost, name }) => ({ lost, name }))).toEqual([
        { lost: 1, name: "a" },
        { lost: 1, name: "b" }
      ])
      yield* hand.report(...jobs.map((job) => Answer.succeeded(job)))
      expect(yield* hand.play()).toEqual(["c"])
    })
  )

  tell("a node that is to be tried again, without its timer", (store) =>
    Effect.gen(function* () {
      yield* store.submit(retried, { id: "retried" })
      const hand = yield* store.hand()
      yield* hand.report(Answer.failed(yield* hand.take("a"), "Busy"))
      yield* store.command("DEL", "t")
      expect(yield* store.reconcile).toBe(1)
      yield* Scene.until("the node is due", () =>
        Effect.runPromise(Effect.map(store.broker.sweep, ({ timers }) => timers === 1))
      )
      expect(yield* hand.play()).toEqual(["a"])
      expect((yield* store.broker.run("retried")).state).toBe("succeeded")
    })
  )

  tell("a run whose start is delayed, without its timer", (store) =>
    Effect.gen(function* () {
      yield* store.submit(single(), { id: "later", delay: 1 })
      yield* store.command("DEL", "t")
      expect(yield* store.reconcile).toBe(1)
      expect(yield* (yield* store.hand()).play()).toEqual(["a"])
    })
  )

  tell("deferred work that nobody knows of", (store) =>
    Effect.gen(function* () {
      yield* store.submit(group(600))
      yield* store.command("DEL", "x")
      const hand = yield* store.hand()
      expect(yield* store.reconcile).toBe(1)
      expect((yield* hand.play()).length).toBe(600)
    })
  )

  tell("a ready node of a run that was cancelled: it ends", (store) =>
    Effect.gen(function* () {
      yield* store.submit(join, { id: "cancelled" })
      const hand = yield* store.hand()
      yield* hand.claim()
      yield* store.broker.cancel("cancelled")
      // With the worker, all that says what it held is gone.
      yield* store.command("DEL", `w:${hand.id}`)
      expect(yield* store.reconcile).toBe(2)
      expect((yield* store.broker.run("cancelled")).state).toBe("cancelled")
    })
  )
})

describe("what stands somewhere is left alone", () => {
  tell("in a queue, parked, among the suspects, with a worker, with a timer", (store) =>
    Effect.gen(function* () {
      const late = PlanBuilder.make("late", (p) => p.task("e", { policy: { expires: 60_000 } }))
      const unknown = PlanBuilder.make("unknown", (p) => p.task("nobody"))
      yield* store.submit(retried)
      const hand = yield* store.hand({ tasks: ["e", "a", "b"] })
      yield* hand.report(Answer.failed(yield* hand.take("a"), "Busy", { retryAfter: 60_000 }))
      yield* store.submit(single(), { delay: 1_000_000 })
      yield* store.submit(unknown)
      expect(yield* hand.claim()).toEqual([])
      yield* store.submit(late)
      const gone = yield* store.hand({ id: "gone", tasks: ["e"] })
      yield* gone.take("e")
      yield* store.command("ZADD", "ws", 0, "gone")
      expect((yield* store.broker.sweep).workers).toBe(1)
      yield* store.submit(join)
      yield* (yield* store.hand({ tasks: ["a", "b"] })).claim(1)
      expect(yield* store.reconcile).toBe(0)
    })
  )

  tell("more of everything than one call looks at", (store) =>
    Effect.gen(function* () {
      const elements = { each: Array.from({ length: 1_500 }, (_, i) => i) }
      yield* store.submit(map(), { elements })
      for (let i = 0; i < 600; i++) yield* store.submit(single())
      const hand = yield* store.hand()
      yield* Effect.repeat(store.broker.sweep, { times: 5 })
      expect(yield* store.reconcile).toBe(0)
      yield* store.command("LTRIM", queue, 700, -1)
      expect(yield* store.reconcile).toBe(700)
      expect((yield* hand.play()).length).toBe(2_100)
    })
  )

  tell("what was claimed meanwhile", (store) =>
    Effect.gen(function* () {
      yield* store.submit(join, { id: "moving" })
      const hand = yield* store.hand()
      yield* hand.claim()
      const survey = ["moving", "1", PlanBuilder.addressOf(join, "a"), "r"]
      expect(yield* store.call(Scripts.restore, 500, ...survey)).toBe(0)
    })
  )

  tell("what a cancel is about to end, some hundreds at a time", (store) =>
    Effect.gen(function* () {
      yield* store.submit(group(2_000), { id: "cancelled" })
      yield* Effect.repeat(store.broker.sweep, { times: 5 })
      yield* store.broker.cancel("cancelled")
      // As a claim does with what it passes over.
      yield* store.command("DEL", queue)
      expect((yield* store.broker.run("cancelled")).state).toBe("running")
      expect(yield* store.reconcile).toBe(0)
    })
  )

  tell("a node that was put back though it stood in a queue is handed out once", (store) =>
    Effect.gen(function* () {
      yield* store.submit(single())
      const entries = (yield* store.command("LRANGE", queue, 0, -1)) as ReadonlyArray<string>
      yield* store.command("DEL", queue)
      expect(yield* store.reconcile).toBe(1)
      yield* store.command("LPUSH", queue, ...entries)
      expect((yield* (yield* store.hand()).claim()).map(({ name }) => name)).toEqual(["a"])
    })
  )
})

describe("when", () => {
  tell("once in a while, whoever asks", (store) =>
    Effect.gen(function* () {
      expect(yield* store.broker.reconcile).toBe(0)
      yield* store.submit(single())
      yield* store.command("DEL", queue)
      expect(yield* store.broker.reconcile).toBe(0)
      yield* store.command("HSET", "flags", "reconciled", `${Date.now() - 301_000} ${yield* startOf} done`)
      expect(yield* store.broker.reconcile).toBe(1)
    })
  )

  tell("anew where somebody began and did not end", (store) =>
    Effect.gen(function* () {
      yield* store.submit(single())
      yield* store.command("DEL", queue)
      yield* store.command("HSET", "flags", "reconciled", `${Date.now() - 15_000} ${yield* startOf} begun`)
      expect(yield* store.broker.reconcile).toBe(0)
      yield* store.command("HSET", "flags", "reconciled", `${Date.now() - 61_000} ${yield* startOf} begun`)
      expect(yield* store.broker.reconcile).toBe(1)
      expect(String(yield* store.command("HGET", "flags", "reconciled"))).toContain(" done")
    })
  )

  tell("anew where the store was started again while somebody looked", (store) =>
    Effect.gen(function* () {
      yield* store.submit(single())
      yield* store.command("DEL", queue)
      yield* store.call(Scripts.reconciled, "abcdef")
      expect(yield* store.broker.reconcile).toBe(1)
    })
  )

  tell("at once after the store was started", (store) =>
    Effect.gen(function* () {
      yield* store.submit(single())
      yield* store.command("DEL", queue)
      yield* store.command("HSET", "flags", "reconciled", `${Date.now()} abcdef done`)
      expect(yield* store.broker.reconcile).toBe(1)
    })
  )
})

const startOf = Effect.promise(async () => /run_id:(\w+)/.exec(String(await server.command("INFO", "server")))![1])

describe("a store that hands out a node twice", () => {
  const twice = (plan: Plan, story: (given: Given) => Effect.Effect<void, unknown>) => (store: Store) =>
    Effect.gen(function* () {
      yield* store.submit(plan, { id: "twice" })
      const entries = (yield* store.command("LRANGE", queue, 0, 0)) as ReadonlyArray<string>
      yield* store.command("LPUSH", queue, ...entries)
      const [first, second] = [yield* store.hand(), yield* store.hand()]
      const jobs = [yield* first.take("a"), yield* second.take("a")] as const
      yield* story({ store, first, second, jobs })
    })

  tell(
    "records the first report only",
    twice(join, ({ first, jobs, second, store }) =>
      Effect.gen(function* () {
        expect(yield* first.report(Answer.succeeded(jobs[0]))).toEqual(["recorded"])
        expect(yield* second.report(Answer.succeeded(jobs[1]))).toEqual(["stale"])
        expect(yield* first.play()).toEqual(["b", "c"])
        expect((yield* store.broker.run("twice")).state).toBe("succeeded")
        expect((yield* store.broker.workers).map(({ running }) => running)).toEqual([0, 0])
      })
    )
  )

  tell(
    "takes nothing back that has ended",
    twice(expiring, ({ first, jobs, second, store }) =>
      Effect.gen(function* () {
        yield* first.report(Answer.succeeded(jobs[0]))
        yield* second.release(jobs[1])
        expect(yield* first.play()).toEqual(["b", "c"])
        expect((yield* store.broker.run("twice")).state).toBe("succeeded")
      })
    )
  )

  tell(
    "counts nothing against a node that has ended when its worker is lost",
    twice(join, ({ first, jobs, second, store }) =>
      Effect.gen(function* () {
        yield* first.report(Answer.succeeded(jobs[0]))
        yield* store.command("ZADD", "ws", 0, second.id)
        yield* store.broker.sweep
        expect(yield* first.play()).toEqual(["b", "c"])
        expect((yield* store.broker.run("twice")).state).toBe("succeeded")
      })
    )
  )
})

interface Given {
  readonly store: Store
  readonly first: Rig.Hand
  readonly second: Rig.Hand
  readonly jobs: readonly [Answer.Job, Answer.Job]
}

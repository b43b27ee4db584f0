import { Broker } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import type { RunDamaged } from "@arpeggio/core/Failure"
import * as Flow from "@arpeggio/core/Flow"
import * as Orchestrator from "@arpeggio/core/Orchestrator"
import type { Plan } from "@arpeggio/core/Plan"
import * as Task from "@arpeggio/core/Task"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import { chord, group, single } from "@arpeggio/core/testing/suite/plans"
import * as Rig from "@arpeggio/core/testing/suite/Rig"
import * as Worker from "@arpeggio/core/Worker"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { Redis } from "ioredis"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as RedisBroker from "../src/RedisBroker.ts"
import * as Scripts from "../src/Scripts.ts"
import * as RedisServer from "./RedisServer.ts"
import * as Scene from "./Scene.ts"
import { eventually } from "./eventually.ts"

let server: RedisServer.OwnServer
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing")
}, 120_000)
afterAll(() => server.stop())

let stores = 0

/** A store of its own, and what somebody does to it. */
interface Store {
  readonly prefix: string
  readonly rig: Rig.Rig
  readonly command: (name: string, key: string, ...args: ReadonlyArray<string | number>) => Effect.Effect<unknown>
  readonly damaged: Effect.Effect<{ readonly [run: string]: string }>
}

const connect = (namespace: string) =>
  Effect.map(Layer.build(RedisBroker.layer({ url: server.url, namespace })), Context.get(Broker))

const open: Effect.Effect<Store, unknown, Scope.Scope> = Effect.gen(function* () {
  const namespace = `damage-${stores++}:`
  const prefix = `${namespace}{0}:`
  const command: Store["command"] = (name, key, ...args) =>
    Effect.promise(() => server.command(name, prefix + key, ...args))
  return {
    prefix,
    rig: yield* Scene.rig({ url: server.url, namespace }),
    command,
    damaged: Effect.map(command("HGETALL", "damaged"), (reply) => {
      const pairs = reply as ReadonlyArray<string>
      return Object.fromEntries(
        Array.from({ length: pairs.length / 2 }, (_, i) => [pairs[2 * i]!, pairs[2 * i + 1]!.replace(/^\d+ /, "")])
      )
    })
  }
})

/** Redis is to read the plan again. */
const forget = Effect.promise(() => server.command("FUNCTION", "FLUSH"))

const keyOfPlan = (store: Store, id: string): Effect.Effect<string> =>
  Effect.map(store.command("HGET", `r:${id}`, "m"), (m) => `p:${String(m).split(",")[2]}`)

/** `a` and `b`, then `c`. */
const bad = PlanBuilder.make("bad", (p) => {
  const policy = { attempts: 2, base: 1, jitter: false }
  return p.task("c", { after: [p.task("a", { policy }), p.task("b")] })
})

/** Its plan takes more than one field. */
const long = PlanBuilder.make("long", (p) =>
  p.task("c", { after: [p.task("a", { input: { literal: "x".repeat(600_000) } }), p.task("b")] })
)

const at = (name: string): string => PlanBuilder.addressOf(bad, name)

/** What is done to the run `bad`, and what is said of it then. */
interface Damage {
  readonly issue: string
  readonly make: (store: Store) => Effect.Effect<unknown>
}

const everywhere: { readonly [what: string]: Damage } = {
  "its state": {
    issue: "its field m is unreadable",
    make: ({ command }) => command("HSET", "r:bad", "m", "nonsense")
  },
  "its key": {
    issue: "one of its keys is of another type",
    make: ({ command }) => command("SET", "r:bad", "nonsense")
  },
  "its plan, which is lost": {
    issue: "its plan is not in the store: field N",
    make: (store) =>
      Effect.andThen(
        Effect.flatMap(keyOfPlan(store, "bad"), (key) => store.command("DEL", key)),
        forget
      )
  },
  "its plan, which is no JSON": {
    issue: "its plan: field N is unreadable",
    make: (store) =>
      Effect.andThen(
        Effect.flatMap(keyOfPlan(store, "bad"), (key) => store.command("HSET", key, "0", "{", "1", "{", "2", "{")),
        forget
      )
  }
}

const cell = (name: string): Damage => ({
  issue: `node ${at(name)} is unreadable`,
  make: ({ command }) => command("HSET", "r:bad", at(name), "zzz")
})

/** Calls that meet the run; the others are to be as if it were not there. */
interface Encounter {
  readonly damages: { readonly [what: string]: Damage }
  readonly meet: (store: Store, damage: Effect.Effect<unknown>) => Effect.Effect<void, unknown>
}

const encounters: { readonly [verb: string]: Encounter } = {
  claim: {
    damages: { ...everywhere, "a node": cell("a") },
    meet: Effect.fnUntraced(function* ({ rig }, damage) {
      const hand = yield* rig.hand()
      yield* damage
      const jobs = yield* hand.claim()
      expect(jobs.map((job) => job.run)).toEqual(["good", "fine"])
      yield* hand.report(...jobs.map(Answer.succeeded))
    })
  },
  "settle, and the claim that comes along": {
    damages: {
      ...everywhere,
      "what follows": cell("c"),
      "its join": {
        issue: `the join of node ${at("c")} is unreadable`,
        make: ({ command }) => command("HSET", "r:bad", `j${at("c")}`, "zzz")
      }
    },
    meet: Effect.fnUntraced(function* ({ rig }, damage) {
      const hand = yield* rig.hand()
      const jobs = yield* hand.claim(3)
      expect(jobs.map((job) => job.run)).toEqual(["good", "bad", "bad"])
      yield* hand.report(Answer.succeeded(jobs[1]!))
      yield* damage
      const settled = yield* hand.settle([jobs[2]!, jobs[0]!].map(Answer.succeeded), 10)
      expect(settled.receipts).toEqual(["stale", "recorded"])
      expect(settled.jobs.map((job) => job.run)).toEqual(["fine"])
      yield* hand.report(...settled.jobs.map(Answer.succeeded))
    })
  },
  renew: {
    damages: everywhere,
    meet: Effect.fnUntraced(function* ({ rig }, damage) {
      const hand = yield* rig.hand()
      const jobs = yield* hand.claim()
      yield* damage
      const ofBad = jobs.filter((job) => job.run === "bad").map((job) => job.nonce)
      const known = jobs.filter((job) => job.run !== "fine").map((job) => job.nonce)
      const renewed = yield* rig.broker.renew(hand.id, known)
      expect({ ...renewed, lost: renewed.lost.toSorted() }).toEqual({
        lost: ofBad.toSorted(),
        interrupt: [],
        unknown: false
      })
      // It did not know what it had of `fine`, and that was given back; of `bad` it holds nothing any more.
      expect((yield* hand.claim()).map((job) => job.run)).toEqual(["fine"])
      expect((yield* rig.broker.workers).map(({ running }) => running)).toEqual([2])
    })
  },
  release: {
    damages: everywhere,
    meet: Effect.fnUntraced(function* ({ rig }, damage) {
      const hand = yield* rig.hand()
      const jobs = yield* hand.claim()
      yield* damage
      yield* hand.release(...jobs)
      expect((yield* rig.broker.workers).map(({ running }) => running)).toEqual([0])
    })
  },
  "sweep, for a worker that was lost": {
    damages: everywhere,
    meet: Effect.fnUntraced(function* ({ command, rig }, damage) {
      const hand = yield* rig.hand()
      yield* hand.claim()
      yield* damage
      yield* command("ZADD", "ws", "XX", 0, hand.id)
      expect((yield* rig.broker.sweep).workers).toBe(1)
      const other = yield* rig.hand()
      const again = [...(yield* other.claim())]
      again.push(...(yield* other.settle(again.map(Answer.succeeded), 1)).jobs)
      expect(again.map(({ lost, run }) => [run, lost]).toSorted()).toEqual([
        ["fine", 1],
        ["good", 1]
      ])
      yield* other.report(Answer.succeeded(again[1]!))
    })
  },
  "sweep, for a timer": {
    damages: { ...everywhere, "a node": cell("a") },
    meet: Effect.fnUntraced(function* ({ rig }, damage) {
      const hand = yield* rig.hand()
      const jobs = yield* hand.claim()
      yield* hand.report(
        Answer.failed(
          jobs.find((job) => job.name === "a" && job.run === "bad")!,
          "Busy"
        )
      )
      yield* rig.submit(single(), { id: "late", delay: 0.1 })
      yield* damage
      yield* rig.pass(1)
      expect((yield* rig.broker.sweep).timers).toBe(2)
      const late = yield* hand.claim()
      expect(late.map((job) => job.run)).toEqual(["late"])
    })
  },
  cancel: {
    damages: everywhere,
    meet: Effect.fnUntraced(function* ({ rig }, damage) {
      yield* damage
      expect(yield* Effect.flip(rig.broker.cancel("bad"))).toMatchObject({ _tag: "RunDamaged", run: "bad" })
      const hand = yield* rig.hand()
      expect((yield* hand.claim()).map((job) => job.run)).toEqual(["good", "fine"])
    })
  }
}

describe("A run that is damaged costs only itself", () => {
  for (const [verb, { damages, meet }] of Object.entries(encounters)) {
    for (const [what, damage] of Object.entries(damages)) {
      it(`when ${verb} meets ${what}`, () =>
        Scene.play(
          Effect.gen(function* () {
            const store = yield* open
            const { rig } = store
            yield* rig.submit(single(), { id: "good" })
            yield* rig.submit(bad, { id: "bad" })
            yield* rig.submit(single(), { id: "fine" })
            const awaited = yield* Effect.forkScoped(Effect.flip(rig.broker.await("bad")), { startImmediately: true })
            yield* meet(store, damage.make(store))
            // Who awaits it is told; it is noted, and met no more.
            expect((yield* Fiber.join(awaited))._tag).toBe("RunDamaged")
            const { bad: issue } = yield* store.damaged
            expect(issue?.replace(/(?<=field )\d/, "N")).toBe(damage.issue)
            const error = (yield* Effect.flip(rig.broker.run("bad"))) as RunDamaged
            expect([error._tag, error.issue]).toEqual(["RunDamaged", issue])
            yield* rig.broker.sweep
            expect((yield* rig.broker.runs({ limit: 10 })).map(({ id }) => id)).not.toContain("bad")
            yield* rig.broker.queues
          })
        ))
    }
  }

  it("when work of it was deferred", () =>
    Scene.play(
      Effect.gen(function* () {
        const { command, damaged, rig } = yield* open
        yield* rig.submit(group(1_200), { id: "bad" })
        yield* rig.submit(single(), { id: "good", delay: 0.1 })
        expect(yield* command("LLEN", "d:bad")).toBe(1)
        yield* command("LSET", "d:bad", 0, "1 zzz")
        yield* rig.pass(1)
        yield* rig.broker.sweep
        expect(Object.keys(yield* damaged)).toEqual(["bad"])
        expect(yield* command("SMEMBERS", "x")).toEqual([])
        expect((yield* (yield* rig.hand()).claim()).map((job) => job.run)).toEqual(["good"])
      })
    ))

  it("when it is one of many that have lost their plan", () =>
    Scene.play(
      Effect.gen(function* () {
        const store = yield* open
        const { rig } = store
        const ids = Array.from({ length: 170 }, (_, i) => `bad-${i}`)
        yield* Effect.forEach(ids, (id) => rig.submit(bad, { id }), { concurrency: "unbounded" })
        yield* rig.submit(single(), { id: "good" })
        yield* Effect.flatMap(keyOfPlan(store, "bad-0"), (key) => store.command("DEL", key))
        yield* forget
        const hand = yield* rig.hand()
        expect(yield* hand.play()).toEqual(["a"])
        expect((yield* rig.broker.await("good")).state).toBe("succeeded")
        expect(Object.keys(yield* store.damaged)).toHaveLength(170)
      })
    ))

  it("when it is one of many that share a key", () =>
    Scene.play(
      Effect.gen(function* () {
        const { command, rig } = yield* open
        for (const id of ["run-good", "run-bad1", "run-bad2", "run-fine"]) yield* rig.submit(single(), { id })
        const hand = yield* rig.hand()
        const [good, first] = yield* hand.claim(2)
        expect([good!.run, first!.run]).toEqual(["run-good", "run-bad1"])
        yield* command("HSET", "b:run-b", "ad1", "nonsense", "ad2", "R--C")
        const settled = yield* hand.settle([first!, good!].map(Answer.succeeded), 10)
        expect(settled.receipts).toEqual(["stale", "recorded"])
        expect(settled.jobs.map((job) => job.run)).toEqual(["run-fine"])
        for (const id of ["run-bad1", "run-bad2"])
          expect(yield* Effect.flip(rig.broker.await(id))).toMatchObject({ _tag: "RunDamaged", run: id })
        expect((yield* rig.broker.runs({ limit: 10 })).map((run) => run.id)).toEqual(["run-fine", "run-good"])
      })
    ))

  it("when there is something else under the key that it shares", () =>
    Scene.play(
      Effect.gen(function* () {
        const { command, rig } = yield* open
        for (const id of ["lost-1", "other-2"]) yield* rig.submit(single(), { id })
        yield* command("SET", "b:los", "zzz")
        const hand = yield* rig.hand()
        expect((yield* hand.claim()).map((job) => job.run)).toEqual(["other-2"])
        expect(yield* Effect.flip(rig.broker.await("lost-1"))).toMatchObject({ _tag: "RunNotFound" })
        yield* rig.submit(single(), { id: "lost-1" })
        expect((yield* hand.claim()).map((job) => job.run)).toEqual(["lost-1"])
      })
    ))

  it("when all that is left of it is an entry of its queue, or somebody's who knows nothing of runs", () =>
    Scene.play(
      Effect.gen(function* () {
        const { command, rig } = yield* open
        yield* rig.submit(single(), { id: "good" })
        yield* rig.submit(single(), { id: "fine" })
        const foreign = ["", "x", "hello world", "\t", "-gone\t0", "-good\tnode", "-good\t0\tone\ttwo\tthree"]
        for (const entry of foreign) yield* command("LPUSH", "q:default:5", entry)
        expect((yield* (yield* rig.hand()).claim()).map((job) => job.run)).toEqual(["good", "fine"])
        yield* rig.submit(single(), { id: "late", delay: 0.1 })
        for (const timer of foreign) yield* command("ZADD", "t", 0, timer)
        yield* rig.pass(1)
        yield* rig.broker.sweep
        expect((yield* (yield* rig.hand()).claim()).map((job) => job.run)).toEqual(["late"])
      })
    ))

  it("when there is something else where its elements and its deferred work are to be kept", () =>
    Scene.play(
      Effect.gen(function* () {
        const { command, rig } = yield* open
        const id = yield* rig.submit(chord())
        yield* command("SET", `f:${id}:${PlanBuilder.addressOf(chord(), "each")}`, "zzz")
        yield* command("SET", "d:large", "zzz")
        yield* rig.submit(group(1_200), { id: "large" })
        const hand = yield* rig.hand()
        yield* hand.play({ list: (job) => Answer.decided(job, { each: [1, 2] }) })
        expect((yield* rig.broker.await(id)).state).toBe("succeeded")
        expect((yield* rig.broker.await("large")).state).toBe("succeeded")
      })
    ))

  it.each([
    ["of one piece", bad, "HSET", ["json", "{"]],
    ["of several", long, "HDEL", ["json:1"]]
  ] as const)(
    "when only its clients can't read its plan, %s: it is not handed out again and again",
    (_, plan, name, args) =>
      Scene.play(
        Effect.gen(function* () {
          const store = yield* open
          const { rig } = store
          yield* rig.submit(plan, { id: "bad" })
          yield* rig.submit(single(), { id: "good" })
          yield* Effect.flatMap(keyOfPlan(store, "bad"), (key) => store.command(name, key, ...args))
          const other = Rig.make(yield* connect(store.prefix.slice(0, -4)), { unit: 50, passTime: Effect.sleep })
          // Known to this rig, so that it can name what it is given.
          yield* other.submit(single(), { id: "good" })
          const hand = yield* other.hand({ tasks: ["a", "b", "c"] })
          expect((yield* hand.claim(2)).length).toBe(0)
          expect(Object.keys(yield* store.damaged)).toEqual(["bad"])
          const jobs = yield* hand.claim(2)
          expect(jobs.map((job) => job.run)).toEqual(["good"])
          yield* other.broker.renew(
            hand.id,
            jobs.map((job) => job.nonce)
          )
          expect((yield* other.broker.workers)[0]!.running).toBe(1)
        })
      )
  )

  it("when it is submitted among others: a plan is mended by that, an id is not", () =>
    Scene.play(
      Effect.gen(function* () {
        const store = yield* open
        const { command, rig } = store
        yield* rig.submit(bad, { id: "first" })
        yield* Effect.flatMap(keyOfPlan(store, "first"), (key) => command("HSET", key, "#", "{", "0", "{"))
        yield* forget
        yield* command("SET", "r:taken", "zzz")
        const submit = (plan: Plan, id: string) => Effect.exit(rig.submitted(plan, { id }))
        const [good, second, taken] = yield* Effect.all(
          [submit(single(), "good"), submit(bad, "second"), submit(bad, "taken")],
          {
            concurrency: "unbounded"
          }
        )
        expect([good, second]).toMatchObject(Array(2).fill({ _tag: "Success", value: { created: true } }))
        expect(String(taken)).toContain("DuplicateRun")
        expect((yield* (yield* rig.hand()).play()).join("")).toMatch(/^[ab]{5}cc$/)
        expect(Object.keys(yield* store.damaged)).toEqual(["taken"])
      })
    ))

  it("when it has ended: it stays as it ended, and can't be retried", () =>
    Scene.play(
      Effect.gen(function* () {
        const store = yield* open
        const { command, rig } = store
        yield* rig.submit(bad, { id: "bad" })
        const hand = yield* rig.hand()
        yield* hand.play({ b: Answer.failing("Boom") })
        yield* Effect.flatMap(keyOfPlan(store, "bad"), (key) => command("HSET", key, `e${at("c")}`, "{", "2", "{"))
        yield* forget
        expect(yield* Effect.flip(rig.broker.retry("bad"))).toMatchObject({ _tag: "RunDamaged", run: "bad" })
        expect((yield* rig.broker.await("bad")).state).toBe("failed")
        yield* rig.submit(single(), { id: "good" })
        expect(yield* hand.play()).toEqual(["a"])
      })
    ))

  for (const [what, exit] of [
    ["is garbage", "zzz"],
    ["names a cause that is not there", "K7"],
    ["is not there", undefined]
  ] as const) {
    it(`when it is awaited after its end, and its exit ${what}`, () =>
      Scene.play(
        Effect.gen(function* () {
          const { command, rig } = yield* open
          yield* rig.submit(bad, { id: "bad" })
          yield* (yield* rig.hand()).play({ b: Answer.failing("Boom") })
          yield* exit === undefined ? command("HDEL", "r:bad", at("c")) : command("HSET", "r:bad", at("c"), exit)
          expect(yield* Effect.flip(rig.broker.await("bad"))).toMatchObject({
            _tag: "RunDamaged",
            issue: "how it ended is unreadable"
          })
        })
      ))
  }

  it("when retention is to remove it", () =>
    Scene.play(
      Effect.gen(function* () {
        const namespace = `damage-${stores++}:`
        const layer = RedisBroker.layer({ url: server.url, namespace, retention: { count: 1 } })
        const rig = Rig.make(Context.get(yield* Layer.build(layer), Broker), { unit: 50, passTime: Effect.sleep })
        const command = (name: string, key: string, ...args: ReadonlyArray<string>) =>
          Effect.promise(() => server.command(name, `${namespace}{0}:${key}`, ...args))
        for (const id of ["planless", "unreadable", "other", "good"]) {
          const plan = id === "planless" ? chord() : single()
          yield* rig.submit(plan, { id })
        }
        const hand = yield* rig.hand()
        yield* hand.play({ list: (job) => Answer.decided(job, { each: [1, 2] }) })
        const m = yield* command("HGET", "r:planless", "m")
        yield* command("DEL", `p:${String(m).split(",")[2]}`)
        yield* command("HSET", "r:unreadable", "m", "zzz")
        yield* command("SET", "r:other", "zzz")
        yield* forget
        yield* rig.submit(single(), { id: "last" })
        yield* hand.play()
        yield* rig.broker.sweep
        expect((yield* rig.broker.runs({ limit: 10 })).map(({ id }) => id)).toEqual(["last"])
        expect(yield* command("EXISTS", "r:planless")).toBe(0)
        expect((yield* rig.broker.sweep).removed).toBe(0)
      })
    ))
})

const hold = Task.make("hold", { input: Schema.String, output: Schema.String })
const step = Task.make("step", { input: Schema.String, output: Schema.String })
const pair = Flow.make("pair", { input: Schema.String }, (input) => step(hold(input)))

describe("A worker and an orchestrator", () => {
  it("go on beside a run that is damaged, and say once that it is", async () => {
    const namespace = `damage-${stores++}:`
    const logged: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => void logged.push(`${logLevel} ${String(message)}`))
    await Scene.play(
      Effect.gen(function* () {
        const begun = yield* Deferred.make<void>()
        const broken = yield* Deferred.make<void>()
        const handlers = Layer.mergeAll(
          hold.toLayer((input) =>
            input === "bad"
              ? Effect.andThen(Deferred.succeed(begun, undefined), Effect.as(Deferred.await(broken), input))
              : Effect.succeed(input)
          ),
          step.toLayer((input) => Effect.succeed(`${input}!`))
        )
        const workers = Layer.mergeAll(
          Worker.layer({ tasks: [hold, step], concurrency: 10 }).pipe(Layer.provide(handlers)),
          Orchestrator.layer({ interval: "50 millis" })
        )
        const app = workers.pipe(Layer.provideMerge(RedisBroker.layer({ url: server.url, namespace })))
        yield* Effect.gen(function* () {
          const bad = yield* Client.submit(pair, "bad", { id: "bad" })
          const later = yield* Client.submit(pair, "later", { delay: "200 millis" })
          yield* Deferred.await(begun)
          const awaited = yield* Effect.forkScoped(Effect.flip(bad.await), { startImmediately: true })
          yield* Effect.promise(() => server.command("HSET", `${namespace}{0}:r:bad`, "m", "zzz"))
          yield* Deferred.succeed(broken, undefined)
          const good = yield* Effect.forEach(
            Array.from({ length: 100 }, (_, i) => String(i)),
            (input) => Client.execute(pair, input),
            { concurrency: 20 }
          )
          expect(good).toEqual(Array.from({ length: 100 }, (_, i) => `${i}!`))
          expect(yield* later.await).toBe("later!")
          expect(yield* Fiber.join(awaited)).toMatchObject({
            _tag: "RunDamaged",
            run: "bad",
            message: expect.stringContaining("What the store has of run bad is damaged: its field m is unreadable.")
          })
          yield* Effect.promise(() =>
            eventually("it is said", async () => logged.some((line) => line.includes("damaged")))
          )
          const metrics = yield* Metric.snapshot
          expect(metrics.find(({ id }) => id === "arpeggio_runs_damaged")).toMatchObject({
            attributes: { partition: "0" },
            state: { value: 1 }
          })
        }).pipe(Effect.provide(app), Effect.provideService(Metric.MetricRegistry, new Map()))
      }).pipe(Effect.provide(Logger.layer([logger])))
    )
    expect(logged.filter((line) => line.startsWith("Error"))).toEqual([
      expect.stringContaining("What the store has of run bad is damaged: its field m is unreadable.")
    ])
  })
})

describe("What is wrong with no run", () => {
  /** What belongs to all, and a call that meets it with runs at work. */
  const refusals: {
    readonly [what: string]: readonly [
      key: string,
      call: (rig: Rig.Rig, hand: Rig.Hand, job: Answer.Job) => Effect.Effect<unknown, unknown>
    ]
  } = {
    flags: ["flags", (rig, hand) => rig.broker.renew(hand.id, [])],
    "a queue": ["q:default:5", (_, hand, job) => hand.settle([Answer.succeeded(job)], 10)],
    "what a worker holds": ["w:worker-1", (rig, hand) => rig.broker.renew(hand.id, [])],
    "deferred work": ["x", (_, hand, job) => hand.report(Answer.succeeded(job))],
    "timers, when they are read": ["t", (rig) => rig.broker.sweep],
    "timers, when they are written": ["t", (_, hand, job) => hand.report(Answer.failed(job, "Boom"))],
    leases: ["ws", (rig) => rig.broker.sweep],
    "what has ended": ["done:S", (rig) => rig.broker.sweep]
  }
  for (const [what, [key, call]] of Object.entries(refusals)) {
    it(`stays an error, and is held against none: ${what}`, () =>
      Scene.play(
        Effect.gen(function* () {
          const { command, damaged, rig } = yield* open
          for (const id of ["one", "two", "three"]) yield* rig.submit(single({ attempts: 2 }), { id })
          const hand = yield* rig.hand()
          const [job] = yield* hand.claim(2)
          yield* command("HSET", "flags", "x", "1")
          yield* command("SET", key, "zzz")
          const exit = yield* Effect.exit(call(rig, hand, job!))
          expect(String(exit)).toMatch(/Refused: Redis refuses a call: WRONGTYPE/)
          expect(yield* damaged).toEqual({})
        })
      ))
  }

  it("stays an error: an argument that is no number", () =>
    Scene.play(
      Effect.gen(function* () {
        const { damaged, prefix, rig } = yield* open
        yield* rig.submit(single(), { id: "one" })
        const hand = yield* rig.hand()
        const [job] = yield* hand.claim()
        const report = ["one\t0", `0,${job!.nonce},`, "F01|Boom", "1"]
        const calls: ReadonlyArray<readonly [Scripts.Script, ReadonlyArray<string>]> = [
          [Scripts.settle, [hand.id, "", "10", "1000", "zzz", "500", "0", "0", ...report]],
          [Scripts.settle, [hand.id, "", "10", "1000", "0", "zzz", "0", "0", ...report]],
          [Scripts.renew, [hand.id, "zzz"]],
          [Scripts.release, [hand.id, "zzz"]],
          [Scripts.cancel, ["one", "zzz"]],
          [Scripts.sweep, ["500", "3", "0", "0", "0", "1000", "zzz"]]
        ]
        for (const [script, args] of calls) {
          const answer = server.command("FCALL", script.name, 1, prefix, ...args)
          expect(yield* Effect.promise(() => answer.catch(String))).toContain("an argument is unreadable")
        }
        expect(yield* damaged).toEqual({})
        expect(yield* hand.report(Answer.succeeded(job!))).toEqual(["recorded"])
      })
    ))

  it("keeps the code of the error that Redis gave", () =>
    Scene.play(
      Effect.gen(function* () {
        const { damaged, prefix, rig } = yield* open
        yield* rig.submit(single(), { id: "one" })
        const hand = yield* rig.hand()
        yield* hand.claim()
        yield* Effect.promise(() =>
          server.command("ACL", "SETUSER", "weak", "on", ">weak", "~*", "&*", "+@all", "-hgetall")
        )
        const client = new Redis(server.port, "127.0.0.1", { username: "weak", password: "weak" })
        const said = yield* Effect.promise(() =>
          client.fcall(Scripts.renew.name, 1, prefix, hand.id, 1_000, 1, 0).then(String, String)
        )
        client.disconnect()
        expect(said).toMatch(/NOPERM|ACL failure|The user executing the script/)
        expect(yield* damaged).toEqual({})
      })
    ))
})

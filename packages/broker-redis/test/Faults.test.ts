import { Broker } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import type * as Rig from "@arpeggio/core/testing/suite/Rig"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Stream from "effect/Stream"
import { createServer } from "node:net"
import { Redis } from "ioredis"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as RedisServer from "./RedisServer.ts"
import * as Scene from "./Scene.ts"
import * as TcpProxy from "./TcpProxy.ts"

let server: RedisServer.OwnServer
let proxy: TcpProxy.TcpProxy
beforeAll(async () => {
  server = await RedisServer.startOwn("everything")
  proxy = await TcpProxy.start(server.port)
}, 120_000)
afterAll(async () => {
  await proxy.stop()
  await server.stop()
})

let stores = 0
const freshNamespace = () => `faults-${stores++}:`

const deadline = 1_500

/** A connection to the store; `url` is that of the proxy where the network is to fail. */
const connect = (namespace: string, url: string) => Scene.rig({ url, namespace, deadline })

const pair = PlanBuilder.make("pair", (p) => p.task("b", { after: [p.task("a")] }))
const wide = PlanBuilder.make("wide", (p) => p.pass("all", { after: ["a", "b", "c", "d"].map((id) => p.task(id)) }))

/** What the store says that a worker holds. */
const heldBy = async (namespace: string, worker: string): Promise<ReadonlyArray<string>> =>
  ((await server.command("HKEYS", `${namespace}{0}:w:${worker}`)) as ReadonlyArray<string>).filter(
    (field) => !field.startsWith("#")
  )

/** Listens, and counts who comes. */
const listen = (port: number): Promise<{ readonly connections: () => number; readonly stop: () => Promise<void> }> =>
  new Promise((resolve) => {
    let count = 0
    const listener = createServer((socket) => {
      count++
      socket.destroy()
    })
    listener.listen(port, "127.0.0.1", () =>
      resolve({ connections: () => count, stop: () => new Promise((done) => listener.close(() => done())) })
    )
  })

describe("a reply that is lost", { timeout: 60_000 }, () => {
  it("of a claim: the call is sent again and hands out the same deliveries", () =>
    Scene.play(
      Effect.gen(function* () {
        const namespace = freshNamespace()
        const rig = yield* connect(namespace, proxy.url)
        const id = yield* rig.submit(wide)
        const hand = yield* rig.hand()
        const dropped = proxy.dropReplies(1, 30_000, (request) => request.includes(hand.id))
        const jobs = yield* hand.claim(2)
        expect(yield* Effect.promise(() => dropped)).toBe(1)
        expect(jobs.map((job) => job.name)).toEqual(["a", "b"])
        expect((yield* Effect.promise(() => heldBy(namespace, hand.id))).toSorted()).toEqual(
          jobs.map((job) => `${id}\t${job.node}`)
        )
        expect(
          yield* rig.broker.renew(
            hand.id,
            jobs.map((job) => job.nonce)
          )
        ).toEqual({ lost: [], interrupt: [], unknown: false })
        expect((yield* hand.claim()).map((job) => job.name)).toEqual(["c", "d"])
      })
    ))

  it("of two claims on their way at once: each is sent again and hands out its own", () =>
    Scene.play(
      Effect.gen(function* () {
        const namespace = freshNamespace()
        const rig = yield* connect(namespace, proxy.url)
        const id = yield* rig.submit(wide)
        const hand = yield* rig.hand()
        const dropped = proxy.dropReplies(1, 30_000, (request) => request.includes(hand.id))
        const jobs = (yield* Effect.all([hand.claim(2), hand.claim(2)], { concurrency: 2 })).flat()
        expect(yield* Effect.promise(() => dropped)).toBe(1)
        expect(jobs.map((job) => job.name).toSorted()).toEqual(["a", "b", "c", "d"])
        expect((yield* Effect.promise(() => heldBy(namespace, hand.id))).toSorted()).toEqual(
          jobs.map((job) => `${id}\t${job.node}`).toSorted()
        )
      })
    ))

  it("of a report: it is recorded once, and what it allowed is handed out once", () =>
    Scene.play(
      Effect.gen(function* () {
        const namespace = freshNamespace()
        const rig = yield* connect(namespace, proxy.url)
        const id = yield* rig.submit(pair)
        const hand = yield* rig.hand()
        const [a] = yield* hand.claim()
        const dropped = proxy.dropReplies(1, 30_000, (request) => request.includes(a!.nonce))
        const settled = yield* hand.settle([Answer.succeeded(a!)], 10)
        expect(yield* Effect.promise(() => dropped)).toBe(1)
        expect(settled.receipts).toEqual(["already"])
        expect(settled.jobs.map((job) => job.name)).toEqual(["b"])
        expect(yield* hand.settle([Answer.succeeded(settled.jobs[0]!)], 10)).toMatchObject({
          receipts: ["recorded"],
          jobs: []
        })
        expect((yield* rig.broker.await(id)).state).toBe("succeeded")
      })
    ))

  it("of a claim, and the worker has given the call up: the next renewal returns to the queue what it does not know", () =>
    Scene.play(
      Effect.gen(function* () {
        const namespace = freshNamespace()
        const rig = yield* connect(namespace, proxy.url)
        yield* rig.submit(wide)
        const hand = yield* rig.hand()
        const dropped = proxy.dropReplies(1, 30_000, (request) => request.includes(hand.id)).then(() => proxy.refuse())
        expect(yield* Effect.flip(hand.claim(3))).toMatchObject({ _tag: "BrokerUnavailable" })
        yield* Effect.promise(() => dropped)
        expect(yield* Effect.promise(() => heldBy(namespace, hand.id))).toHaveLength(3)
        proxy.heal()
        expect(yield* Scene.persist(rig.broker.renew(hand.id, []))).toEqual({ lost: [], interrupt: [], unknown: false })
        expect(yield* Effect.promise(() => heldBy(namespace, hand.id))).toEqual([])
        const jobs = yield* hand.claim()
        expect(jobs.map(({ attempt, lost, name }) => ({ attempt, lost, name }))).toEqual(
          ["a", "b", "c", "d"].map((name) => ({ attempt: 1, lost: 0, name }))
        )
      })
    ))

  it("of a submission, a cancel and a release: each has happened once", () =>
    Scene.play(
      Effect.gen(function* () {
        const namespace = freshNamespace()
        const rig = yield* connect(namespace, proxy.url)
        const losing = <A, E>(call: Effect.Effect<A, E>) =>
          Effect.gen(function* () {
            const dropped = proxy.dropReplies(1, 30_000)
            const answer = yield* call
            expect(yield* Effect.promise(() => dropped)).toBe(1)
            return answer
          })
        yield* rig.submit(wide, { id: "first" })
        expect(yield* losing(rig.submitted(wide, { id: "second" }))).toEqual({ created: false })
        const hand = yield* rig.hand()
        const jobs = yield* hand.claim(8)
        expect(jobs).toHaveLength(8)
        yield* losing(hand.release(...jobs.slice(4)))
        yield* losing(rig.broker.cancel("first"))
        expect((yield* hand.claim()).map((job) => `${job.run} ${job.name}`)).toEqual([
          "second a",
          "second b",
          "second c",
          "second d"
        ])
        expect((yield* rig.broker.runs({ limit: 10 })).map(({ id }) => id)).toEqual(["second", "first"])
      })
    ))
})

describe("a message that is lost", { timeout: 20_000 }, () => {
  it("of the end of a run costs who awaits or watches it a moment, and no more", () =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* connect(freshNamespace(), server.url)
        const id = yield* rig.submit(wide)
        const hand = yield* rig.hand()
        const jobs = yield* hand.claim()
        const awaited = yield* Effect.forkScoped(rig.broker.await(id), { startImmediately: true })
        const watched = yield* Effect.forkScoped(Stream.runDrain(rig.broker.events(id)), { startImmediately: true })
        // Nobody listens while the run ends: whoever begins to is cut off again.
        const cut = Effect.promise(() => server.command("CLIENT", "KILL", "TYPE", "pubsub"))
        yield* cut
        const reports = hand.report(...jobs.map((job) => Answer.succeeded(job)))
        expect(yield* Effect.raceFirst(Effect.forever(cut), reports)).toEqual(jobs.map(() => "recorded"))
        expect((yield* Fiber.join(awaited)).state).toBe("succeeded")
        yield* Fiber.join(watched)
      })
    ))
})

describe("a store that does not answer", { timeout: 60_000 }, () => {
  it("fails calls within their deadline when the network swallows everything, and serves again when it is back", () =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* connect(freshNamespace(), proxy.url)
        const id = yield* rig.submit(pair)
        const hand = yield* rig.hand()
        proxy.blackHole()
        const error = yield* Effect.flip(hand.claim())
        expect(error.message).toContain(
          `The broker is unavailable: Redis did not answer within ${deadline} ms. Look at its load and at the network.`
        )
        expect(yield* Effect.flip(rig.broker.run(id))).toMatchObject({ _tag: "BrokerUnavailable" })
        proxy.heal()
        yield* Scene.persist(rig.broker.renew(hand.id, []))
        expect(yield* hand.play()).toEqual(["a", "b"])
        expect((yield* rig.broker.await(id)).state).toBe("succeeded")
      })
    ))

  it("fails calls within their deadline when the server hangs, and serves again when it goes on", () =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* connect(freshNamespace(), server.url)
        const id = yield* rig.submit(pair)
        const hand = yield* rig.hand()
        server.freeze()
        const error = yield* Effect.flip(hand.claim()).pipe(Effect.ensuring(Effect.sync(server.thaw)))
        expect(error).toMatchObject({ _tag: "BrokerUnavailable" })
        yield* Scene.persist(rig.broker.renew(hand.id, []))
        expect(yield* hand.play()).toEqual(["a", "b"])
        expect((yield* rig.broker.await(id)).state).toBe("succeeded")
      })
    ))

  it("is told apart in a sentence when nobody listens there at the start, and leaves no connection trying", () =>
    Scene.play(
      Effect.gen(function* () {
        const port = yield* Effect.promise(RedisServer.freePort)
        const url = `redis://user:secret@127.0.0.1:${port}`
        const error = yield* Effect.flip(connect(freshNamespace(), url))
        expect(error._tag).toBe("BrokerUnavailable")
        expect(error.message).toContain(`No Redis listens on 127.0.0.1:${port}.`)
        expect(error.message).not.toContain("secret")
        // Whoever still tried would be seen here.
        const listener = yield* Effect.promise(() => listen(port))
        yield* Effect.sleep(500)
        expect(listener.connections()).toBe(0)
        yield* Effect.promise(listener.stop)
      })
    ))

  it("keeps runs, claims and leases over a crash, and who awaits a run hears of its end after it", () =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* connect(freshNamespace(), server.url)
        const id = yield* rig.submit(pair)
        const hand = yield* rig.hand()
        const [a] = yield* hand.claim()
        const awaited = yield* Effect.forkScoped(Scene.persist(rig.broker.await(id)), { startImmediately: true })
        yield* Effect.promise(server.kill)
        yield* Effect.promise(server.restart)
        expect(yield* Scene.persist(rig.broker.renew(hand.id, [a!.nonce]))).toEqual({
          lost: [],
          interrupt: [],
          unknown: false
        })
        expect(yield* Scene.persist(hand.settle([Answer.succeeded(a!)], 0))).toMatchObject({ receipts: ["recorded"] })
        expect(yield* hand.play()).toEqual(["b"])
        expect((yield* Fiber.join(awaited)).state).toBe("succeeded")
      })
    ))
})

describe("an outage that is longer than the deadline of a call", { timeout: 60_000 }, () => {
  /** Calls fail for longer than it takes whoever looks now and then to look. */
  const outage = (rig: Rig.Rig) =>
    Effect.gen(function* () {
      yield* Effect.promise(server.kill)
      for (let i = 0; i < 4; i++) expect((yield* Effect.flip(rig.broker.workers))._tag).toBe("BrokerUnavailable")
      yield* Effect.promise(server.restart)
    })

  it("is waited out by all who await a run, but for who leaves, and logged once", () => {
    const logged: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => void logged.push(`${logLevel}: ${String(message)}`))
    return Scene.play(
      Effect.gen(function* () {
        const rig = yield* connect(freshNamespace(), server.url)
        const outcome = (id: string) => Effect.provideService(Client.outcome(id), Broker, rig.broker)
        const ids = yield* Effect.forEach(["one", "two", "three"], (id) => rig.submit(pair, { id }))
        const awaited = yield* Effect.forkScoped(Effect.forEach(ids, outcome, { concurrency: 3 }))
        const left = yield* Effect.forkScoped(outcome("one"))
        yield* outage(rig)
        yield* Fiber.interrupt(left)
        const hand = yield* Scene.persist(rig.hand())
        yield* Scene.persist(hand.play())
        expect((yield* Fiber.join(awaited)).map(({ _tag }) => _tag)).toEqual(ids.map(() => "Succeeded"))
        expect(logged).toEqual([
          expect.stringMatching(/^Warn: The store is away, .* Redis did not answer within 1500 ms/),
          "Info: The store is back."
        ])
      }).pipe(Effect.provide(Logger.layer([logger])))
    )
  })

  it("is waited out by who watches events, too, and the events of one run end with it", () =>
    Scene.play(
      Effect.gen(function* () {
        const namespace = freshNamespace()
        const rig = yield* connect(namespace, server.url)
        const id = yield* rig.submit(wide)
        const one = yield* Effect.forkScoped(Stream.runDrain(rig.broker.events(id)))
        const all = yield* rig.watch(undefined, rig.submit(pair))
        yield* outage(rig)
        yield* Effect.promise(() => server.command("HDEL", `${namespace}{0}:flags`, "watched"))
        const before = all.seen.length
        while (all.seen.length === before) yield* Effect.andThen(Scene.persist(rig.submit(pair)), rig.pass(1))
        const hand = yield* rig.hand()
        yield* hand.play()
        const jobs = yield* hand.claim()
        yield* hand.report(...jobs.map((job) => Answer.succeeded(job)))
        yield* Fiber.join(one)
      })
    ))
})

describe("a store that forgets its functions", { timeout: 60_000 }, () => {
  it("gets them again with the call that needs them", () =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* connect(freshNamespace(), server.url)
        const flushed = <A, E>(call: Effect.Effect<A, E>) =>
          Effect.andThen(
            Effect.promise(() => server.command("FUNCTION", "FLUSH")),
            call
          )
        const id = yield* flushed(rig.submit(pair))
        const hand = yield* flushed(rig.hand())
        const [a] = yield* flushed(hand.claim())
        yield* flushed(rig.broker.renew(hand.id, [a!.nonce]))
        yield* flushed(hand.release(a!))
        yield* flushed(rig.broker.sweep)
        const [again] = yield* flushed(hand.claim())
        expect(yield* flushed(hand.report(Answer.failed(again!, "Boom")))).toEqual(["recorded"])
        expect((yield* flushed(rig.broker.await(id))).state).toBe("failed")
        expect(yield* flushed(rig.broker.retry(id))).toEqual({ generation: 2 })
        expect(yield* flushed(rig.broker.cancel(id))).toBe(true)
        yield* flushed(rig.broker.unregister(hand.id))
        expect((yield* rig.broker.await(id)).state).toBe("cancelled")
      })
    ))

  it("gets them once, however many need them at the same time", () =>
    Scene.play(
      Effect.gen(function* () {
        const namespace = freshNamespace()
        const rigs = yield* Effect.forEach(Array.from({ length: 8 }), () => connect(namespace, server.url))
        yield* Effect.promise(() => server.command("CONFIG", "RESETSTAT"))
        yield* Effect.promise(() => server.command("FUNCTION", "FLUSH"))
        yield* Effect.forEach(rigs, ({ broker }) => broker.sweep, { concurrency: "unbounded" })
        const stats = String(yield* Effect.promise(() => server.command("INFO", "commandstats")))
        const [, calls, failed] = /function\|load:calls=(\d+),.*failed_calls=(\d+)/.exec(stats)!
        expect(Number(calls) - Number(failed)).toBe(1)
      })
    ))

  it("gets them again also when it forgets them again at once", () =>
    Scene.play(
      Effect.gen(function* () {
        const { fcall } = Redis.prototype
        let flushes = 3
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            Redis.prototype.fcall = async function (this: Redis, ...call: Parameters<typeof fcall>) {
              if (flushes-- > 0) await server.command("FUNCTION", "FLUSH")
              return fcall.apply(this, call)
            } as typeof fcall
          }),
          () => Effect.sync(() => (Redis.prototype.fcall = fcall))
        )
        const rig = yield* connect(freshNamespace(), server.url)
        const id = yield* rig.submit(pair)
        expect((yield* rig.broker.run(id)).state).toBe("running")
        expect(flushes).toBeLessThan(0)
      })
    ))
})

describe("a store that is full", { timeout: 60_000 }, () => {
  const full = <A, E, R>(body: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.promise(() => server.command("CONFIG", "SET", "maxmemory", 1)).pipe(
      Effect.andThen(body),
      Effect.ensuring(Effect.promise(() => server.command("CONFIG", "SET", "maxmemory", 0)))
    )

  it("accepts no run, and finishes those it has accepted, with new workers, retries, cancels and fan-outs of any size", () =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* connect(freshNamespace(), server.url)
        const fan = PlanBuilder.make("fan", (p) => {
          const split = p.task("split")
          return p.each("each", { over: split }, (p) => p.task("part"))
        })
        const retried = PlanBuilder.make("retried", (p) =>
          p.task("r", { policy: { attempts: 3, backoff: "fixed", base: 1, jitter: false } })
        )
        const [first, second, third] = [yield* rig.submit(fan), yield* rig.submit(retried), yield* rig.submit(pair)]
        yield* full(
          Effect.gen(function* () {
            expect(yield* Effect.flip(rig.submit(wide))).toMatchObject({
              _tag: "BrokerUnavailable",
              reason: expect.stringContaining("OOM")
            })
            const large = PlanBuilder.make("large", (p) => p.each("each", { over: "input" }, (p) => p.task("part")))
            const elements = Array.from({ length: 3_000 }, (_, i) => i)
            expect(yield* Effect.flip(rig.submit(large, { elements: { each: elements } }))).toMatchObject({
              _tag: "BrokerUnavailable"
            })
            const hand = yield* rig.hand()
            expect(yield* rig.broker.cancel(third)).toBe(true)
            let failures = 0
            const given = yield* hand.play({
              split: (job) => Answer.decided(job, { each: elements }),
              r: (job) => (failures++ < 2 ? Answer.failed(job, "Boom") : Answer.succeeded(job))
            })
            expect(given.filter((name) => name.startsWith("each"))).toHaveLength(3_000)
            expect((yield* rig.broker.await(first)).state).toBe("succeeded")
            expect((yield* rig.broker.await(third)).state).toBe("cancelled")
            while ((yield* rig.broker.run(second)).state === "running") yield* hand.play()
          })
        )
        expect((yield* rig.broker.await(second)).state).toBe("succeeded")
        expect((yield* rig.broker.runs({ limit: 10 })).map(({ state }) => state)).toEqual([
          "cancelled",
          "succeeded",
          "succeeded"
        ])
        yield* rig.submit(wide)
      })
    ))

  it("finishes them without its functions, too, which it takes back once there is room", () =>
    Scene.play(
      Effect.gen(function* () {
        const namespace = freshNamespace()
        const fan = PlanBuilder.make("fan", (p) => {
          const split = p.task("split")
          return p.each("each", { over: split }, (p) => p.task("part"))
        })
        const libraries = () => server.command("FUNCTION", "LIST") as Promise<ReadonlyArray<unknown>>
        const rig = yield* connect(namespace, server.url)
        const [first, second, third] = [yield* rig.submit(fan), yield* rig.submit(pair), yield* rig.submit(pair)]
        yield* full(
          Effect.gen(function* () {
            yield* Effect.promise(() => server.command("FUNCTION", "FLUSH"))
            // A process of a new version finds its functions missing, too.
            yield* connect(namespace, server.url)
            expect(yield* Effect.flip(rig.submit(wide))).toMatchObject({
              _tag: "BrokerUnavailable",
              reason: expect.stringMatching(/^OOM .* Redis is full: raise its maxmemory/)
            })
            const hand = yield* rig.hand()
            expect(yield* rig.broker.cancel(third)).toBe(true)
            const [job] = yield* hand.claim(1)
            yield* hand.release(job!)
            expect(yield* rig.broker.renew(hand.id, [])).toEqual({ lost: [], interrupt: [], unknown: false })
            const elements = Array.from({ length: 1_200 }, (_, i) => i)
            const given = yield* hand.play({ split: (job) => Answer.decided(job, { each: elements }) })
            expect(given).toHaveLength(1_203)
            expect((yield* rig.broker.await(first)).state).toBe("succeeded")
            expect((yield* rig.broker.await(second)).state).toBe("succeeded")
            expect(yield* rig.broker.retry(third)).toEqual({ generation: 2 })
            yield* rig.broker.unregister(hand.id)
            expect(yield* Effect.promise(libraries)).toEqual([])
          })
        )
        const hand = yield* rig.hand()
        expect(yield* hand.play()).toEqual(["a", "b"])
        expect((yield* rig.broker.await(third)).state).toBe("succeeded")
        expect(yield* Effect.promise(libraries)).toHaveLength(1)
      })
    ))
})

describe("two brokers on one store", { timeout: 60_000 }, () => {
  it("share runs, queues and events, and hand nothing out twice", () =>
    Scene.play(
      Effect.gen(function* () {
        const namespace = freshNamespace()
        const [here, there] = [yield* connect(namespace, server.url), yield* connect(namespace, server.url)]
        const ids = yield* Effect.forEach(
          Array.from({ length: 40 }, (_, i) => `run-${i}`),
          (id) => Effect.andThen(there.submit(wide, { id }), here.submit(wide, { id }))
        )
        const hands = [yield* here.hand({ id: "here" }), yield* there.hand({ id: "there" })]
        const awaited = yield* Effect.forkScoped(
          Effect.forEach(ids, (id) => there.broker.await(id), { concurrency: "unbounded" }),
          { startImmediately: true }
        )
        const given = yield* Effect.forEach(hands, (hand) => hand.play(), { concurrency: 2 })
        expect(given.map((names) => names.length).reduce((a, b) => a + b)).toBe(160)
        expect(new Set((yield* Fiber.join(awaited)).map(({ state }) => state))).toEqual(new Set(["succeeded"]))
      })
    ))
})

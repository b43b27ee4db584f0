import type { Broker, WorkerInfo } from "@arpeggio/core/Broker"
import * as Defaults from "@arpeggio/core/Defaults"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import type { Worker as Thread } from "node:worker_threads"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type * as RedisBroker from "../src/RedisBroker.ts"
import * as RedisServer from "./RedisServer.ts"
import * as Scene from "./Scene.ts"
import * as TcpProxy from "./TcpProxy.ts"

let server: RedisServer.OwnServer
let proxy: TcpProxy.TcpProxy
beforeAll(async () => {
  server = await RedisServer.startOwn("nothing")
  proxy = await TcpProxy.start(server.port)
}, 120_000)
afterAll(async () => {
  await proxy.stop()
  await server.stop()
})

let stores = 0

const lease = 600

const connect = (options: Partial<RedisBroker.UrlOptions> = {}) =>
  Scene.broker({ url: server.url, namespace: `heartbeat-${stores++}:`, lease, deadline: 500, ...options })

const worker: WorkerInfo = { id: "w", tasks: ["t"], queues: ["default"], concurrency: 1, host: "here" }

const leaseOf = (broker: Broker["Service"]) =>
  Effect.map(broker.workers, (workers) => workers.find(({ id }) => id === worker.id)?.leaseUntil)

/** Asks again until it holds; the test's own time-out bounds it. */
const until = <E>(holds: Effect.Effect<boolean, E>): Effect.Effect<void, E> =>
  Effect.flatMap(holds, (isSo) => (isSo ? Effect.void : Effect.delay(until(holds), 20)))

/** The threads of heartbeats that start from now on. */
const threads = Effect.acquireRelease(
  Effect.sync(() => {
    const seen: Array<Thread> = []
    const onThread = (thread: Thread) => void seen.push(thread)
    process.on("worker", onThread)
    return { seen, onThread }
  }),
  ({ onThread }) => Effect.sync(() => process.off("worker", onThread))
).pipe(Effect.map(({ seen }) => seen))

describe("a heartbeat", { timeout: 60_000 }, () => {
  it("keeps the lease of a worker that renews nothing, while it says that it lives, and no longer", () =>
    Scene.play(
      Effect.gen(function* () {
        // Long enough for the thread to start, on a busy machine too.
        const lease = 1_500
        const broker = yield* connect({ lease, stallBudget: lease })
        yield* broker.register(worker)
        const since = (yield* leaseOf(broker))!
        const heartbeat = yield* broker.heartbeat(worker.id)
        const alive = Effect.gen(function* () {
          heartbeat.beat()
          expect(yield* broker.sweep).toMatchObject({ workers: 0 })
          return (yield* leaseOf(broker))! > since + 2 * lease
        })
        yield* until(alive)
        expect(heartbeat.sinceRenewal()).toBeLessThan(lease)
        yield* until(Effect.map(broker.sweep, ({ workers }) => workers === 1))
        // What a worker goes by.
        expect(heartbeat.sinceRenewal()).toBeGreaterThan(lease * (1 - Defaults.leaseMargin))
      })
    ))

  it("keeps the lease of a worker whose first handler lets nothing else run", () =>
    Scene.play(
      Effect.gen(function* () {
        const lease = 2_000
        const seen = yield* threads
        const broker = yield* connect({ lease, stallBudget: 5 * lease })
        yield* broker.register(worker)
        const heartbeat = yield* broker.heartbeat(worker.id)
        yield* until(Effect.sync(() => seen.length === 1))
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2 * lease)
        expect(heartbeat.sinceRenewal()).toBeLessThan(lease)
        expect(yield* broker.sweep).toMatchObject({ workers: 0 })
      })
    ))

  it("counts a renewal from when it was sent, however late its answer comes", () =>
    Scene.play(
      Effect.gen(function* () {
        const latency = 300
        const broker = yield* connect({ url: proxy.url, lease: 2_400, deadline: 2_000 })
        yield* broker.register(worker)
        const heartbeat = yield* broker.heartbeat(worker.id)
        const isNewer = (than: number) => Effect.sync(() => (heartbeat.beat(), heartbeat.sinceRenewal() < than))
        yield* until(isNewer(Infinity))
        proxy.delay(latency)
        yield* Effect.gen(function* () {
          const renewal = Effect.gen(function* () {
            let age = heartbeat.sinceRenewal()
            while (!(yield* Effect.delay(isNewer(age), 5))) age = heartbeat.sinceRenewal()
          })
          // The answer of the first may have come before.
          yield* Effect.andThen(renewal, renewal)
          // A timer may be a millisecond early.
          expect(heartbeat.sinceRenewal()).toBeGreaterThanOrEqual(latency - 1)
        }).pipe(Effect.ensuring(Effect.sync(() => proxy.delay(0))))
      })
    ))

  it("does not bring back a worker that the store has forgotten, and says of none of its renewals that it held", () =>
    Scene.play(
      Effect.gen(function* () {
        const broker = yield* connect()
        yield* broker.register(worker)
        const heartbeat = yield* broker.heartbeat(worker.id)
        const beat = Effect.sync(heartbeat.beat)
        yield* until(Effect.sync(() => heartbeat.sinceRenewal() < lease))
        yield* broker.unregister(worker.id)
        // One may be on its way; after it there are none that succeed.
        yield* until(
          Effect.andThen(
            beat,
            Effect.sync(() => heartbeat.sinceRenewal() > 2 * lease)
          )
        )
        expect(yield* leaseOf(broker)).toBeUndefined()
        yield* broker.register(worker)
        yield* until(
          Effect.andThen(
            beat,
            Effect.sync(() => heartbeat.sinceRenewal() < lease)
          )
        )
      })
    ))

  it("counts only what every partition has renewed", () =>
    Scene.play(
      Effect.gen(function* () {
        const namespace = `heartbeat-${stores++}:`
        const broker = yield* connect({ namespace, partitions: 3 })
        yield* broker.register(worker)
        const heartbeat = yield* broker.heartbeat(worker.id)
        const beat = Effect.sync(heartbeat.beat)
        yield* until(Effect.sync(() => heartbeat.sinceRenewal() < lease))
        yield* Effect.promise(() => server.command("ZREM", `${namespace}{1}:ws`, worker.id))
        yield* until(
          Effect.andThen(
            beat,
            Effect.sync(() => heartbeat.sinceRenewal() > 2 * lease)
          )
        )
      })
    ))

  it("goes on over a new connection when the network swallows everything for a while", () =>
    Scene.play(
      Effect.gen(function* () {
        const broker = yield* connect({ url: proxy.url, lease: 2_000 })
        yield* broker.register(worker)
        const heartbeat = yield* broker.heartbeat(worker.id)
        const beat = Effect.sync(heartbeat.beat)
        yield* until(Effect.sync(() => heartbeat.sinceRenewal() < Infinity))
        proxy.blackHole()
        yield* until(
          Effect.andThen(
            beat,
            Effect.sync(() => heartbeat.sinceRenewal() > 1_500)
          )
        )
        proxy.heal()
        yield* Effect.retry(broker.register(worker), { while: (error) => error._tag === "BrokerUnavailable" })
        yield* until(
          Effect.andThen(
            beat,
            Effect.sync(() => heartbeat.sinceRenewal() < 1_000)
          )
        )
      })
    ))

  it("starts its thread again when that dies, and says so", () => {
    const said: Array<string> = []
    const logger = Logger.layer([Logger.make(({ message }) => said.push(String(message)))])
    return Scene.play(
      Effect.gen(function* () {
        const seen = yield* threads
        const broker = yield* connect()
        yield* broker.register(worker)
        const heartbeat = yield* broker.heartbeat(worker.id)
        const beat = Effect.sync(heartbeat.beat)
        yield* until(Effect.sync(() => heartbeat.sinceRenewal() < lease))
        yield* Effect.promise(() => seen[0]!.terminate())
        yield* until(Effect.sync(() => seen.length === 2))
        expect(said).toContainEqual(expect.stringContaining("is started again"))
        yield* broker.register(worker)
        yield* until(
          Effect.andThen(
            beat,
            Effect.sync(() => heartbeat.sinceRenewal() < lease / 2)
          )
        )
      }).pipe(Effect.provide(logger))
    )
  })

  it("says when its connection can't be given to a thread, and leaves the lease to the worker's own renewals", () => {
    const said: Array<string> = []
    const logger = Logger.layer([Logger.make(({ message }) => said.push(String(message)))])
    return Scene.play(
      Effect.gen(function* () {
        const seen = yield* threads
        const broker = yield* connect({
          redis: { commandTimeout: 500, Connector: undefined, natMap: () => null } as never
        })
        yield* broker.register(worker)
        const heartbeat = yield* broker.heartbeat(worker.id)
        yield* until(Effect.sync(() => said.some((message) => message.includes("event loop only"))))
        expect(heartbeat.sinceRenewal()).toBe(Infinity)
        expect(seen).toEqual([])
      }).pipe(Effect.provide(logger))
    )
  })

  it("ends its thread with its scope", () =>
    Scene.play(
      Effect.gen(function* () {
        const seen = yield* threads
        const broker = yield* connect()
        yield* broker.register(worker)
        const scope = yield* Scope.make()
        const heartbeat = yield* Scope.provide(broker.heartbeat(worker.id), scope)
        yield* until(Effect.sync(() => heartbeat.sinceRenewal() < lease))
        const ended = new Promise<void>((resolve) => seen[0]!.once("exit", () => resolve()))
        yield* Scope.close(scope, Exit.void)
        yield* Effect.promise(() => ended)
        expect(seen).toHaveLength(1)
      })
    ))
})

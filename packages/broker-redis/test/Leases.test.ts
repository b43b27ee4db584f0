import { Broker } from "@arpeggio/core/Broker"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Rig from "@arpeggio/core/testing/suite/Rig"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Redis } from "ioredis"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as RedisBroker from "../src/RedisBroker.ts"
import * as Ages from "./Ages.ts"
import * as RedisServer from "./RedisServer.ts"

let server: RedisServer.RedisServer
let redis: Redis
beforeAll(async () => {
  server = await RedisServer.start()
  redis = new Redis(server.url, { protocol: 2 })
}, 120_000)
afterAll(() => {
  redis.disconnect()
  return server.stop()
})

let stores = 0

interface Told {
  readonly rig: Rig.Rig
  readonly hand: Rig.Hand
  /** Lets so many seconds pass, of a lease of 30, without anybody sweeping. */
  readonly pass: (seconds: number) => Effect.Effect<void>
}

/** A worker holds the only node of a run, and somebody has swept. */
const story = (name: string, tell: (told: Told) => Effect.Effect<void, unknown, Scope.Scope>) =>
  it(name, () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const namespace = `leases-${process.pid}-${stores++}:`
          const broker = Context.get(yield* Layer.build(RedisBroker.layer({ url: server.url, namespace })), Broker)
          const rig = Rig.make(broker, { unit: 50, passTime: Effect.sleep })
          yield* rig.submit(PlanBuilder.make("one", (p) => p.task("a")))
          const hand = yield* rig.hand()
          yield* hand.claim()
          yield* broker.sweep
          const pass = (seconds: number) => Effect.promise(() => Ages.passTime(redis, namespace, seconds * 1_000))
          yield* tell({ rig, hand, pass })
        })
      )
    )
  )

const dismissed = ({ rig }: Told) => Effect.map(rig.broker.sweep, ({ workers }) => workers)

describe("A worker that could not renew its lease", () => {
  story("while others swept is dismissed when it has run out", (told) =>
    Effect.gen(function* () {
      const found: Array<number> = []
      for (let i = 0; i < 3; i++) {
        yield* told.pass(10)
        found.push(yield* dismissed(told))
      }
      expect(found).toEqual([0, 0, 1])
    })
  )

  story("because the store was away has a lease from its return on, and keeps what it holds", (told) =>
    Effect.gen(function* () {
      yield* told.pass(600)
      expect(yield* dismissed(told)).toBe(0)
      yield* told.pass(10)
      expect(yield* dismissed(told)).toBe(0)
      expect(yield* told.rig.broker.renew(told.hand.id, [])).toMatchObject({ unknown: false })
      const [worker] = yield* told.rig.broker.workers
      expect(Number.isInteger(worker?.leaseUntil)).toBe(true)
    })
  )

  story("and says nothing after the return of the store either is dismissed a lease later", (told) =>
    Effect.gen(function* () {
      yield* told.pass(600)
      expect(yield* dismissed(told)).toBe(0)
      const found: Array<number> = []
      for (let i = 0; i < 3; i++) {
        yield* told.pass(11)
        found.push(yield* dismissed(told))
      }
      expect(found).toEqual([0, 0, 1])
    })
  )

  story("is dismissed by the second sweep, however rarely there is one", (told) =>
    Effect.gen(function* () {
      yield* told.pass(600)
      expect(yield* dismissed(told)).toBe(0)
      yield* told.pass(600)
      expect(yield* dismissed(told)).toBe(1)
    })
  )

  story("is excused by whoever sweeps first, and by no other", (told) =>
    Effect.gen(function* () {
      yield* told.pass(600)
      expect(yield* Effect.all([dismissed(told), dismissed(told), dismissed(told)], { concurrency: 3 })).toEqual([
        0, 0, 0
      ])
      yield* told.pass(14)
      expect(yield* dismissed(told)).toBe(0)
      yield* told.pass(14)
      expect(yield* dismissed(told)).toBe(0)
      yield* told.pass(14)
      expect(yield* dismissed(told)).toBe(1)
    })
  )
})

describe("A worker that leaves", () => {
  it("gives back in the order of its claims, also of those of one millisecond", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          const namespace = `leaves-${process.pid}:`
          const broker = Context.get(yield* Layer.build(RedisBroker.layer({ url: server.url, namespace })), Broker)
          const rig = Rig.make(broker, { unit: 50, passTime: Effect.sleep })
          const names = ["t0", "t1", "t2", "t3", "t4", "t5"]
          yield* rig.submit(PlanBuilder.make("six", (p) => p.pass("all", { after: names.map((name) => p.task(name)) })))
          const hand = yield* rig.hand()
          for (const count of [1, 3, 2]) yield* hand.claim(count)
          const key = `${namespace}{0}:w:${hand.id}`
          const held = yield* Effect.promise(() => redis.hgetall(key))
          const now = String(Date.now())
          for (const [field, value] of Object.entries(held))
            if (field.includes("\t")) yield* Effect.promise(() => redis.hset(key, field, now + value.slice(now.length)))
          yield* broker.unregister(hand.id)
          expect((yield* (yield* rig.hand()).claim()).map(({ name }) => name)).toEqual(names)
        })
      )
    ))
})

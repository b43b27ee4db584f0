import { Broker } from "@arpeggio/core/Broker"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import { BrokerUnavailable } from "@arpeggio/core/Failure"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as BrokerSuite from "@arpeggio/core/testing/BrokerSuite"
import * as Answer from "@arpeggio/core/testing/suite/Answer"
import * as Rig from "@arpeggio/core/testing/suite/Rig"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as Partitions from "../src/Partitions.ts"
import * as RedisBroker from "../src/RedisBroker.ts"
import * as RedisServer from "./RedisServer.ts"

let server: RedisServer.RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
}, 120_000)
afterAll(() => server.stop())

const memories = (settings: MemoryBroker.Options, count: number) =>
  Effect.forEach(Array.from({ length: count }), () =>
    Effect.map(Layer.build(Layer.fresh(MemoryBroker.layer(settings))), Context.get(Broker))
  )

/** Several memory brokers as one. */
const memory = (settings: MemoryBroker.Options, count: number) =>
  Layer.effect(Broker, Effect.map(memories(settings, count), Partitions.make)).pipe(
    Layer.provideMerge(TestClock.layer())
  )

BrokerSuite.register(
  { describe, it },
  {
    name: "Partitions of 3 memory brokers",
    layer: (settings) => memory(settings, 3),
    passTime: TestClock.adjust,
    partitions: 3
  }
)

let stores = 0

BrokerSuite.register(
  { describe, it: (name, test) => it.concurrent(name, test, 30_000) },
  {
    name: "RedisBroker with 4 partitions",
    layer: (settings) =>
      RedisBroker.layer({
        ...settings,
        url: server.url,
        partitions: 4,
        namespace: `partitions-${process.pid}-${stores++}:`
      }),
    passTime: (millis) => Effect.sleep(millis),
    unit: 200,
    partitions: 4
  }
)

// ---- what is Partitions' own ------------------------------------------------------------------------------------------

const single = PlanBuilder.make("single", (p) => p.task("a"))
/** In a queue of its own. */
const elsewhere = PlanBuilder.make("elsewhere", (p) => p.task("b", { policy: { queue: "other" } }))
const pair = PlanBuilder.make("pair", (p) => p.task("b", { after: [p.task("a")] }))

/** Ids of runs that belong to this partition of three. */
const idsIn = (partition: number, count: number): ReadonlyArray<string> =>
  Array.from({ length: 1_000 }, (_, i) => `r${i}`)
    .filter((id) => Partitions.partitionOf(id, 3) === partition)
    .slice(0, count)

/** Units of a second; leases of four. `wrap` may stand between the whole and its parts. */
const story = (
  name: string,
  tell: (rig: Rig.Rig, parts: ReadonlyArray<Broker["Service"]>) => Effect.Effect<void, unknown, Scope.Scope>,
  wrap: (broker: Broker["Service"], index: number) => Broker["Service"] = (broker) => broker
) =>
  it(name, () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const parts = yield* memories({ lease: 4_000, maxDeliveries: 2 }, 3)
        const broker = Partitions.make(parts.map(wrap))
        yield* tell(Rig.make(broker, { unit: 1_000, passTime: TestClock.adjust, partitions: 3 }), parts)
      }).pipe(Effect.scoped, Effect.provide(TestClock.layer()))
    )
  )

describe("Partitions", () => {
  it("keeps a run where it always was", () => {
    expect(
      ["", "a", "foobar", "0192d3a4-7e11-7c3a-9d1e-1f6f3c9a2b10"].map((id) => Partitions.partitionOf(id, 1_000))
    ).toEqual([0x811c9dc5, 0xe40c292c, 0xbf9cf968, 0xffba7e72].map((hash) => hash % 1_000))
  })

  it("of one broker is that broker", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const [broker] = yield* memories({}, 1)
        expect(Partitions.make([broker!])).toBe(broker)
      }).pipe(Effect.scoped)
    ))

  story("never gives more than asked for, and everything in the end, however little is asked for", (rig) =>
    Effect.gen(function* () {
      for (let i = 0; i < 60; i++) yield* rig.submit(pair, { id: `run ${i}` })
      const hand = yield* rig.hand()
      let held: ReadonlyArray<Answer.Job> = []
      let done = 0
      for (let i = 0; done < 120 && i < 1_000; i++) {
        const claim = i % 6
        const reports = held.slice(0, i % 4)
        const { jobs, receipts } = yield* hand.settle(
          reports.map((job) => Answer.succeeded(job)),
          claim
        )
        expect(jobs.length).toBeLessThanOrEqual(claim)
        expect(receipts).toEqual(reports.map(() => "recorded"))
        done += reports.length
        held = [...held.slice(reports.length), ...jobs]
      }
      expect(done).toBe(120)
      expect((yield* rig.broker.runs({ state: "succeeded", limit: 100 })).length).toBe(60)
    })
  )

  story("lets no partition wait while a busy worker lives off another", (rig) =>
    Effect.gen(function* () {
      for (const id of [0, 1, 2].flatMap((partition) => idsIn(partition, 30))) yield* rig.submit(single, { id })
      const hand = yield* rig.hand()
      let [job] = yield* hand.claim(1)
      const seen = new Set<number>()
      for (let i = 0; i < 9; i++) {
        seen.add(Partitions.partitionOf(job!.run, 3))
        ;[job] = (yield* hand.settle([Answer.succeeded(job!)], 1)).jobs
      }
      expect([...seen].toSorted()).toEqual([0, 1, 2])
    })
  )

  story("answers reports to several partitions in the order in which they were made", (rig) =>
    Effect.gen(function* () {
      for (const partition of [0, 1, 2]) yield* rig.submit(single, { id: idsIn(partition, 1)[0]! })
      const hand = yield* rig.hand()
      const jobs = yield* hand.claim()
      const [first, second, third] = jobs.map((job) => Answer.succeeded(job))
      const stale = { ...second!, nonce: "another" }
      expect(yield* hand.report(first!, stale, third!, first!, second!)).toEqual([
        "recorded",
        "stale",
        "recorded",
        "already",
        "recorded"
      ])
    })
  )

  const loseAll = Effect.fnUntraced(function* (rig: Rig.Rig) {
    const dying = yield* rig.hand()
    const jobs = yield* dying.claim()
    yield* rig.pass(5)
    expect((yield* rig.broker.sweep).workers).toBe(1)
    return jobs
  })

  story("lets what died with a worker be claimed alone, whatever partition the rest is in", (rig) =>
    Effect.gen(function* () {
      for (const partition of [0, 1, 2]) yield* rig.submit(single, { id: idsIn(partition, 1)[0]! })
      yield* loseAll(rig)
      for (const partition of [0, 1, 2]) yield* rig.submit(single, { id: idsIn(partition, 2)[1]! })
      const hand = yield* rig.hand()
      let jobs = yield* hand.claim(10)
      let suspects = 0
      while (jobs.some(({ lost }) => lost > 0)) {
        suspects++
        expect(jobs.length).toBe(1)
        expect(yield* hand.claim(10)).toEqual([])
        jobs = (yield* hand.settle([Answer.succeeded(jobs[0]!)], 10)).jobs
      }
      expect(suspects).toBe(3)
      expect(jobs.map(({ lost, name }) => [name, lost])).toEqual([
        ["a", 0],
        ["a", 0],
        ["a", 0]
      ])
    })
  )

  story("gives a suspect to a worker that is free, not beside what another holds elsewhere", (rig) =>
    Effect.gen(function* () {
      const [lost, other, third] = [idsIn(0, 1)[0]!, idsIn(1, 1)[0]!, idsIn(2, 1)[0]!]
      yield* rig.submit(single, { id: lost })
      yield* loseAll(rig)
      const idle = yield* rig.hand()
      const busy = yield* rig.hand({ id: "busy", tasks: ["b"], queues: ["other"] })
      yield* rig.submit(elsewhere, { id: other })
      expect((yield* busy.claim(1)).map(({ run }) => run)).toEqual([other])
      yield* rig.hand({ id: "busy", tasks: ["a", "b"] })
      yield* rig.submit(single, { id: third })
      expect((yield* busy.claim(10)).filter(({ lost }) => lost > 0)).toEqual([])
      // Nor anything else from now on, until it is free for it.
      yield* rig.submit(single, { id: idsIn(2, 2)[1]! })
      expect(yield* busy.claim(10)).toEqual([])
      expect((yield* idle.claim(10)).map(({ run }) => run)).toEqual([lost])
      // Which somebody else is now.
      yield* busy.claim(10)
      expect((yield* busy.claim(10)).length + (yield* rig.broker.queues)[0]!.ready).toBe(1)
    })
  )

  story("gives it to a busy worker all the same when a lease has passed in vain", (rig) =>
    Effect.gen(function* () {
      const hand = yield* rig.hand({ tasks: ["a"] })
      yield* rig.submit(single, { id: idsIn(1, 1)[0]! })
      const [mine] = yield* hand.claim(1)
      yield* rig.submit(single, { id: idsIn(0, 1)[0]! })
      const dying = yield* rig.hand()
      yield* dying.claim()
      yield* rig.pass(3)
      yield* rig.broker.renew(hand.id, [mine!.nonce])
      yield* rig.pass(2)
      yield* rig.broker.sweep
      expect(yield* hand.claim(10)).toEqual([])
      yield* rig.broker.renew(hand.id, [mine!.nonce])
      yield* rig.pass(3)
      yield* rig.broker.renew(hand.id, [mine!.nonce])
      expect(yield* hand.claim(10)).toEqual([])
      yield* rig.pass(2)
      expect((yield* hand.claim(10)).map(({ lost }) => lost)).toEqual([1])
    })
  )

  story("knows a nonce that any partition knows", (rig) =>
    Effect.gen(function* () {
      for (const partition of [0, 1, 2]) yield* rig.submit(single, { id: idsIn(partition, 1)[0]! })
      const hand = yield* rig.hand()
      const [first, second] = yield* hand.claim()
      const renewed = yield* rig.broker.renew(hand.id, [first!.nonce, "guessed", second!.nonce])
      expect(renewed).toEqual({ lost: ["guessed"], interrupt: [], unknown: false })
    })
  )

  let isAway = false
  const away = (broker: Broker["Service"], index: number): Broker["Service"] => {
    const unlessAway = <A>(call: Effect.Effect<A, BrokerUnavailable>) =>
      Effect.suspend(() => (index === 1 && isAway ? Effect.fail(new BrokerUnavailable({ reason: "away" })) : call))
    return {
      ...broker,
      settle: (settle) => unlessAway(broker.settle(settle)),
      nextSweep: unlessAway(broker.nextSweep),
      sweep: unlessAway(broker.sweep)
    }
  }
  story(
    "claims from the others while one is away, and records a report to it once it is back",
    (rig) =>
      Effect.gen(function* () {
        for (const partition of [0, 1, 2]) yield* rig.submit(single, { id: idsIn(partition, 1)[0]! })
        const hand = yield* rig.hand()
        const jobs = yield* hand.claim()
        const reports = jobs.map((job) => Answer.succeeded(job))
        isAway = true
        expect((yield* Effect.flip(hand.report(...reports)))._tag).toBe("BrokerUnavailable")
        yield* rig.submit(single, { id: idsIn(2, 2)[1]! })
        expect((yield* hand.claim()).map(({ run }) => run)).toEqual([idsIn(2, 2)[1]!])
        isAway = false
        expect((yield* hand.report(...reports)).toSorted()).toEqual(["already", "already", "recorded"])
      }),
    away
  )

  story(
    "are swept but for one that is away, which is asked once",
    (rig) =>
      Effect.gen(function* () {
        yield* rig.broker.sweep
        const run = yield* rig.submit(single, { id: idsIn(2, 1)[0]!, delay: 1 })
        isAway = true
        yield* rig.pass(2)
        expect((yield* Effect.flip(rig.broker.nextSweep))._tag).toBe("BrokerUnavailable")
        expect(yield* rig.broker.nextSweep).toBe(0)
        expect((yield* Effect.flip(rig.broker.sweep))._tag).toBe("BrokerUnavailable")
        expect(yield* rig.states(run)).toEqual({ a: "ready" })
        isAway = false
        yield* rig.broker.sweep
        expect(yield* rig.broker.nextSweep).toBeGreaterThan(0)
      }),
    away
  )
})

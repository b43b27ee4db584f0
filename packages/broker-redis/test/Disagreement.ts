/**
 * What the memory broker and the Redis broker disagree about when they are told the story of a seed.
 */
import type { Ended } from "@arpeggio/core/Broker"
import { Broker } from "@arpeggio/core/Broker"
import { RunNotEnded } from "@arpeggio/core/Failure"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import type { Plan } from "@arpeggio/core/Plan"
import * as Duet from "@arpeggio/core/testing/Duet"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as TestClock from "effect/testing/TestClock"
import { Redis } from "ioredis"
import * as KernelPlans from "../../core/test/simulation/KernelPlans.ts"
import { Random as Draw } from "../../core/test/simulation/Random.ts"
import * as RedisBroker from "../src/RedisBroker.ts"
import * as Ages from "./Ages.ts"

type Change = (broker: Broker["Service"]) => Broker["Service"]

export interface Story {
  readonly name: string
  readonly plan: (draw: Draw, seed: number) => Plan
  readonly changes: ReadonlyArray<Change>
  readonly commands?: number
  readonly retries?: number
  readonly elements?: number
  /** Workers that may die over one attempt; 2 to 4 by default, so that what was lost once is a suspect or not. */
  readonly maxDeliveries?: number
  /** Whether time passes. */
  readonly isTimed?: boolean
  /** Whether each call of a script is sent twice, and the first answer lost. */
  readonly isSentTwice?: boolean
}

/**
 * What the Redis broker does not keep, left out on both sides: how often a node was tried before it was cancelled or
 * its run retried; how often it was lost before it ended; and whether a report that comes late was recorded once, when its node has gone on since. And where it
 * is lazy: a timer nobody needs any more is removed when it is due, and counted; a queue shows as unroutable what it has
 * parked, which takes a claim that found it; what to interrupt is told once, and again by renewals.
 */
const kept: Change = (broker) => ({
  ...broker,
  queues: Effect.map(broker.queues, (queues) => queues.map((queue) => ({ ...queue, unroutable: {} }))),
  settle: (settle) =>
    Effect.map(broker.settle(settle), (settled) => ({
      ...settled,
      interrupt: [],
      receipts: settled.receipts.map((receipt) => (receipt === "recorded" ? receipt : "stale"))
    })),
  sweep: Effect.map(broker.sweep, (swept) => ({ ...swept, timers: 0, ...("late" in swept ? { late: 0 } : {}) })),
  nodes: (run, options) =>
    Effect.map(broker.nodes(run, options), (nodes) =>
      nodes.map((node) => ({
        ...node,
        attempt: node.state === "cancelled" ? 0 : node.attempt,
        lost: node.state === "ready" || node.state === "running" ? node.lost : 0
      }))
    ),
  run: (id) =>
    Effect.map(broker.run(id), (view) => ({
      ...view,
      nodes: view.nodes.map((node) => (view.generation > 1 || node.cancelled > 0 ? { ...node, retries: 0 } : node))
    }))
})

const withoutRetry: Change = (broker) => ({ ...broker, retry: (run) => Effect.fail(new RunNotEnded({ run })) })

/** Who claims gets all there is, so it does not matter what stands first. */
const withoutOrder: Change = (broker) => ({
  ...broker,
  settle: (settle) =>
    Effect.map(broker.settle({ ...settle, claim: settle.claim === 0 ? 0 : 5_000 }), (settled) => ({
      ...settled,
      deliveries: settled.deliveries.toSorted((a, b) => (a.node < b.node ? -1 : 1))
    }))
})

/** Whether a call has done something itself: of two that are the same, the first has. */
const withoutReceipts: Change = (broker) => ({
  ...broker,
  submit: (submission) => Effect.map(broker.submit(submission), () => ({ created: false })),
  settle: (settle) =>
    Effect.map(broker.settle(settle), (settled) => ({
      ...settled,
      receipts: settled.receipts.map(() => "stale" as const)
    })),
  cancel: (run) => Effect.map(broker.cancel(run), () => true),
  sweep: Effect.as(broker.sweep, { timers: 0, late: 0, workers: 0, removed: 0 })
})

const withoutFrom = (end: Ended): Ended =>
  end._tag === "Succeeded" && end.from !== undefined ? { ...end, from: -1 } : end

/**
 * What one call did not finish is finished before anybody looks: the slices of the two have different sizes. Which of two
 * reports of one call a join has heard first depends on them, too. Of a long queue the Redis broker looks at the first
 * entries only when it counts what is ready.
 */
const inWhole: Change = (broker) => {
  const whole = <A, E>(call: Effect.Effect<A, E>) => Effect.tap(call, () => Effect.orDie(broker.sweep))
  return {
    ...broker,
    queues: Effect.as(broker.queues, []),
    read: (run, nodes) => Effect.map(broker.read(run, nodes), (ends) => ends.map((end) => end && withoutFrom(end))),
    await: (run) => Effect.map(broker.await(run), (end) => ({ ...end, exit: withoutFrom(end.exit) })),
    submit: (submission) => whole(broker.submit(submission)),
    settle: (settle) =>
      Effect.flatMap(whole(broker.settle({ ...settle, claim: 0 })), ({ receipts }) =>
        Effect.map(broker.settle({ ...settle, settlements: [] }), (settled) => ({ ...settled, receipts }))
      ),
    release: (worker, claims) => whole(broker.release(worker, claims)),
    unregister: (worker) => whole(broker.unregister(worker)),
    cancel: (run) => whole(broker.cancel(run)),
    retry: (run, from) => whole(broker.retry(run, from))
  }
}

const drawn: Story["plan"] = (draw, seed) =>
  [KernelPlans.wide, KernelPlans.alone, KernelPlans.make, KernelPlans.make, KernelPlans.make][seed % 5]!(draw)

/** Few nodes, of which there may be many instances. */
const fan: Story["plan"] = (draw) =>
  PlanBuilder.make("fan", (p) => {
    const concurrency = () => (draw.chance(0.5) ? draw.between(1, 400) : undefined)
    const join = () => draw.pick(["all", "all", "settled", "any"] as const)
    const first = p.task("first")
    const inner = p.each(
      "inner",
      { over: draw.chance(0.5) ? "input" : first, concurrency: concurrency(), join: join() },
      (p) =>
        p.task("part", {
          after: draw.chance(0.5) ? [first] : [],
          task: "part",
          policy: { attempts: draw.between(1, 2) }
        })
    )
    const other = p.task("other", { cleanup: draw.chance(0.3) ? true : undefined })
    const outer = p.each("outer", { over: other, concurrency: concurrency(), join: join() }, (p) =>
      p.pass("member", { after: [p.task("piece", { after: draw.chance(0.5) ? [inner] : [] }), other] })
    )
    return p.task("last", { after: [inner, outer] })
  })

/** So long that a worker is lost after three steps. */
const lease = 3 * Duet.step

export const stories = {
  short: { name: "short", plan: drawn, changes: [kept, withoutRetry], retries: 0 },
  retried: { name: "retried", plan: drawn, changes: [kept], commands: 15 },
  timed: { name: "timed", plan: drawn, changes: [kept, withoutOrder], commands: 20, isTimed: true },
  deadly: {
    name: "deadly",
    plan: drawn,
    changes: [kept, withoutOrder],
    commands: 20,
    isTimed: true,
    maxDeliveries: 1
  },
  twice: {
    name: "twice",
    plan: drawn,
    changes: [kept, withoutOrder, withoutReceipts],
    commands: 15,
    isSentTwice: true
  },
  large: { name: "large", plan: fan, changes: [kept, inWhole, withoutOrder], commands: 8, retries: 2, elements: 900 }
} satisfies { readonly [name: string]: Story }

/** What they disagree about first, over so many seeds; undefined when they agree on all. */
export const disagreement = (
  url: string,
  story: Story,
  seeds: { readonly first: number; readonly count: number }
): Effect.Effect<string | undefined> => {
  const all = Effect.acquireUseRelease(
    Effect.sync(() => new Redis(url, { protocol: 2 })),
    (redis) =>
      Effect.forEach(
        Array.from({ length: seeds.count }, (_, i) => seeds.first + i),
        (seed) =>
          Effect.flatMap(disagreementOn(url, redis, story, seed), (said) =>
            said === undefined ? Effect.void : Effect.fail(said)
          ),
        { concurrency: 4, discard: true }
      ).pipe(Effect.as(undefined), Effect.catch(Effect.succeed)),
    (redis) => Effect.sync(() => redis.disconnect())
  )
  return story.isSentTwice === true ? sentTwice(all) : all
}

const disagreementOn = (url: string, redis: Redis, story: Story, seed: number): Effect.Effect<string | undefined> => {
  const maxDeliveries = story.maxDeliveries ?? 2 + (seed % 3)
  const namespace = `duet-${process.pid}-${story.name}-${seed}:`
  return Effect.gen(function* () {
    const plan = story.plan(new Draw(seed), seed)
    const change: Change = (broker) => story.changes.reduce((changed, change) => change(changed), broker)
    const clock = yield* Layer.build(TestClock.layer())
    const left = change(
      yield* Effect.provide(
        Broker,
        Layer.provide(MemoryBroker.layer({ lease, maxDeliveries }), Layer.succeedContext(clock))
      )
    )
    const right = change(yield* Broker)
    const passTime = Effect.andThen(
      Effect.provide(TestClock.adjust(Duet.step), clock),
      Effect.promise(() => Ages.passTime(redis, namespace, Duet.step))
    )
    yield* Duet.play({
      left,
      right,
      plan,
      commands: story.commands ?? 40,
      retries: story.retries,
      elements: story.elements,
      passTime: story.isTimed === true ? passTime : undefined
    }).pipe(Random.withSeed(seed))
    return undefined
  }).pipe(
    Effect.provide(RedisBroker.layer({ url, namespace, lease, maxDeliveries })),
    Effect.scoped,
    Effect.catchCause((cause) =>
      Effect.succeed(`ARPEGGIO_SEED=${seed} vitest run test/Duet -t ${story.name}: ${Cause.pretty(cause)}`)
    )
  )
}

/** As if the connection had broken after each call of a script, before its answer: the client sends it again. */
const sentTwice = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const { fcall } = Redis.prototype
      Redis.prototype.fcall = async function (this: Redis, ...call: Parameters<typeof fcall>) {
        await fcall.apply(this, call)
        return fcall.apply(this, call)
      } as typeof fcall
      return fcall
    }),
    () => effect,
    (fcall) =>
      Effect.sync(() => {
        Redis.prototype.fcall = fcall
      })
  )

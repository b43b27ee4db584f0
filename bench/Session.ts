/**
 * One peer's turn at one workload: an empty Redis, a fresh producer and a fresh worker, which end with the turn.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { BenchFailure } from "./Failure.ts"
import type { Peer } from "./Peer.ts"
import type { Producer, Worker } from "./Process.ts"
import * as Process from "./Process.ts"
import type { Graph, Totals } from "./Protocol.ts"
import type { Redis } from "./Redis.ts"

export interface Session {
  readonly peer: Peer
  readonly redis: Redis
  readonly producer: Producer
  readonly worker: Worker
  readonly scale: number
  /** A count of tasks or flows, scaled; `least` at least. */
  readonly full: (count: number, least?: number) => number
  /** The part of it that this peer gets. */
  readonly count: (count: number, least?: number) => number
}

/** Handlers that the worker runs at once, in every workload. */
export const concurrency = 100

export const open = (peer: Peer, redis: Redis, scale: number): Effect.Effect<Session, BenchFailure, Scope.Scope> =>
  Effect.gen(function* () {
    yield* redis.empty
    const [producer, worker] = yield* Effect.all(
      [
        Process.start(peer.title, peer.command, "producer", redis.url),
        Process.start(peer.title, peer.command, "worker", redis.url)
      ],
      { concurrency: 2 }
    )
    const full = (count: number, least = 1) => Math.max(least, Math.round(count * scale))
    const count = (wanted: number, least = 1) => Math.max(least, Math.round(wanted * scale * peer.share))
    return { peer, redis, producer, worker, scale, full, count }
  })

/** A size of a graph, scaled, or the largest that this peer is given; nothing when it has no such graph. */
export const size = ({ full, peer }: Session, graph: Graph, count: number, least: number): number | undefined => {
  const { [graph]: largest } = peer.largest
  return largest === 0 ? undefined : Math.min(full(count, least), largest)
}

// ---- costs ----------------------------------------------------------------------------------------------------------

/** What something took, of whom. */
export interface Costs {
  /** Milliseconds. */
  readonly wall: number
  /** Microseconds of CPU time. */
  readonly producer: number
  readonly worker: number
  readonly redis: number
  readonly commands: number
}

/** Does something and says what it took. */
export const costsOf = <A>(
  { producer, redis, worker }: Session,
  act: Effect.Effect<A, BenchFailure>
): Effect.Effect<readonly [A, Costs], BenchFailure> =>
  Effect.gen(function* () {
    const usages = Effect.all([producer.ask("usage"), worker.ask("usage")])
    const [producerBefore, workerBefore] = yield* usages
    const before = yield* redis.costs
    const begin = performance.now()
    const value = yield* act
    const wall = performance.now() - begin
    const after = yield* redis.costs
    const [producerAfter, workerAfter] = yield* usages
    const costs = {
      wall,
      producer: producerAfter.cpu - producerBefore.cpu,
      worker: workerAfter.cpu - workerBefore.cpu,
      redis: Math.max(0, after.cpu - before.cpu - redis.idle * (after.at - before.at)),
      commands: after.commands - before.commands
    }
    return [value, costs]
  })

// ---- checks ---------------------------------------------------------------------------------------------------------

/** The sum of 0 to `count` - 1. */
export const sumTo = (count: number): number => (count * (count - 1)) / 2

export const mustBe = (what: string, found: number, expected: number): Effect.Effect<void, BenchFailure> =>
  found === expected
    ? Effect.void
    : Effect.fail(new BenchFailure({ message: `Wrong result: ${what} is ${found}, and should be ${expected}.` }))

/** Reads the results of all that was enqueued from the store, and compares. */
export const check = ({ producer }: Session, expected: Totals): Effect.Effect<void, BenchFailure> =>
  Effect.gen(function* () {
    const { count, sum } = yield* producer.ask("totals")
    yield* mustBe("the number of results", count, expected.count)
    yield* mustBe("the sum of the results", sum, expected.sum)
  })

/** Lets the worker run until it has recorded so many results, and no longer. */
export const drain = ({ worker }: Session, count: number): Effect.Effect<void, BenchFailure> =>
  Effect.gen(function* () {
    yield* worker.ask("run", { concurrency, results: "kept" })
    yield* worker.ask("done", { count })
    yield* worker.ask("halt")
  })

import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { BenchFailure } from "../Failure.ts"
import type { Figure } from "../Figure.ts"
import { figures } from "../Figure.ts"
import type { Graph } from "../Protocol.ts"
import type { Session } from "../Session.ts"
import { concurrency, costsOf, size } from "../Session.ts"
import type { Workload } from "../Workload.ts"
import { once, tasksIn } from "./Graphs.ts"

/** Does something, and looks every 25 ms how much memory Redis uses meanwhile; the most it saw, in bytes. */
const peakOf = <A>(
  { redis }: Session,
  act: Effect.Effect<A, BenchFailure>
): Effect.Effect<readonly [A, number], BenchFailure> =>
  Effect.gen(function* () {
    let peak = 0
    const look = Effect.map(redis.memory, (bytes) => {
      peak = Math.max(peak, bytes)
    })
    const watch = yield* Effect.forkChild(Effect.forever(Effect.andThen(look, Effect.sleep("25 millis"))))
    const value = yield* act
    yield* Fiber.interrupt(watch)
    yield* look
    return [value, peak]
  })

const one = (
  session: Session,
  graph: Graph,
  size: number,
  label: string
): Effect.Effect<ReadonlyArray<Figure>, BenchFailure> =>
  Effect.gen(function* () {
    const { redis } = session
    const before = yield* redis.memory
    const [[millis, peak], costs] = yield* costsOf(session, peakOf(session, once(session, graph, size)))
    const tasks = tasksIn(graph, size)
    return figures(`large-${graph}`, label, {
      millis,
      rate: (tasks / millis) * 1_000,
      worker: costs.worker / tasks,
      redis: costs.redis / tasks,
      commands: costs.commands / tasks,
      peak: (peak - before) / tasks,
      slowest: yield* redis.slowest
    })
  })

/** I: single runs with very many tasks, each submitted for the first time. */
export const large: Workload = {
  id: "I",
  title: "large runs, the first of their kind",
  run: (session) =>
    Effect.gen(function* () {
      const result: Array<Figure> = []
      const { peer, redis, scale, worker } = session
      const words = (n: number) => n.toLocaleString("en")
      // Peers without the largest are not asked for a smaller one: that is workload C and D.
      const shapes = [
        ["forEach", size(session, "forEach", 100_000, 1_000), (n: number) => `forEach over ${words(n)}`],
        ["chain", size(session, "chain", 10_000, 1_000), (n: number) => `chain of ${words(n)}`],
        ["mesh", Math.max(10, Math.round(100 * Math.sqrt(scale))), (n: number) => `mesh of ${n} × ${n}, 3 parents each`]
      ] as const
      yield* worker.ask("run", { concurrency, results: "kept" })
      for (const [graph, length, label] of shapes) {
        if (length === undefined || peer.largest[graph] !== Infinity) continue
        yield* redis.forget
        result.push(...(yield* one(session, graph, length, label(length))))
      }
      return result
    })
}

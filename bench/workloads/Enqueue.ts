import * as Effect from "effect/Effect"
import type { Figure } from "../Figure.ts"
import { figures } from "../Figure.ts"
import { check, costsOf, drain, sumTo } from "../Session.ts"
import type { Workload } from "../Workload.ts"

/** One call after the other is slow everywhere: a tenth shows it. */
const full = (inFlight: number | "bulk") => (inFlight === 1 ? 2_000 : 20_000)

/** A: enqueues no-ops, so many calls at once, while no worker takes them. */
export const enqueue: Workload = {
  id: "A",
  title: "enqueue no-ops",
  run: (session) =>
    Effect.gen(function* () {
      const { count, peer, producer } = session
      const result: Array<Figure> = []
      const enqueued = [count(2_000)]
      yield* producer.ask("enqueue", { count: enqueued[0]!, inFlight: peer.inFlight.at(-1)!, results: "kept" })
      for (const inFlight of peer.inFlight) {
        const tasks = count(full(inFlight), 100)
        const [, costs] = yield* costsOf(session, producer.ask("enqueue", { count: tasks, inFlight, results: "kept" }))
        enqueued.push(tasks)
        const label = inFlight === "bulk" ? "in bulk" : `${inFlight.toLocaleString("en")} in flight`
        result.push(
          ...figures(`enqueue-${inFlight}`, label, {
            rate: (tasks / costs.wall) * 1_000,
            producer: costs.producer / tasks,
            redis: costs.redis / tasks,
            commands: costs.commands / tasks
          })
        )
      }
      const all = enqueued.reduce((sum, tasks) => sum + tasks, 0)
      yield* drain(session, all)
      yield* check(session, { count: all, sum: enqueued.reduce((sum, tasks) => sum + sumTo(tasks), 0) })
      return result
    })
}

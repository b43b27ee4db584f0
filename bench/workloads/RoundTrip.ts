import * as Effect from "effect/Effect"
import { figures, quantile } from "../Figure.ts"
import { concurrency } from "../Session.ts"
import type { Workload } from "../Workload.ts"

/** F: nothing else to do: submit one task, await its value, and again. */
export const roundTrip: Workload = {
  id: "F",
  title: "idle round trip: submit one task, await its value",
  run: ({ count, full, producer, worker }) =>
    Effect.gen(function* () {
      yield* worker.ask("run", { concurrency, results: "kept" })
      yield* producer.ask("roundTrips", { count: count(500, 50) })
      const times = yield* producer.ask("roundTrips", { count: count(2_000, 100) })
      return figures("roundTrip", `${full(2_000, 100).toLocaleString("en")} in sequence`, {
        p50: quantile(times, 0.5),
        p95: quantile(times, 0.95),
        p99: quantile(times, 0.99)
      })
    })
}

import * as Effect from "effect/Effect"
import { figures } from "../Figure.ts"
import { check, concurrency, drain, sumTo } from "../Session.ts"
import type { Workload } from "../Workload.ts"

/** G: what tasks take in Redis, beyond what is there once. */
export const memory: Workload = {
  id: "G",
  title: "memory",
  run: (session) =>
    Effect.gen(function* () {
      const { count, full, producer, redis, worker } = session
      const tasks = count(20_000, 200)
      const flows = count(2_000, 20)
      const enqueue = (count: number) => producer.ask("enqueue", { count, inFlight: "bulk", results: "kept" })
      // The slow log is the benchmark's own, and takes half a megabyte.
      const memory = Effect.andThen(redis.forget, redis.memory)
      const checkNoops = (count: number) => check(session, { count, sum: sumTo(count) })

      // Connections, scripts, plans, and what a peer keeps of the latest tasks only.
      yield* enqueue(tasks)
      yield* drain(session, tasks)
      yield* checkNoops(tasks)

      const before = yield* memory
      yield* enqueue(tasks)
      const waiting = yield* memory
      yield* drain(session, tasks)
      const finished = yield* memory
      yield* checkNoops(tasks)

      const { rss } = yield* worker.ask("usage")
      yield* worker.ask("run", { concurrency, results: "kept" })
      const flowsBefore = yield* memory
      yield* producer.ask("flows", { count: flows })
      yield* worker.ask("done", { count: flows * 7 })
      const flowsAfter = yield* memory
      yield* check(session, { count: flows, sum: 5 * sumTo(flows) + flows })

      return [
        ...figures("noops", `${full(20_000, 200).toLocaleString("en")} no-ops`, {
          waiting: (waiting - before) / tasks,
          finished: (finished - before) / tasks,
          rss: rss / 2 ** 20
        }),
        ...figures("flows", `${full(2_000, 20).toLocaleString("en")} flows of 7 tasks`, {
          finished: (flowsAfter - flowsBefore) / (flows * 7)
        })
      ]
    })
}

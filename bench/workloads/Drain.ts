import * as Effect from "effect/Effect"
import type { BenchFailure } from "../Failure.ts"
import type { Figure, Metric } from "../Figure.ts"
import { figures } from "../Figure.ts"
import type { Costs, Session } from "../Session.ts"
import { check, concurrency, costsOf, drain, sumTo } from "../Session.ts"
import type { Results } from "../Protocol.ts"
import type { Workload } from "../Workload.ts"

const tasksOf = ({ count }: Session): number => count(20_000, 200)

/** Makes the code of both processes hot, as it is in a worker that has run for a minute. */
const warmUp = (session: Session): Effect.Effect<void, BenchFailure> =>
  Effect.gen(function* () {
    const tasks = Math.min(5_000, tasksOf(session))
    yield* session.producer.ask("enqueue", { count: tasks, inFlight: "bulk", results: "kept" })
    yield* drain(session, tasks)
    yield* check(session, { count: tasks, sum: sumTo(tasks) })
  })

/** From the moment the worker begins until the results of `count` tasks are recorded, with how many there are by then. */
const take = (
  session: Session,
  count: number,
  atOnce = concurrency,
  results: Results = "kept"
): Effect.Effect<readonly [number, Costs], BenchFailure> => {
  const begun = session.worker.ask("run", { concurrency: atOnce, results })
  return costsOf(session, Effect.andThen(begun, session.worker.ask("done", { count })))
}

const perTask = (costs: Costs, tasks: number): { readonly [M in Metric]?: number } => ({
  rate: (tasks / costs.wall) * 1_000,
  worker: costs.worker / tasks,
  redis: costs.redis / tasks,
  commands: costs.commands / tasks
})

/** How many tasks, and how many at once. The second is long enough for what it takes to make code hot to hardly count. */
const drains = [
  ["drain", 20_000, concurrency],
  ["drain-long", 100_000, concurrency],
  ["drain-1", 5_000, 1],
  ["drain-10", 20_000, 10],
  ["drain-50", 20_000, 50],
  ["drain-200", 20_000, 200]
] as const

/** B: one worker process takes no-ops that were enqueued before, with so many handlers at once. */
export const drainNoops: Workload = {
  id: "B",
  title: "drain no-ops, one worker process",
  run: (session) =>
    Effect.gen(function* () {
      const result: Array<Figure> = []
      yield* warmUp(session)
      for (const [of, many, atOnce] of drains) {
        const tasks = session.count(many, 200)
        const bulk = session.producer.ask("enqueue", { count: tasks, inFlight: "bulk", results: "kept" })
        const [, submission] = yield* costsOf(session, bulk)
        const [, costs] = yield* take(session, tasks, atOnce)
        yield* session.worker.ask("halt")
        yield* check(session, { count: tasks, sum: sumTo(tasks) })
        result.push(
          ...figures(of, `drain ${session.full(many, 200).toLocaleString("en")}, ${atOnce} at once`, {
            ...perTask(costs, tasks),
            allCommands: (submission.commands + costs.commands) / tasks
          })
        )
      }
      yield* dropResults(session, Math.min(1_000, tasksOf(session)))
      const { commands, redis, worker } = perTask(yield* dropResults(session, tasksOf(session)), tasksOf(session))
      const label = `drain ${session.full(20_000, 200).toLocaleString("en")}, results dropped`
      result.push(...figures("drain-dropped", label, { worker, redis, commands }))
      return result
    })
}

/** The costs of running so many tasks and of removing what they end with, at once or by sweeps. */
const dropResults = (session: Session, tasks: number): Effect.Effect<Costs, BenchFailure> =>
  Effect.gen(function* () {
    yield* session.producer.ask("enqueue", { count: tasks, inFlight: "bulk", results: "dropped" })
    const [, costs] = yield* take(session, tasks, concurrency, "dropped")
    yield* session.worker.ask("halt")
    return costs
  })

/** J: B again on a store that has many finished tasks in it, and with a backlog behind the tasks that are measured. */
export const growth: Workload = {
  id: "J",
  title: "growth: drain no-ops as the store fills",
  run: (session) =>
    Effect.gen(function* () {
      const { count, producer, worker } = session
      const tasks = tasksOf(session)
      const many = count(100_000, 1_000)
      const words = session.full(100_000, 1_000).toLocaleString("en")
      const result: Array<Figure> = []
      yield* warmUp(session)

      let empty: number | undefined
      const measure = (of: string, label: string, waiting: number) =>
        Effect.gen(function* () {
          yield* producer.ask("enqueue", { count: waiting, inFlight: "bulk", results: "kept" })
          const [done, costs] = yield* take(session, tasks)
          yield* worker.ask("halt")
          const cost = (costs.worker + costs.redis) / done
          empty ??= cost
          result.push(...figures(of, label, { ...perTask(costs, done), ratio: cost / empty }))
        })

      yield* measure("growth-empty", "empty store", tasks)
      yield* check(session, { count: tasks, sum: sumTo(tasks) })
      yield* producer.ask("enqueue", { count: many, inFlight: "bulk", results: "kept" })
      yield* drain(session, many)
      yield* check(session, { count: many, sum: sumTo(many) })
      yield* measure("growth-finished", `${words} finished`, tasks)
      yield* check(session, { count: tasks, sum: sumTo(tasks) })
      yield* measure("growth-backlog", `${words} finished, a backlog of ${words}`, many + tasks)
      return result
    })
}

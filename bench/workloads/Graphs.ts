import * as Effect from "effect/Effect"
import type { BenchFailure } from "../Failure.ts"
import type { Figure } from "../Figure.ts"
import { figures, median } from "../Figure.ts"
import type { Graph } from "../Protocol.ts"
import type { Costs, Session } from "../Session.ts"
import { check, concurrency, costsOf, mustBe, size, sumTo } from "../Session.ts"
import type { Workload } from "../Workload.ts"

/** What a graph of this size comes to. */
export const valueOf = (graph: Graph, size: number): number => {
  switch (graph) {
    case "chain":
      return size
    case "chord":
    case "forEach":
      return sumTo(size)
    case "mesh": {
      let layer = Array.from({ length: size }, (_, n) => n)
      for (let depth = 1; depth < size; depth++) {
        layer = layer.map((n, i) => (n + layer[(i + 1) % size]! + layer[(i + 2) % size]!) % 1_000_003)
      }
      return layer.reduce((sum, n) => sum + n, 0)
    }
  }
}

export const tasksIn = (graph: Graph, size: number): number => {
  switch (graph) {
    case "chain":
      return size
    case "chord":
    case "forEach":
      return size + 1
    case "mesh":
      return size * size + 1
  }
}

/** Submits it, awaits it, checks its value; the milliseconds that took. */
export const once = ({ producer }: Session, graph: Graph, size: number): Effect.Effect<number, BenchFailure> =>
  Effect.gen(function* () {
    const { millis, value } = yield* producer.ask("graph", { graph, size })
    yield* mustBe(`the value of a ${graph} of ${size}`, value, valueOf(graph, size))
    return millis
  })

/** The first of its kind, which also makes the code hot and the plan known, and then some more. */
const several = (
  session: Session,
  graph: Graph,
  size: number
): Effect.Effect<
  { readonly first: number; readonly millis: number; readonly costs: Costs; readonly tasks: number },
  BenchFailure
> =>
  Effect.gen(function* () {
    const first = yield* once(session, graph, size)
    const times = size <= 100 ? 10 : 3
    const [millis, costs] = yield* costsOf(
      session,
      Effect.forEach(Array.from({ length: times }), () => once(session, graph, size))
    )
    return { first, millis: median(millis), costs, tasks: tasksIn(graph, size) * times }
  })

/** C: each task waits for the one before it, so this is latency. */
export const chains: Workload = {
  id: "C",
  title: "chain",
  run: (session) =>
    Effect.gen(function* () {
      const hops = size(session, "chain", 1_000, 50)
      if (hops === undefined) return []
      yield* session.worker.ask("run", { concurrency, results: "kept" })
      const { costs, millis, tasks } = yield* several(session, "chain", hops)
      return figures("chain", `chain of ${session.full(1_000, 50).toLocaleString("en")}`, {
        hop: millis / hops,
        worker: costs.worker / tasks,
        redis: costs.redis / tasks,
        commands: costs.commands / tasks
      })
    })
}

const widths = [10, 100, 1_000, 10_000]

/** D: a group, and a body that sums the values of its members. */
export const chords: Workload = {
  id: "D",
  title: "chord: a group and a body that sums",
  run: (session) =>
    Effect.gen(function* () {
      const { largest } = session.peer
      const result: Array<Figure> = []
      yield* session.worker.ask("run", { concurrency, results: "kept" })
      for (const graph of ["chord", "forEach"] as const) {
        for (const width of widths) {
          if (width > largest[graph] || width > Math.max(100, 10_000 * session.scale)) continue
          const { costs, first, millis, tasks } = yield* several(session, graph, width)
          result.push(
            ...figures(`${graph}-${width}`, `${graph} of ${width.toLocaleString("en")}`, {
              millis,
              firstMillis: first,
              ...(width < 1_000 ? {} : { worker: costs.worker / tasks, redis: costs.redis / tasks })
            })
          )
        }
      }
      return result
    })
}

/** E: many small flows, submitted while the worker works on them. */
export const smallFlows: Workload = {
  id: "E",
  title: "flows of 7 tasks: chord of 5, body, follow-up",
  run: (session) =>
    Effect.gen(function* () {
      const { count, full, producer, worker } = session
      const turn = (flows: number) =>
        Effect.gen(function* () {
          yield* worker.ask("run", { concurrency, results: "kept" })
          yield* producer.ask("flows", { count: flows })
          yield* worker.ask("done", { count: flows * 7 })
        })
      const checked = (flows: number) =>
        Effect.andThen(worker.ask("halt"), check(session, { count: flows, sum: 5 * sumTo(flows) + flows }))

      const warm = count(1_000, 20)
      yield* turn(warm)
      yield* checked(warm)
      const result: Array<Figure> = []
      for (const [of, many] of [
        ["flows", 2_000],
        ["flows-long", 10_000]
      ] as const) {
        const flows = count(many, 20)
        const [, costs] = yield* costsOf(session, turn(flows))
        yield* checked(flows)
        const tasks = flows * 7
        result.push(
          ...figures(of, `${full(many, 20).toLocaleString("en")} flows`, {
            flowRate: (flows / costs.wall) * 1_000,
            rate: (tasks / costs.wall) * 1_000,
            worker: costs.worker / tasks,
            producer: costs.producer / tasks,
            redis: costs.redis / tasks,
            allCommands: costs.commands / tasks
          })
        )
      }
      return result
    })
}

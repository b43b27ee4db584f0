/**
 * The nodes of a run as tables: a line per node of the plan with all its instances together, or a line per instance.
 */
import type { NodeProgress, NodeView, RunView, WorkerView } from "@arpeggio/core/Broker"
import * as Phase from "@arpeggio/core/Phase"
import type { Plan } from "@arpeggio/core/Plan"
import { bodies } from "@arpeggio/core/plan/Bodies"
import { toId } from "@arpeggio/core/plan/Address"
import * as FailureText from "./FailureText.ts"
import * as Figures from "./Figures.ts"

/** All instances of one node of the plan. */
export interface Row {
  /** `resize`, or `each[*].resize` inside a `forEach`. */
  readonly node: string
  readonly task: string | undefined
  readonly state: Phase.Phase | "unborn"
  readonly progress: NodeProgress
}

/** The nodes that are work, in the order they were written; those of a `forEach` where it is. */
export const rows = (plan: Plan, view: RunView): ReadonlyArray<Row> =>
  nodesOf(plan, 0).flatMap((i) => {
    const node = plan.nodes[i]!
    const progress = view.nodes[i]
    if ((node._tag !== "Task" && node._tag !== "Decide") || progress === undefined) return []
    const task = node._tag === "Task" ? node.task : undefined
    return [{ node: idOf(plan, i), task, state: stateOf(progress), progress }]
  })

/** The numbers of a body's nodes, with those of the bodies inside it. */
const nodesOf = (plan: Plan, body: number): ReadonlyArray<number> => {
  const { first, count } = plan.bodies[body]!
  return Array.from({ length: count }, (_, i) => first + i).flatMap((i) => {
    const node = plan.nodes[i]!
    return node._tag === "Collect" ? [...nodesOf(plan, node.body), i] : [i]
  })
}

/** The readable id of a node of the plan, with stars for the elements around it. */
export const idOf = (plan: Plan, index: number): string => {
  const prefix = (body: number): string => {
    const around = plan.bodies[body]!
    return around._tag === "Root" ? "" : `${prefix(around.parent)}${plan.nodes[around.collect]!.id}[*].`
  }
  return prefix(bodies(plan)[index]!) + plan.nodes[index]!.id
}

/** One state for many: what is open or yet to come comes first, then a failure. */
const order = Phase.inOrder(
  "running",
  "ready",
  "scheduled",
  "blocked",
  "failed",
  "cancelled",
  "succeeded",
  "skipped",
  "void"
)

const stateOf = (progress: NodeProgress): Row["state"] => {
  const tally = { ...progress, blocked: progress.blocked + progress.expected - progress.total }
  return order.find((state) => tally[state] > 0) ?? "unborn"
}

/** As people call it. */
const stateWords = {
  blocked: "blocked",
  ready: "ready",
  running: "running",
  scheduled: "scheduled",
  succeeded: "succeeded",
  failed: "failed",
  skipped: "skipped",
  void: "not taken",
  cancelled: "cancelled",
  unborn: "-"
} as const satisfies { readonly [state in Row["state"]]: string }

const right = ["calls", "ended", "running", "ready", "failed", "retried", "mean"] as const

export const byNode = (plan: Plan, view: RunView): ReadonlyArray<string> =>
  Figures.table(
    [
      { title: "node", align: "left" },
      { title: "task", align: "left" },
      { title: "state", align: "left" },
      ...right.map((title) => ({ title, align: "right" }) as const)
    ],
    rows(plan, view).map(({ node, task, state, progress }) => {
      const attempts = progress.succeeded + progress.failed + progress.retries
      return [
        node,
        task ?? "(built in)",
        stateWords[state],
        ...[
          progress.expected,
          Phase.ended(progress),
          progress.running,
          progress.ready,
          progress.failed,
          progress.retries
        ].map(Figures.count),
        attempts === 0 ? "-" : Figures.duration(progress.busy / attempts)
      ]
    })
  )

/** A line per instance. `now` is in milliseconds, `workers` say where the running ones are. */
export const byInstance = (
  plan: Plan,
  nodes: ReadonlyArray<NodeView>,
  workers: ReadonlyArray<WorkerView>,
  now: number
): ReadonlyArray<string> =>
  Figures.table(
    [
      { title: "node", align: "left" },
      { title: "state", align: "left" },
      { title: "attempt", align: "right" },
      { title: "what", align: "left" }
    ],
    nodes.map((node) => [
      toId(plan, node.address),
      stateWords[node.state],
      node.attempt === 0 ? "-" : String(node.attempt),
      detail(node, workers, now)
    ])
  )

/** What else there is to say of an instance. */
export const detail = (node: NodeView, workers: ReadonlyArray<WorkerView>, now: number): string => {
  const lost = node.lost === 0 ? [] : [`${Figures.plural(node.lost, "worker")} died over it`]
  const failed = node.failed === undefined ? [] : [FailureText.brief(node.failed)]
  return [...where(node, workers, now), ...lost, ...failed].join("; ")
}

const where = (node: NodeView, workers: ReadonlyArray<WorkerView>, now: number): ReadonlyArray<string> => {
  switch (node.state) {
    case "running":
      return node.worker === undefined
        ? []
        : [`on ${workers.find((worker) => worker.id === node.worker)?.host ?? node.worker}`]
    case "ready":
      return node.unroutable ? ["no known worker can run it"] : []
    case "scheduled":
      return node.dueAt === undefined ? [] : [`in ${Figures.duration(Math.max(0, node.dueAt - now))}`]
    default:
      return []
  }
}

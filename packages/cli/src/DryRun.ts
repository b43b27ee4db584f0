/**
 * What a plan would be as a run, in words: its size, its longest chain, and how long it takes on so many slots.
 */
import type { Node, Plan } from "@arpeggio/core/Plan"
import { estimate } from "./Estimate.ts"
import * as Figures from "./Figures.ts"

export interface Options {
  /** Handlers that run at once. */
  readonly slots: number
  /** Elements each `forEach` is assumed to have. */
  readonly elements: number
  /** How long a call of a task takes, in milliseconds or in rounds. */
  readonly duration: (node: Node) => number
  /** `rounds` where durations are unknown: every call takes one. */
  readonly unit: "millis" | "rounds"
}

/** How many steps of the critical path are named. */
const named = 12

/** The lines of a dry run, each with its newline. */
export const describe = (plan: Plan, options: Options): string => {
  const { slots, unit } = options
  const about = estimate(plan, options)
  const tasks = plan.nodes.filter((node) => node._tag === "Task")
  const edges = plan.nodes.reduce((sum, node) => sum + node.edges.length + (node.gate === undefined ? 0 : 1), 0)
  const loops = plan.bodies.length - 1
  const time = (value: number) => (unit === "millis" ? Figures.duration(value) : Figures.plural(value, "round"))
  const makespan = about.makespan(slots)
  const bound = about.work / slots
  const lines: ReadonlyArray<readonly [string, string]> = [
    ["flow", plan.flow],
    [
      "size",
      `${Figures.plural(tasks.length, "step")} of ${Figures.plural(kinds(tasks), "task")}; ${Figures.plural(plan.nodes.length, "node")} and ${Figures.plural(edges, "edge")} with what routes between them`
    ],
    ...(loops === 0
      ? []
      : [
          [
            "forEach",
            `${Figures.count(loops)}, each assumed to have ${Figures.plural(options.elements, "element")} (--elements): ${Figures.plural(about.calls, "call")} in all`
          ] as const
        ]),
    ["depth", `${Figures.plural(about.depth, "step")} in a row at most`],
    ["width", `${Figures.plural(about.width, "step")} at once at most`],
    ["critical path", `${time(about.critical.length)}: ${chain(plan, about.critical.nodes)}`],
    ["work", `${time(about.work)} in all, one after the other`],
    [
      `on ${Figures.plural(slots, "slot")}`,
      about.work === 0
        ? time(0)
        : `${time(makespan)}, which keeps the slots busy for ${Figures.percent(bound, makespan)} of it; ${limit(about.critical.length, makespan)}`
    ]
  ]
  const widest = Math.max(...lines.map(([name]) => name.length))
  return lines.map(([name, text]) => `${name.padEnd(widest)}  ${text}\n`).join("")
}

const kinds = (nodes: ReadonlyArray<Node>): number =>
  new Set(nodes.map((node) => (node._tag === "Task" ? node.task : ""))).size

const chain = (plan: Plan, nodes: ReadonlyArray<number>): string => {
  const ids = nodes.map((node) => plan.nodes[node]!.id)
  const shown =
    ids.length <= named ? ids : [...ids.slice(0, named / 2), `… ${ids.length - named} more …`, ...ids.slice(-named / 2)]
  return shown.length === 0 ? "no step at all" : shown.join(" → ")
}

/** No schedule is shorter than the critical path. */
const limit = (critical: number, makespan: number): string =>
  makespan <= critical ? "more slots would not help, the critical path is as long" : "more slots would help"

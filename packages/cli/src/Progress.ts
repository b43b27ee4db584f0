/**
 * How far a run is, in numbers: what the live view, the log lines and the table at the end are made of.
 */
import type { NodeProgress, RunView } from "@arpeggio/core/Broker"
import * as Phase from "@arpeggio/core/Phase"
import type { Plan } from "@arpeggio/core/Plan"

/** What all nodes of a run have been through together. Passes, which only route, are left out. */
export interface Progress {
  readonly total: number
  readonly done: number
  readonly running: number
  readonly retries: number
  readonly failed: number
  /** Milliseconds that handlers ran, summed. */
  readonly busy: number
}

/** What all calls of one task have been through. */
export interface StepProgress {
  readonly step: string
  /** Calls that began or were decided otherwise; those on branches not taken are left out. */
  readonly count: number
  readonly succeeded: number
  readonly failed: number
  /** Calls that never began, since a dependency failed or the run was cancelled. */
  readonly dropped: number
  readonly retries: number
  readonly busy: number
}

export const of = (plan: Plan, view: RunView): Progress => {
  const progress = { total: 0, done: 0, running: 0, retries: 0, failed: 0, busy: 0 }
  for (const [i, node] of plan.nodes.entries()) {
    if (node._tag !== "Task" && node._tag !== "Decide") continue
    const at = view.nodes[i]
    if (at === undefined) continue
    progress.total += at.expected - at.void
    progress.done += Phase.ended(at) - at.void
    progress.running += at.running
    progress.retries += at.retries
    progress.failed += at.failed
    progress.busy += at.busy
  }
  return progress
}

/** By task, in the order of the plan. */
export const bySteps = (plan: Plan, view: RunView): ReadonlyArray<StepProgress> => {
  const steps = new Map<string, Array<NodeProgress>>()
  for (const [i, node] of plan.nodes.entries()) {
    const at = view.nodes[i]
    if (node._tag !== "Task" || at === undefined) continue
    const nodes = steps.get(node.task)
    if (nodes === undefined) steps.set(node.task, [at])
    else nodes.push(at)
  }
  return Array.from(steps, ([step, nodes]) => {
    const sum = (field: Exclude<keyof NodeProgress, "known">) => nodes.reduce((total, node) => total + node[field], 0)
    return {
      step,
      count: sum("total") - sum("void"),
      succeeded: sum("succeeded"),
      failed: sum("failed"),
      dropped: sum("skipped") + sum("cancelled"),
      retries: sum("retries"),
      busy: sum("busy")
    }
  })
}

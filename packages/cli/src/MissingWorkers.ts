/**
 * What of a run nobody can run: its tasks for which no worker is known that has their handler and takes from their queue.
 */
import type { RunView, WorkerView } from "@arpeggio/core/Broker"
import * as Defaults from "@arpeggio/core/Defaults"
import { ended } from "@arpeggio/core/Phase"
import type { Plan } from "@arpeggio/core/Plan"

/** Work that no known worker takes. */
export interface Missing {
  /** The key of a task; nothing for built-in work, which any worker of the queue does. */
  readonly task: string | undefined
  readonly queue: string
}

/** In the order of the plan, for what of the run may still have to run. */
export const of = (plan: Plan, view: RunView, workers: ReadonlyArray<WorkerView>): ReadonlyArray<Missing> => {
  const missing = new Map<string, Missing>()
  for (const [i, node] of plan.nodes.entries()) {
    if (node._tag !== "Task" && node._tag !== "Decide") continue
    const at = view.nodes[i]
    // Instances that are still to come need it, too.
    const isOpen = at === undefined || !at.known || at.expected > ended(at) + at.running
    if (!isOpen || view.state !== "running") continue
    const queue = node.policy?.queue ?? Defaults.policy.queue
    const task = node._tag === "Task" ? node.task : undefined
    if (!workers.some((worker) => canRun(worker, task, queue))) missing.set(`${queue} ${task ?? ""}`, { task, queue })
  }
  return Array.from(missing.values())
}

export const canRun = (worker: WorkerView, task: string | undefined, queue: string): boolean =>
  worker.queues.includes(queue) && (task === undefined || worker.tasks.includes(task))

/** What is missing and what to start, in two lines; `flags` are what finds the store. */
export const inWords = (missing: ReadonlyArray<Missing>, module: string, flags: string): ReadonlyArray<string> => {
  if (missing.length === 0) return []
  const queues = Array.from(new Set(missing.map(({ queue }) => queue)))
  const lists = queues.map((queue) => {
    const tasks = missing.flatMap((each) => (each.queue === queue ? [each.task ?? "built-in steps"] : []))
    const named = tasks.length <= most ? tasks : [...tasks.slice(0, most), `${tasks.length - most} more`]
    return `${named.join(", ")} (queue ${queue})`
  })
  const other = queues.join() === Defaults.policy.queue ? "" : ` --queues ${queues.join(",")}`
  return [
    `No worker is known that can run ${lists.join("; ")}: what needs it waits.`,
    `Start one:  arpeggio worker ${module}${flags}${other}`
  ]
}

/** Tasks of a queue that are named at most. */
const most = 8

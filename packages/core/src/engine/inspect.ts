/**
 * What people see of the state. Nothing here changes it.
 */
import * as MutableList from "effect/MutableList"
import type { Failed, NodeView, QueueView, RunEnd, RunState, RunSummary, RunView, WorkerView } from "../Broker.ts"
import type { Cell, Frame, Queue, Run, Store } from "./Store.ts"
import { addressOf } from "./Store.ts"
import { canRun, endedOf } from "./claim.ts"
import { progressOf } from "./progress.ts"

const summaryOf = (run: Run): RunSummary => ({
  id: run.id,
  flow: run.program.plan.flow,
  planHash: run.program.hash,
  state: run.state,
  generation: run.generation,
  submittedAt: run.submittedAt,
  endedAt: run.endedAt
})

export const viewOf = (run: Run): RunView => ({
  ...summaryOf(run),
  cancelling: run.state === "running" && run.closing === "cancel",
  nodes: progressOf(run),
  failure: failureOf(run)
})

export const endOf = (run: Run): RunEnd => ({
  state: run.state as RunEnd["state"],
  generation: run.generation,
  input: run.input,
  exit: endedOf(exitOf(run))!,
  failure: failureOf(run)
})

const exitOf = (run: Run): Cell => run.root.cells[run.root.body.exit]!

const failureOf = (run: Run): RunView["failure"] => {
  if (run.decided !== "failed") return undefined
  const exit = exitOf(run)
  const cause = exit.cause ?? exit
  return { node: addressOf(cause), attempt: cause.tries, failed: cause.failed! }
}

/** Newest first. */
export const listRuns = (store: Store, state: RunState | undefined, limit: number): ReadonlyArray<RunSummary> => {
  const summaries: Array<RunSummary> = []
  for (const run of [...store.runs.values()].reverse()) {
    if (summaries.length >= limit) break
    if (state === undefined || run.state === state) summaries.push(summaryOf(run))
  }
  return summaries
}

export const listNodes = (
  store: Store,
  run: Run,
  after: string | undefined,
  limit: number
): ReadonlyArray<NodeView> => {
  const views: Array<NodeView> = []
  let started = after === undefined
  for (const cell of cellsInOrder(run.root)) {
    if (views.length >= limit) break
    if (started) views.push(nodeViewOf(store, cell))
    else started = addressOf(cell) === after
  }
  return views
}

/** A collect's instances come right after it. */
function* cellsInOrder(frame: Frame): Generator<Cell> {
  for (const cell of frame.cells) {
    yield cell
    if (cell.expansion !== undefined) for (const inner of cell.expansion.frames) yield* cellsInOrder(inner)
  }
}

const nodeViewOf = (store: Store, cell: Cell): NodeView => ({
  address: addressOf(cell),
  state: cell.phase,
  attempt: cell.phase === "running" || cell.phase === "ready" ? cell.tries + 1 : cell.tries,
  lost: cell.lost,
  worker: cell.worker,
  dueAt: cell.phase === "scheduled" ? cell.dueAt : undefined,
  failed: failedWith(cell),
  unroutable: cell.phase === "ready" && isUnroutable(store, cell)
})

/** How it failed; while there may be another attempt, how the last one did. */
const failedWith = (cell: Cell): Failed | undefined => {
  switch (cell.phase) {
    case "ready":
    case "running":
    case "scheduled":
    case "failed":
      return cell.failed
    case "skipped":
      return cell.cause!.failed
    case "blocked":
    case "succeeded":
    case "void":
    case "cancelled":
      return undefined
  }
}

const isUnroutable = (store: Store, cell: Cell): boolean => {
  for (const worker of store.workers.values()) {
    if (worker.info.queues.includes(cell.node.policy.queue) && canRun(worker, cell)) return false
  }
  return true
}

export const listQueues = (store: Store): ReadonlyArray<QueueView> =>
  [...store.queues.values()].map((queue) => queueViewOf(store, queue))

const queueViewOf = (store: Store, queue: Queue): QueueView => {
  const unroutable: { [task: string]: number } = Object.create(null)
  let ready = 0
  for (const cell of readyIn(queue)) {
    ready++
    const task = cell.node.task
    if (task !== undefined && isUnroutable(store, cell)) unroutable[task] = (unroutable[task] ?? 0) + 1
  }
  return { queue: queue.name, ready, unroutable }
}

/** The ready cells of a queue; a list may also hold cells that have left the phase. */
export const readyIn = (queue: Queue): Set<Cell> => {
  const cells = new Set<Cell>()
  for (const bands of [queue.bands, ...queue.parked.values()]) {
    for (const band of bands)
      for (const { cell, ticket } of MutableList.toArray(band)) if (cell.ticket === ticket) cells.add(cell)
  }
  for (const { cell, ticket } of queue.suspects) if (cell.ticket === ticket) cells.add(cell)
  return cells
}

export const listWorkers = (store: Store): ReadonlyArray<WorkerView> =>
  [...store.workers.values()].map((worker) => ({
    ...worker.info,
    running: worker.holding.size,
    leaseUntil: worker.leaseUntil
  }))

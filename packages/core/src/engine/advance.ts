/**
 * How a node becomes ready, and how a run ends. This is the kernel; everything else in this folder feeds it.
 *
 * A node **ends once**: `succeeded`, `failed`, `skipped` (for a failed cause), `void` (on a branch not taken), or
 * `cancelled`. To edges, failed and skipped are the same: a handler sees a failure through any number of skipped nodes.
 *
 * Its end **resolves its outgoing edges**: each fires, or dies of a cause, of void, or of cancellation (`verdict`).
 *
 * A node waits for its **gate**; once that has fired, its **join** over the edges resolved so far decides (`decide`):
 * `all` needs every edge and dies with the first death; `any` needs one and dies when all have died; `settled` needs
 * every edge resolved. A pass then ends by itself, work goes to its queue.
 *
 * A fork that succeeds **releases instances** of its body, a few at a time where concurrency is bounded; the collect
 * joins them by a count. An instance sees ended nodes around it: their edges are resolved when it is made.
 *
 * The **outcome** is decided when the exit of the root ends. A failed outcome (unless the run is to finish) or a cancel
 * **closes** the run: no node starts any more but cleanup, what waits to start is cancelled, what runs is asked to stop.
 * The run has ended when no node is open.
 *
 * Ended cells are propagated first in, first out, and a bounded number of edges at a time: what is left is continued by
 * the next transition, before anything newer of the same run.
 */
import * as MutableList from "effect/MutableList"
import type { Failed, Payload, RunEnd } from "../Broker.ts"
import type { End } from "../Phase.ts"
import type { Condition } from "../plan/Document.ts"
import type { Cell, Deferred, Expansion, Frame, Phase, Run, Store } from "./Store.ts"
import { addressOf, isEnd, makeCell, queueOf, visible } from "./Store.ts"
import * as Timers from "./Timers.ts"
import { isSuspect } from "./suspicion.ts"

/** What the end of a source does to an edge: fires it, or kills it of void, of cancellation, or of the failed cell. */
export type Verdict = "fire" | "void" | "cancelled" | Cell

export const verdict = (source: Cell, when: Condition, target: Cell): Verdict => {
  switch (source.phase) {
    case "succeeded":
      return when === "success" || when === "settled" || ("branch" in when && when.branch === source.count)
        ? "fire"
        : "void"
    case "failed":
    case "skipped": {
      const cause = source.phase === "failed" ? source : source.cause!
      if (when === "success") return cause
      if (when === "settled") return "fire"
      return "failure" in when && matches(when.failure, cause.failed!) ? "fire" : "void"
    }
    case "cancelled":
      return when === "settled" && target.node.cleanup ? "fire" : "cancelled"
    default:
      return "void"
  }
}

const matches = (failure: "any" | "declared" | ReadonlyArray<string>, failed: Failed): boolean =>
  failure === "any" || (failure === "declared" ? failed.declared : failure.includes(failed.tag))

/** Counts a resolved join edge; `evaluate` looks at the counts. */
export const record = (cell: Cell, edge: number, said: Verdict): void => {
  cell.pending--
  if (said === "fire") {
    if (cell.from < 0) cell.from = edge
  } else if (said === "void") {
    cell.voids++
  } else {
    if (said === "cancelled") cell.cancels++
    if (diesOf(cell, edge, said)) {
      cell.death = said
      cell.deathEdge = edge
    }
  }
}

/**
 * Of several deaths `any` takes the last cause in the order of declaration. `all` takes the first death: it ends with it,
 * so there is a choice only among those recorded before its gate fired, or together with it.
 */
const diesOf = (cell: Cell, edge: number, said: Verdict): boolean => {
  if (cell.node.node.join === "any") return said !== "cancelled" && edge > cell.deathEdge
  return cell.deathEdge < 0 || edge < cell.deathEdge
}

type Decision = "wait" | "go" | "void" | "cancelled" | Cell

/** What the join says, the gate having fired. */
export const decide = (cell: Cell): Decision => {
  switch (cell.node.node.join) {
    case "all":
      if (cell.voids > 0) return "void"
      return cell.death ?? (cell.pending === 0 ? "go" : "wait")
    case "any":
      if (cell.from >= 0) return "go"
      if (cell.pending > 0) return "wait"
      return cell.cancels > 0 ? "cancelled" : (cell.death ?? "void")
    case "settled": {
      if (cell.pending > 0) return "wait"
      const edges = cell.node.collects === undefined ? cell.node.edges.length : (cell.expansion?.frames.length ?? 0)
      if (edges > 0 && cell.voids === edges) return "void"
      return cell.cancels > 0 && !cell.node.cleanup ? "cancelled" : "go"
    }
  }
}

/** Lets a blocked cell go on, or end, as its join says. */
export const evaluate = (store: Store, cell: Cell, now: number): void => {
  if (cell.phase !== "blocked" || cell.gated) return
  const decision = decide(cell)
  if (decision === "wait") return
  if (decision === "go") go(store, cell, now)
  else if (decision === "void" || decision === "cancelled") end(store, cell, decision, now)
  else skip(store, cell, decision, now)
}

const go = (store: Store, cell: Cell, now: number): void => {
  switch (cell.node.node._tag) {
    case "Task":
    case "Decide":
      if (isClosedFor(cell)) end(store, cell, "cancelled", now)
      else if (cell.node.policy.delay > 0) schedule(store, cell, now + cell.node.policy.delay)
      else enqueue(store, cell, now)
      return
    case "Fork":
      cell.elements ??= cell.run.elements.get(cell.node.index) ?? []
      cell.count = cell.elements.length
      return end(store, cell, "succeeded", now)
    case "Collect":
      cell.count = cell.expansion?.elements.length ?? 0
      return end(store, cell, "succeeded", now)
    case "Pass":
      return end(store, cell, "succeeded", now)
  }
}

/** Whether the run's closing keeps this cell from starting. */
export const isClosedFor = (cell: Cell): boolean => cell.run.closing !== undefined && !cell.node.cleanup

export const move = (cell: Cell, phase: Phase): void => {
  const tally = cell.run.tally[cell.node.index]!
  tally[cell.phase]--
  tally[phase]++
  cell.phase = phase
  cell.ticket++
}

/** Makes it ready, last in its band, or first in it when it was given back; a suspect waits apart. */
export const enqueue = (store: Store, cell: Cell, now: number, put: "last" | "first" = "last"): void => {
  move(cell, "ready")
  const { expires, priority, queue: name } = cell.node.policy
  const queue = queueOf(store, name)
  const entry = { cell, ticket: cell.ticket }
  if (isSuspect(cell.lost, store.options.maxDeliveries))
    queue.suspects.push({ ...entry, since: now, reservedBy: undefined })
  else if (put === "last") MutableList.append(queue.bands[priority]!, entry)
  else MutableList.prepend(queue.bands[priority]!, entry)
  if (expires !== undefined) Timers.add(store.timers, now + expires, { cell, ticket: cell.ticket })
  store.woken.add(name)
}

export const schedule = (store: Store, cell: Cell, due: number): void => {
  move(cell, "scheduled")
  cell.dueAt = due
  Timers.add(store.timers, due, { cell, ticket: cell.ticket })
}

// ---- ends ---------------------------------------------------------------------------------------------------------

export const succeed = (store: Store, cell: Cell, value: Payload | undefined, now: number): void => {
  cell.value = value
  end(store, cell, "succeeded", now)
}

export const fail = (store: Store, cell: Cell, failed: Failed, now: number): void => {
  cell.failed = failed
  end(store, cell, "failed", now)
}

const skip = (store: Store, cell: Cell, cause: Cell, now: number): void => {
  cell.cause = cause
  end(store, cell, "skipped", now)
}

export const end = (store: Store, cell: Cell, phase: End, now: number): void => {
  const run = cell.run
  move(cell, phase)
  run.open--
  if (store.watched) store.events.push({ _tag: "NodeEnded", run: run.id, at: now, node: addressOf(cell), state: phase })
  defer(store, run, { cell, next: 0 })
  if (cell.frame === run.root && cell.node.local === run.root.body.exit) decideRun(store, run, cell, now)
  // The decision may have closed the run, and that may have ended all the others and the run with them.
  if (run.open === 0 && run.state === "running") finish(store, run, now)
}

export const defer = (store: Store, run: Run, work: Deferred): void => {
  MutableList.append(run.worklist, work)
  store.deferred.add(run)
}

/** The outcome of a run by how its exit ended. */
export const decidedBy = (exit: Cell): RunEnd["state"] => {
  if (exit.phase === "succeeded") return "succeeded"
  return exit.phase === "failed" || exit.phase === "skipped" ? "failed" : "cancelled"
}

const decideRun = (store: Store, run: Run, exit: Cell, now: number): void => {
  run.decided = run.closing === "cancel" ? "cancelled" : decidedBy(exit)
  if (store.watched) store.events.push({ _tag: "RunDecided", run: run.id, at: now, state: run.decided })
  if (run.decided === "failed" && run.onFailure === "cancel") close(store, run, "failure", now)
}

/** No node of the run starts any more but cleanup. */
export const close = (store: Store, run: Run, reason: "cancel" | "failure", now: number): void => {
  if (run.closing === "cancel" || run.closing === reason) return
  run.closing = reason
  if (run.startAt !== undefined) start(store, run, now)
  for (const cell of active(run)) {
    if (cell.node.cleanup) continue
    if (cell.phase === "running") interrupt(store, cell)
    else end(store, cell, "cancelled", now)
  }
}

const interrupt = (store: Store, cell: Cell): void => {
  store.workers.get(cell.worker!)?.interrupts.add(cell.nonce)
  store.interrupted.add(cell.worker!)
}

/** What is ready, scheduled or running, the outermost first; collected because ending a cell may end the run. */
const active = (run: Run): Array<Cell> => {
  const cells: Array<Cell> = []
  const all: Array<Frame> = [run.root]
  // What is added meanwhile is visited, too.
  for (const frame of all) {
    for (const cell of frame.cells) {
      if (cell.phase === "ready" || cell.phase === "scheduled" || cell.phase === "running") cells.push(cell)
      if (cell.expansion !== undefined) for (const inner of cell.expansion.frames) all.push(inner)
    }
  }
  return cells
}

/** Lets the cells that wait for nothing go: at the start, and after a retry. */
export const start = (store: Store, run: Run, now: number): void => {
  run.startAt = undefined
  for (const cell of run.root.cells) evaluate(store, cell, now)
}

export const finish = (store: Store, run: Run, now: number): void => {
  const state = run.decided!
  run.state = state
  run.endedAt = now
  MutableList.clear(run.worklist)
  store.deferred.delete(run)
  MutableList.append(store.finished[state], { run, generation: run.generation })
  store.ended.push(run)
  if (store.watched) store.events.push({ _tag: "RunEnded", run: run.id, at: now, state })
}

// ---- propagation --------------------------------------------------------------------------------------------------

/** Handles deferred work of one run, at most `budget` edges and instances; returns what is left of the budget. */
export const advance = (store: Store, run: Run, now: number, budget: number): number => {
  while (budget > 0 && run.worklist.length > 0) {
    const work = MutableList.take(run.worklist) as Deferred
    const spent = "cell" in work ? propagate(store, work, now, budget) : release(store, work.expansion, now, budget)
    if (run.state !== "running") return budget
    budget -= Math.max(1, spent.edges)
    if (!spent.done) MutableList.prepend(run.worklist, work)
  }
  if (run.worklist.length === 0) store.deferred.delete(run)
  return budget
}

/** Continues what earlier transitions deferred. */
export const advanceDeferred = (store: Store, now: number, budget: number): number => {
  for (const run of store.deferred) {
    budget = advance(store, run, now, budget)
    if (budget <= 0) break
  }
  return budget
}

interface Spent {
  readonly edges: number
  readonly done: boolean
}

/** Resolves the outgoing edges of an ended cell, from `next` on. */
const propagate = (store: Store, work: { readonly cell: Cell; next: number }, now: number, budget: number): Spent => {
  const { cell } = work
  const { out, releases, exitOf } = cell.node
  const cells = cell.frame.cells
  // Before the collect's gate fires, so that its join counts the instances from the start.
  if (work.next === 0 && releases !== undefined) open(store, cell, now)
  const last = Math.min(out.length, work.next + budget)
  const first = work.next
  while (work.next < last) {
    const { edge, to, when } = out[work.next++]!
    const target = cells[to]!
    if (target.phase !== "blocked") continue
    resolve(store, target, edge, verdict(cell, when, target), now)
  }
  if (work.next < out.length) return { edges: last - first, done: false }
  if (exitOf !== undefined && cell.frame.expansion !== undefined) leave(store, cell, cell.frame.expansion, now)
  return { edges: last - first, done: true }
}

export const resolve = (store: Store, target: Cell, edge: number, said: Verdict, now: number): void => {
  if (edge >= 0) record(target, edge, said)
  else if (said === "fire") target.gated = false
  else if (said === "void" || said === "cancelled") return end(store, target, said, now)
  else return skip(store, target, said, now)
  evaluate(store, target, now)
}

// ---- instances ----------------------------------------------------------------------------------------------------

/** A fork (or the release after it) has ended: if well, its collect will wait for as many instances as there are elements. */
const open = (store: Store, cell: Cell, now: number): void => {
  const body = cell.node.releases!
  const collect = cell.frame.cells[body.collect]!
  // Instances that a retry kept wait for what they use from around them, which has ended, however this cell did.
  if (collect.expansion !== undefined) for (const frame of collect.expansion.frames) admit(store, frame, now)
  if (cell.phase !== "succeeded" || isEnd(collect.phase)) return
  if (collect.expansion === undefined) {
    if (isClosedFor(collect)) return end(store, collect, "cancelled", now)
    const elements = cell.frame.cells[body.fork]!.elements!
    collect.expansion = { body, frame: cell.frame, elements, frames: [], ended: 0, dropped: false }
    collect.pending = elements.length
  }
  defer(store, cell.run, { expansion: collect.expansion })
}

/** Makes instances, as many as the budget and the concurrency allow. */
const release = (store: Store, expansion: Expansion, now: number, budget: number): Spent => {
  const { body, elements, frame: around, frames } = expansion
  const collect = around.cells[body.collect]!
  // After a retry an instance that was kept may end before the release has: then it is the release that goes on.
  if (around.cells[body.release]!.phase !== "succeeded") return { edges: 0, done: true }
  let edges = 0
  while (!expansion.dropped && frames.length < elements.length && frames.length - expansion.ended < body.concurrency) {
    if (isEnd(collect.phase) || isClosedFor(collect)) {
      drop(store, expansion, collect, now)
      break
    }
    if (edges >= budget) return { edges, done: false }
    const index = frames.length
    const frame: Frame = { body, parent: around, expansion, index, item: elements[index]!, cells: [] }
    frames.push(frame)
    for (const node of body.nodes) frame.cells.push(makeCell(collect.run, frame, node))
    admit(store, frame, now)
    edges += body.nodes.length
  }
  return { edges, done: true }
}

/** Resolves the edges that come from around an instance, whose sources have all ended, and lets its cells go. */
const admit = (store: Store, frame: Frame, now: number): void => {
  for (const cell of frame.cells) {
    if (cell.phase !== "blocked") continue
    const { edges, gate } = cell.node
    for (let i = 0; i < edges.length; i++) {
      const edge = edges[i]!
      if (edge.local >= 0) continue
      const source = outer(cell, edge.from)
      if (isEnd(source.phase)) record(cell, i, verdict(source, edge.when, cell))
    }
    if (gate !== undefined && gate.local < 0)
      resolve(store, cell, -1, verdict(outer(cell, gate.from), gate.when, cell), now)
    else evaluate(store, cell, now)
  }
}

const outer = (cell: Cell, node: number): Cell => visible(cell.frame, cell.run.program.nodes[node]!)

/** An instance has ended: its collect counts it, and the next may come. */
const leave = (store: Store, exit: Cell, expansion: Expansion, now: number): void => {
  const collect = expansion.frame.cells[expansion.body.collect]!
  expansion.ended++
  if (collect.phase === "blocked") {
    record(collect, exit.frame.index, verdict(exit, "success", collect))
    evaluate(store, collect, now)
  }
  if (!expansion.dropped && expansion.frames.length < expansion.elements.length && exit.run.state === "running") {
    defer(store, exit.run, { expansion })
  }
}

/** The elements not released yet never will be. */
const drop = (store: Store, expansion: Expansion, collect: Cell, now: number): void => {
  expansion.dropped = true
  if (isEnd(collect.phase)) return
  collect.pending -= expansion.elements.length - expansion.frames.length
  collect.cancels++
  collect.death ??= "cancelled"
  evaluate(store, collect, now)
}

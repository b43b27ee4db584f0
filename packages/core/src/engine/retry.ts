/**
 * Opens the next generation of an ended run: what failed unhandled starts again, with everything downstream of it. A
 * failure that was handled, and what does not depend on the restarted nodes, stays as it is.
 *
 * 1. **Roots**: the exit if it did not succeed, and every failed, skipped or cancelled cell without outgoing edges.
 * 2. **Backward** from the roots over edges that died of a cause or of cancellation, into their sources; a source that
 *    succeeded is left alone.
 * 3. **Forward**: everything downstream by any edge, finalizers and handlers included: their input changes. With it what was
 *    cancelled and is needed for that: a cancellation is no outcome that a restarted cell could be given.
 * 4. **Reset**: edges from reset cells are unresolved again, the others keep what they said. The instances of a fork that
 *    is reset are discarded; of one that is kept they are kept, and elements once dropped may be released now.
 */
import type { Condition } from "../plan/Document.ts"
import type { Cell, Expansion, Frame, Run, Store } from "./Store.ts"
import { frames, visible } from "./Store.ts"
import type { Verdict } from "./advance.ts"
import { advance, decidedBy, defer, evaluate, finish, move, record, resolve, verdict } from "./advance.ts"

/** Retries an ended run: from what failed, and from `from` where one is given. */
export const retry = (store: Store, run: Run, from: Cell | undefined, now: number): void => {
  const reset = restartedCells(run, from)
  run.generation++
  run.state = "running"
  run.closing = undefined
  run.endedAt = undefined
  if (store.watched) store.events.push({ _tag: "RunStarted", run: run.id, at: now, generation: run.generation })
  for (const cell of [...reset]) if (reset.has(cell)) discardInstances(cell, reset)
  for (const cell of reset) clear(cell)
  const exit = run.root.cells[run.root.body.exit]!
  run.decided = reset.has(exit) ? undefined : decidedBy(exit)
  for (const cell of reset) replay(store, cell, reset)
  for (const cell of reset) {
    const gate = gateOf(cell)
    if (gate === undefined) evaluate(store, cell, now)
    else if (isKept(cell, gate.source, reset)) resolve(store, cell, -1, verdict(gate.source, gate.when, cell), now)
  }
  if (run.open === 0 && run.state === "running") finish(store, run, now)
  else advance(store, run, now, store.options.slice)
}

// ---- which cells start again ----------------------------------------------------------------------------------------

/** The cells a retry starts again; those of instances that will be discarded are among them. */
export const restartedCells = (run: Run, from: Cell | undefined): Set<Cell> => {
  const dependants = new Map<Cell, Array<Cell>>()
  for (const frame of frames(run)) {
    for (const cell of frame.cells) {
      for (const { source } of incoming(cell)) {
        const known = dependants.get(source)
        if (known === undefined) dependants.set(source, [cell])
        else known.push(cell)
      }
    }
  }
  const failed = reach(rootsOf(run, from, dependants), (cell) =>
    // What succeeded has what it needed: restarting a merge from a handler's value does not restart what failed.
    cell.phase === "succeeded" ? [] : sourcesSaying(cell, (said) => said !== "fire" && said !== "void")
  )
  return reach(failed, (cell) => [
    ...(dependants.get(cell) ?? []),
    ...sourcesSaying(cell, (said) => said === "cancelled")
  ])
}

const sourcesSaying = (cell: Cell, matches: (said: Verdict) => boolean): Array<Cell> =>
  incoming(cell)
    .filter(({ source, when }) => matches(verdict(source, when, cell)))
    .map(({ source }) => source)

const rootsOf = (run: Run, from: Cell | undefined, dependants: Map<Cell, Array<Cell>>): Array<Cell> => {
  const roots = from === undefined ? [] : [from]
  const exit = run.root.cells[run.root.body.exit]!
  for (const frame of frames(run)) {
    for (const cell of frame.cells) {
      if (cell.phase === "succeeded" || cell.phase === "void") continue
      if (cell === exit || !dependants.has(cell)) roots.push(cell)
    }
  }
  return roots
}

const reach = (from: Iterable<Cell>, next: (cell: Cell) => ReadonlyArray<Cell>): Set<Cell> => {
  const reached = new Set(from)
  // A set visits what is added while it is walked.
  for (const cell of reached) for (const neighbour of next(cell)) reached.add(neighbour)
  return reached
}

interface Incoming {
  readonly source: Cell
  readonly when: Condition
}

const gateOf = (cell: Cell): Incoming | undefined => {
  const { gate } = cell.node
  return gate === undefined ? undefined : { source: sourceOf(cell, gate.from), when: gate.when }
}

const sourceOf = (cell: Cell, node: number): Cell => visible(cell.frame, cell.run.program.nodes[node]!)

const incoming = (cell: Cell): Array<Incoming> => {
  const edges: Array<Incoming> = cell.node.edges.map((edge) => ({ source: sourceOf(cell, edge.from), when: edge.when }))
  const gate = gateOf(cell)
  if (gate !== undefined) edges.push(gate)
  if (cell.expansion !== undefined)
    for (const frame of cell.expansion.frames) edges.push({ source: exitOf(frame), when: "success" })
  return edges
}

const exitOf = (frame: Frame): Cell => frame.cells[frame.body.exit]!

// ---- reset ------------------------------------------------------------------------------------------------------------

/** A fork that starts again makes new instances. */
const discardInstances = (fork: Cell, reset: Set<Cell>): void => {
  if (fork.node.forks === undefined) return
  const collect = fork.frame.cells[fork.node.forks!.collect]!
  if (collect.expansion === undefined) return
  discard(collect.expansion, reset)
  collect.expansion = undefined
}

const discard = (expansion: Expansion, reset: Set<Cell>): void => {
  for (const frame of expansion.frames) {
    for (const cell of frame.cells) {
      reset.delete(cell)
      cell.run.tally[cell.node.index]![cell.phase]--
      if (cell.expansion !== undefined) discard(cell.expansion, reset)
    }
  }
}

/** Blocked again, nothing resolved. A fork keeps its elements: what decided them may not run again. */
const clear = (cell: Cell): void => {
  move(cell, "blocked")
  cell.run.open++
  cell.gated = cell.node.gate !== undefined
  cell.pending = cell.node.edges.length
  cell.from = -1
  cell.voids = 0
  cell.cancels = 0
  cell.death = undefined
  cell.deathEdge = -1
  cell.count = 0
  cell.value = undefined
  cell.failed = undefined
  cell.cause = undefined
  cell.tries = 0
  cell.lost = 0
  cell.nonce = ""
}

/** Resolves again the join edges whose sources are kept. */
const replay = (store: Store, cell: Cell, reset: ReadonlySet<Cell>): void => {
  cell.node.edges.forEach((edge, position) => {
    const source = sourceOf(cell, edge.from)
    if (isKept(cell, source, reset)) record(cell, position, verdict(source, edge.when, cell))
  })
  if (cell.node.collects !== undefined) replayInstances(store, cell, reset)
}

/** An edge from around an instance whose release starts again is resolved by that release, like a new instance's. */
const isKept = (cell: Cell, source: Cell, reset: ReadonlySet<Cell>): boolean =>
  !reset.has(source) && (source.frame === cell.frame || !reset.has(releaseOf(cell.frame)))

/** The cell whose success made the instance. */
const releaseOf = (frame: Frame): Cell => frame.expansion!.frame.cells[frame.body.release]!

const replayInstances = (store: Store, collect: Cell, reset: ReadonlySet<Cell>): void => {
  const body = collect.node.collects!
  const release = collect.frame.cells[body.release]!
  const fork = collect.frame.cells[body.fork]!
  if (reset.has(fork)) return
  if (collect.expansion === undefined) {
    if (release.phase !== "succeeded" || reset.has(release)) return
    collect.expansion = { body, frame: collect.frame, elements: fork.elements!, frames: [], ended: 0, dropped: false }
  }
  const { expansion } = collect
  expansion.dropped = false
  expansion.ended = 0
  collect.pending = expansion.elements.length
  for (const frame of expansion.frames) {
    const exit = exitOf(frame)
    if (reset.has(exit)) continue
    expansion.ended++
    record(collect, frame.index, verdict(exit, "success", collect))
  }
  if (!reset.has(release)) defer(store, collect.run, { expansion })
}

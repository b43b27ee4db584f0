/**
 * What the edges of a cell say by now, looked up at their sources: for who checks the counts that the engine keeps.
 */
import * as MutableList from "effect/MutableList"
import type { Condition } from "../plan/Document.ts"
import type { Cell, Expansion, Run } from "./Store.ts"
import { addressOf, isEnd } from "./Store.ts"
import type { Verdict } from "./advance.ts"

/** What an edge says by now. */
export type Said = Verdict | "unresolved"

/** What has ended and was not told yet, to everybody or to some. */
export class Deferrals {
  readonly #cells = new Map<Cell, number>()
  readonly #expansions = new Set<Expansion>()
  readonly isEmpty: boolean

  constructor(run: Run | undefined) {
    this.isEmpty = run === undefined || run.worklist.length === 0
    if (run === undefined || this.isEmpty) return
    for (const work of MutableList.toArray(run.worklist)) {
      if ("cell" in work) this.#cells.set(work.cell, work.next)
      else this.#expansions.add(work.expansion)
    }
  }

  /** The position of the first of its outgoing edges that was not told; undefined when all were. */
  next(cell: Cell): number | undefined {
    return this.isEmpty ? undefined : this.#cells.get(cell)
  }

  releases(expansion: Expansion): boolean {
    return this.#expansions.has(expansion)
  }
}

/** As if all ends had been told: for what can't have happened later. */
export const noDeferrals = new Deferrals(undefined)

/** Whether the source has ended and has told: its edge to `target`, its collect, or the instances it releases. */
export const isResolved = (
  source: Cell,
  told: { readonly target: number; readonly edge: number } | "leave" | "open",
  deferred: Deferrals
): boolean => {
  if (!isEnd(source.phase)) return false
  const next = deferred.next(source)
  if (next === undefined) return true
  if (told === "leave") return false
  if (told === "open") return next > 0
  return source.node.out.findIndex(({ edge, to }) => edge === told.edge && to === told.target) < next
}

/** What one edge of a cell says. One from around an instance says it when the instance is released. */
const saidBy = (cell: Cell, edge: number, deferred: Deferrals): Said => {
  const { from, local, when } = edge < 0 ? cell.node.gate! : cell.node.edges[edge]!
  if (local >= 0) {
    const source = cell.frame.cells[local]!
    return isResolved(source, { target: cell.node.local, edge }, deferred) ? sayingOf(source, when, cell) : "unresolved"
  }
  // What has started or ended has been told before; a retry may have taken back the release since.
  const release = cell.frame.expansion!.frame.cells[cell.frame.body.release]!
  if (deferred !== noDeferrals && !isResolved(release, "open", deferred)) return "unresolved"
  const node = cell.run.program.nodes[from]!
  let frame = cell.frame.parent!
  while (frame.body.index !== node.body) frame = frame.parent!
  const source = frame.cells[node.local]!
  return isEnd(source.phase) ? sayingOf(source, when, cell) : "unresolved"
}

/** What the end of a source means for an edge; the kernel's table again, so that it is there twice. */
const sayingOf = (source: Cell, when: Condition, target: Cell): Said => {
  const kind = typeof when === "string" ? when : "branch" in when ? "branch" : "failure"
  if (source.phase === "void") return "void"
  if (source.phase === "cancelled") return kind === "settled" && target.node.cleanup ? "fire" : "cancelled"
  if (kind === "settled") return "fire"
  if (source.phase === "succeeded") {
    if (kind === "success") return "fire"
    return typeof when === "object" && "branch" in when && when.branch === source.count ? "fire" : "void"
  }
  const cause = source.phase === "failed" ? source : source.cause!
  if (kind === "success") return cause
  if (typeof when === "string" || !("failure" in when)) return "void"
  const { declared, tag } = cause.failed!
  if (when.failure === "any" || (when.failure === "declared" && declared)) return "fire"
  return typeof when.failure === "object" && when.failure.includes(tag) ? "fire" : "void"
}

export const gateOf = (cell: Cell, deferred: Deferrals): Said | undefined =>
  cell.node.gate === undefined ? undefined : saidBy(cell, -1, deferred)

/** What the join is over: edges of the plan, or one for each element. Dropped elements say nothing. */
export const edgesOf = (cell: Cell, deferred: Deferrals): ReadonlyArray<Said> => {
  const { expansion } = cell
  if (expansion === undefined) return cell.node.edges.map((_, edge) => saidBy(cell, edge, deferred))
  const said = expansion.frames.map((frame): Said => {
    const exit = frame.cells[expansion.body.exit]!
    return isResolved(exit, "leave", deferred) ? sayingOf(exit, "success", cell) : "unresolved"
  })
  if (!expansion.dropped) for (let i = said.length; i < expansion.elements.length; i++) said.push("unresolved")
  return said
}

/** How many edges say what. */
export const count = (
  edges: ReadonlyArray<Said>
): { readonly [S in "fire" | "void" | "cancelled" | "unresolved" | "failed"]: number } => {
  const counts = { fire: 0, void: 0, cancelled: 0, unresolved: 0, failed: 0 }
  for (const said of edges) counts[typeof said === "string" ? said : "failed"]++
  return counts
}

const isDeath = (said: Said): said is Cell | "cancelled" => said === "cancelled" || typeof said === "object"

/** What the join dies of if it does: the first death for `all`, the last cause for `any`. */
export const deathOf = (cell: Cell, edges: ReadonlyArray<Said>): Cell | "cancelled" | undefined =>
  cell.node.node.join === "all" ? edges.find(isDeath) : edges.findLast((said) => typeof said === "object")

/** Whether the join has nothing to say yet. */
export const waits = (cell: Cell, said: ReturnType<typeof count>): boolean => {
  switch (cell.node.node.join) {
    case "all":
      return said.unresolved > 0 && said.void + said.cancelled + said.failed === 0
    case "any":
      return said.unresolved > 0 && said.fire === 0
    case "settled":
      return said.unresolved > 0
  }
}

/** Whether the join may have said void. */
export const isVoid = (cell: Cell, edges: ReadonlyArray<Said>): boolean =>
  cell.node.node.join === "all" ? edges.includes("void") : edges.every((said) => said === "void")

export const inWords = (said: Said | undefined): string => {
  if (said === undefined) return "is not there"
  if (typeof said === "object") return `died of ${addressOf(said)}`
  return {
    fire: "fired",
    void: "died of a branch not taken",
    cancelled: "died of cancellation",
    unresolved: "is not resolved"
  }[said]
}

/**
 * Which line of a drawing on rails each node gets, and which lane on it.
 */
import type { Adjacency, EdgeStyle, Picture } from "./Picture.ts"

/** How many of the nodes that could come next are weighed; more would make long orders quadratic. */
const window = 48

/**
 * An order that keeps few rails open: of the nodes whose sources are drawn, first the one that ends most rails, then
 * the one that became possible last, so that a chain stays together.
 */
export const order = (picture: Picture, { into, out }: Adjacency): ReadonlyArray<number> => {
  const waiting = into.map((edges) => edges.length)
  const readers = out.map((edges) => edges.length)
  const ready: Array<number> = []
  for (let index = picture.nodes.length - 1; index >= 0; index--) if (waiting[index] === 0) ready.push(index)
  const result: Array<number> = []
  while (ready.length > 0) {
    let best = ready.length - 1
    let most = Number.NEGATIVE_INFINITY
    for (let at = ready.length - 1; at >= Math.max(0, ready.length - window); at--) {
      const index = ready[at]!
      const ends = into[index]!.filter((edge) => readers[edge.from] === 1).length
      const gain = ends - (out[index]!.length > 0 ? 1 : 0)
      if (gain > most) [best, most] = [at, gain]
    }
    const [index] = ready.splice(best, 1) as [number]
    result.push(index)
    for (const edge of into[index]!) readers[edge.from]!--
    const freed = out[index]!.map((edge) => edge.to).filter((to) => --waiting[to]! === 0)
    for (const next of freed.reverse()) ready.push(next)
  }
  return result
}

/** Where a node went: its lane, which lanes its wire joins, and which lanes hold a rail before and after it. */
export interface Placed {
  readonly lane: number
  readonly joined: ReadonlySet<number>
  readonly before: ReadonlyArray<boolean>
  readonly after: ReadonlyArray<boolean>
  readonly into: Adjacency["into"][number]
  readonly style: EdgeStyle
}

/** The lanes while nodes are placed one by one. */
export class Lanes {
  /** By lane: the node whose rail it holds. */
  readonly #lanes: Array<number | undefined> = []
  readonly #laneOf = new Map<number, number>()
  readonly #unread: Array<number>
  readonly #edges: Adjacency
  /** The lane of the node above, and the node. */
  #above: { readonly lane: number; readonly node: number } | undefined

  constructor(picture: Picture, edges: Adjacency) {
    this.#edges = edges
    this.#unread = picture.nodes.map((_, index) => edges.out[index]!.length)
  }

  place(index: number): Placed {
    const into = this.#edges.into[index]!
    const before = this.#lanes.map((node) => node !== undefined)
    const joined = new Set(into.map((edge) => this.#laneOf.get(edge.from)!))
    const free: Array<number> = []
    for (const edge of into) {
      if (--this.#unread[edge.from]! > 0) continue
      const lane = this.#laneOf.get(edge.from)!
      this.#lanes[lane] = undefined
      free.push(lane)
    }
    const lane = this.#choose(joined, free)
    // A rail that goes straight into the node needs no wire.
    if (free.includes(lane)) joined.delete(lane)
    const reads = this.#edges.out[index]!.length > 0
    this.#lanes[lane] = reads ? index : undefined
    if (reads) this.#laneOf.set(index, lane)
    this.#above = { lane, node: index }
    while (this.#lanes.length > 0 && this.#lanes.at(-1) === undefined) this.#lanes.pop()
    const after = this.#lanes.map((node) => node !== undefined)
    const [style = "success", ...others] = new Set(into.map((edge) => edge.style))
    return { lane, joined, before, after, into, style: others.length === 0 ? style : "success" }
  }

  /** A lane that ends here, the leftmost; else a free one, right of what it reads where there is one. */
  #choose(joined: ReadonlySet<number>, free: ReadonlyArray<number>): number {
    const above = this.#above?.lane
    const leftmost = Math.min(...joined)
    const taken = free.filter((lane) => lane !== above || lane === leftmost).sort((a, b) => a - b)[0]
    if (taken !== undefined) return taken
    const reserved = new Set(free)
    const start = joined.size === 0 ? 0 : leftmost + 1
    for (let lane = start; ; lane++) {
      if (this.#lanes[lane] !== undefined || reserved.has(lane)) continue
      // Without a wire it would look like a reader of the node above.
      if (joined.size === 0 && lane === above) continue
      return lane
    }
  }
}

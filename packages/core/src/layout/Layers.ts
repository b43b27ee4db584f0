/**
 * The layers of a drawing: every node in one, all edges downwards, and few of them crossing.
 *
 * An edge over several layers becomes a chain of bends, one in each layer between. Edges of one source share their
 * bends as long as they go the same way, and so do edges of sources that lead to the very same readers: the drawing
 * then shows one line that forks and joins, not a bundle.
 */
import { generations } from "./Generations.ts"
import { adjacency, remembered } from "./Picture.ts"
import type { EdgeStyle, Picture } from "./Picture.ts"

/** A node in its layer, or a bend of a line that passes through. */
interface Vertex {
  readonly layer: number
  /** Position in the picture; nothing for a bend. */
  readonly node: number | undefined
}

/** One line between two neighbouring layers: all its sources lead to all its targets. */
export interface Net {
  /** The layer of the sources. */
  readonly layer: number
  readonly style: EdgeStyle
  readonly sources: ReadonlyArray<number>
  readonly targets: ReadonlyArray<number>
}

export interface Layers {
  readonly vertices: ReadonlyArray<Vertex>
  readonly nets: ReadonlyArray<Net>
  /** Vertices by layer, in their order across. */
  readonly order: ReadonlyArray<ReadonlyArray<number>>
}

/** More vertices than this make no drawing that helps. */
const limit = 400

/** Nothing for a picture that is too large. */
export const make = remembered((picture: Picture): Layers | undefined => {
  if (picture.nodes.length > limit) return undefined
  const bends = route(picture, assign(picture))
  if (bends === undefined) return undefined
  const nets = join(bends.vertices, bends.segments)
  return { vertices: bends.vertices, nets, order: arrange(bends.vertices, bends.segments) }
})

/** Longest paths from the sources; then what has more readers than sources moves down to its first reader. */
const assign = (picture: Picture): ReadonlyArray<number> => {
  const { into, out } = adjacency(picture)
  const layer = [...generations(picture)]
  const later = picture.nodes.map((_, index) => index).sort((a, b) => layer[b]! - layer[a]!)
  for (const index of later) {
    const readers = out[index]!
    if (readers.length === 0 || into[index]!.length > readers.length - 1) continue
    if (into[index]!.length > 0 && readers.length < 2) continue
    layer[index] = Math.max(layer[index]!, Math.min(...readers.map((edge) => layer[edge.to]!)) - 1)
  }
  return layer
}

interface Segment {
  readonly from: number
  readonly to: number
  readonly style: EdgeStyle
}

/** Cuts edges into segments of one layer each. */
const route = (picture: Picture, layer: ReadonlyArray<number>) => {
  const vertices: Array<Vertex> = picture.nodes.map((_, node) => ({ layer: layer[node]!, node }))
  const segments: Array<Segment> = []
  const last = Math.max(-1, ...layer)
  // What still has to be reached from a vertex of the current layer, by style.
  let open = new Map<number, Map<EdgeStyle, Array<number>>>()
  const { out } = adjacency(picture)
  for (let at = 0; at <= last; at++) {
    vertices.forEach((vertex, index) => {
      if (vertex.layer !== at || vertex.node === undefined) return
      const byStyle = new Map<EdgeStyle, Array<number>>()
      for (const edge of out[vertex.node]!) byStyle.set(edge.style, [...(byStyle.get(edge.style) ?? []), edge.to])
      open.set(index, byStyle)
    })
    const next: typeof open = new Map()
    const bends = new Map<string, number>()
    for (const [from, byStyle] of [...open].sort(([a], [b]) => a - b)) {
      for (const [style, targets] of byStyle) {
        const rest = targets.filter((to) => layer[to]! > at + 1)
        for (const to of targets) if (layer[to] === at + 1) segments.push({ from, to, style })
        if (rest.length === 0) continue
        const key = `${style} ${targets.join(" ")}`
        let bend = bends.get(key)
        if (bend === undefined) {
          bend = vertices.length
          bends.set(key, bend)
          vertices.push({ layer: at + 1, node: undefined })
          next.set(bend, new Map([[style, rest]]))
        }
        segments.push({ from, to: bend, style })
      }
    }
    if (vertices.length > limit) return undefined
    open = next
  }
  return { vertices, segments }
}

/**
 * Segments that may be one line without saying anything wrong: those of sources with the same targets, or of targets
 * with the same sources, whichever is easier to read. A bend has one line on either side.
 */
const join = (vertices: ReadonlyArray<Vertex>, segments: ReadonlyArray<Segment>): ReadonlyArray<Net> => {
  const nets: Array<Net> = []
  for (const component of components(segments)) {
    const bySource = gather(component, "from", "to")
    const byTarget = gather(component, "to", "from")
    const lines = new Map<number, number>()
    for (const { others } of byTarget) for (const source of others) lines.set(source, (lines.get(source) ?? 0) + 1)
    const split = [...lines].some(([source, count]) => count > 1 && vertices[source]!.node === undefined)
    const { style } = component[0]!
    const layer = vertices[component[0]!.from]!.layer
    if (split || weight(bySource) <= weight(byTarget)) {
      for (const { group, others } of bySource) nets.push({ layer, style, sources: group, targets: others })
    } else for (const { group, others } of byTarget) nets.push({ layer, style, sources: others, targets: group })
  }
  return nets
}

type Groups = ReadonlyArray<{ readonly group: ReadonlyArray<number>; readonly others: ReadonlyArray<number> }>

/** How much there is to see: a line counts one, and so does the second port of a vertex; more ports are worse. */
const weight = (groups: Groups): number => {
  const ports = new Map<number, number>()
  for (const { others } of groups) for (const vertex of others) ports.set(vertex, (ports.get(vertex) ?? 0) + 1)
  return [...ports.values()].reduce((sum, count) => sum + (count - 1) ** 2, groups.length)
}

/** Groups the vertices at one end that have the same ones at the other. */
const gather = (segments: ReadonlyArray<Segment>, end: "from" | "to", other: "from" | "to") => {
  const others = new Map<number, Array<number>>()
  for (const segment of segments) {
    others.set(
      segment[end],
      [...(others.get(segment[end]) ?? []), segment[other]].sort((a, b) => a - b)
    )
  }
  const groups = new Map<string, { group: Array<number>; others: Array<number> }>()
  for (const [vertex, list] of others) {
    const key = list.join(" ")
    const known = groups.get(key)
    if (known === undefined) groups.set(key, { group: [vertex], others: list })
    else known.group.push(vertex)
  }
  return [...groups.values()]
}

/** Segments that hang together, style by style. */
const components = (segments: ReadonlyArray<Segment>): ReadonlyArray<ReadonlyArray<Segment>> => {
  const leader = new Map<string, string>()
  const find = (key: string): string => {
    let at = key
    for (let up = leader.get(at); up !== undefined && up !== at; up = leader.get(at)) at = up
    leader.set(key, at)
    return at
  }
  const ends = ({ from, to, style }: Segment) => [`${style} from ${from}`, `${style} to ${to}`] as const
  for (const segment of segments) {
    const [from, to] = ends(segment)
    leader.set(find(from), find(to))
  }
  const result = new Map<string, Array<Segment>>()
  for (const segment of segments) {
    const root = find(ends(segment)[0])
    result.set(root, [...(result.get(root) ?? []), segment])
  }
  return [...result.values()]
}

/** Orders each layer: sweeps by the mean place of the neighbours, then swaps of neighbours, the best of all kept. */
const arrange = (vertices: ReadonlyArray<Vertex>, segments: ReadonlyArray<Segment>) => {
  const up = vertices.map((): Array<number> => [])
  const down = vertices.map((): Array<number> => [])
  for (const { from, to } of segments) {
    down[from]!.push(to)
    up[to]!.push(from)
  }
  const order = initial(vertices, down)
  let best = order.map((layer) => [...layer])
  let fewest = crossings(order, down)
  for (let round = 0; round < 16 && fewest > 0; round++) {
    const downwards = round % 2 === 0
    const neighbours = downwards ? up : down
    const layers = order.map((_, at) => (downwards ? at : order.length - 1 - at))
    for (const at of layers) order[at] = byMean(order[at]!, neighbours, places(order))
    swap(order, up, down)
    const now = crossings(order, down)
    if (now < fewest) [best, fewest] = [order.map((layer) => [...layer]), now]
  }
  return best
}

/** Depth first from the sources in the order of the plan, so that what belongs together begins side by side. */
const initial = (vertices: ReadonlyArray<Vertex>, down: ReadonlyArray<ReadonlyArray<number>>) => {
  const layers = Math.max(-1, ...vertices.map((vertex) => vertex.layer)) + 1
  const order = Array.from({ length: layers }, (): Array<number> => [])
  const seen = new Set<number>()
  const roots = vertices.map((_, index) => index).sort((a, b) => vertices[a]!.layer - vertices[b]!.layer || a - b)
  for (const root of roots) {
    const stack = [root]
    while (stack.length > 0) {
      const index = stack.pop()!
      if (seen.has(index)) continue
      seen.add(index)
      order[vertices[index]!.layer]!.push(index)
      stack.push(...[...down[index]!].sort((a, b) => b - a))
    }
  }
  return order
}

const places = (order: ReadonlyArray<ReadonlyArray<number>>): ReadonlyMap<number, number> => {
  const result = new Map<number, number>()
  for (const layer of order) layer.forEach((vertex, at) => result.set(vertex, at))
  return result
}

/** Vertices without neighbours keep their place. */
const byMean = (
  layer: ReadonlyArray<number>,
  neighbours: ReadonlyArray<ReadonlyArray<number>>,
  place: ReadonlyMap<number, number>
): Array<number> => {
  const mean = new Map<number, number>()
  for (const vertex of layer) {
    const around = neighbours[vertex]!
    if (around.length > 0) mean.set(vertex, around.reduce((sum, next) => sum + place.get(next)!, 0) / around.length)
  }
  const moved = layer.filter((vertex) => mean.has(vertex)).sort((a, b) => mean.get(a)! - mean.get(b)!)
  return layer.map((vertex) => (mean.has(vertex) ? moved.shift()! : vertex))
}

/** Swaps neighbours in a layer while that takes crossings away. */
const swap = (
  order: Array<Array<number>>,
  up: ReadonlyArray<ReadonlyArray<number>>,
  down: ReadonlyArray<ReadonlyArray<number>>
) => {
  for (let round = 0, better = true; better && round < 8; round++) {
    better = false
    const place = places(order)
    for (const layer of order) {
      for (let at = 0; at + 1 < layer.length; at++) {
        const [left, right] = [layer[at]!, layer[at + 1]!]
        const between = (a: number, b: number) => pairs(up[a]!, up[b]!, place) + pairs(down[a]!, down[b]!, place)
        if (between(right, left) >= between(left, right)) continue
        layer[at] = right
        layer[at + 1] = left
        better = true
      }
    }
  }
}

/** Crossings of the lines of two vertices, the first one on the left. */
const pairs = (left: ReadonlyArray<number>, right: ReadonlyArray<number>, place: ReadonlyMap<number, number>) => {
  let count = 0
  for (const a of left) for (const b of right) if (place.get(a)! > place.get(b)!) count++
  return count
}

const crossings = (order: ReadonlyArray<ReadonlyArray<number>>, down: ReadonlyArray<ReadonlyArray<number>>) => {
  const place = places(order)
  let count = 0
  for (const layer of order) {
    for (let a = 0; a < layer.length; a++) {
      for (let b = a + 1; b < layer.length; b++) count += pairs(down[layer[a]!]!, down[layer[b]!]!, place)
    }
  }
  return count
}

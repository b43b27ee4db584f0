/**
 * The lines between two layers: each leaves its sources, runs across on a track of its own, and goes on to its targets.
 *
 * Where a line leaves or enters a box is a port. Two lines with a port in the same column must not lie on each other, so
 * the one that leaves there takes the earlier track; where lines ask that of each other in a circle, one of them
 * changes its track half-way, in a column nobody uses. Among the orders that are left, one with few crossings is taken.
 */
import type { Layers, Net } from "./Layers.ts"
import { after, before } from "./Places.ts"
import type { EdgeStyle } from "./Picture.ts"

/** A line through the space between two layers. Across: cells like places; along: tracks. */
export interface Route {
  /** The net it belongs to; pieces of one line share it. */
  readonly net: number
  readonly style: EdgeStyle
  readonly sources: ReadonlyArray<number>
  readonly targets: ReadonlyArray<number>
  /** The earlier piece of the same line that it goes on from. */
  readonly continues: Route | undefined
  /** Nothing where the line is straight. */
  track: number | undefined
}

export interface Ports {
  /** By net and vertex: the cell across. */
  readonly source: ReadonlyArray<ReadonlyMap<number, number>>
  readonly target: ReadonlyArray<ReadonlyMap<number, number>>
}

/** How many lines leave or enter each vertex, whichever is more. */
export const lines = ({ vertices, nets }: Layers): ReadonlyArray<number> => {
  const leaving = new Array<number>(vertices.length).fill(0)
  const entering = new Array<number>(vertices.length).fill(0)
  for (const net of nets) {
    for (const vertex of net.sources) leaving[vertex]!++
    for (const vertex of net.targets) entering[vertex]!++
  }
  return vertices.map((_, vertex) => Math.max(leaving[vertex]!, entering[vertex]!))
}

/** Ports in the middle of their boxes, or spread over them; moved a little where that makes a line straight. */
export const ports = (
  layers: Layers,
  places: ReadonlyArray<number>,
  breadth: ReadonlyArray<number>,
  spread: number
): Ports => {
  const { vertices, nets } = layers
  const source = nets.map(() => new Map<number, number>())
  const target = nets.map(() => new Map<number, number>())
  const side = (ends: (net: Net) => ReadonlyArray<number>, far: (net: Net) => ReadonlyArray<number>) => {
    const at = vertices.map((): Array<number> => [])
    nets.forEach((net, index) => ends(net).forEach((vertex) => at[vertex]!.push(index)))
    const mean = (net: number) => {
      const others = far(nets[net]!)
      return others.reduce((sum, vertex) => sum + places[vertex]!, 0) / others.length
    }
    return at.map((list) => list.sort((a, b) => mean(a) - mean(b)))
  }
  const leaving = side(
    (net) => net.sources,
    (net) => net.targets
  )
  const entering = side(
    (net) => net.targets,
    (net) => net.sources
  )
  const put = (at: ReadonlyArray<ReadonlyArray<number>>, into: ReadonlyArray<Map<number, number>>) =>
    at.forEach((list, vertex) => {
      const step =
        list.length < 2 ? 0 : Math.max(1, Math.min(spread, Math.floor((breadth[vertex]! - 3) / (list.length - 1))))
      const first = places[vertex]! - Math.floor(((list.length - 1) * step) / 2)
      list.forEach((net, index) => into[net]!.set(vertex, first + index * step))
    })
  put(leaving, source)
  put(entering, target)
  const movable = (vertex: number, list: ReadonlyArray<number>, to: number) =>
    vertices[vertex]!.node !== undefined &&
    list.length === 1 &&
    to > places[vertex]! - before(breadth[vertex]!) &&
    to < places[vertex]! + after(breadth[vertex]!)
  nets.forEach((net, index) => {
    for (const from of net.sources) {
      for (const to of net.targets) {
        const [a, b] = [source[index]!.get(from)!, target[index]!.get(to)!]
        const only = net.sources.length === 1 && net.targets.length === 1
        if (a === b || Math.abs(a - b) > (only ? 4 : 1)) continue
        if (movable(to, entering[to]!, a)) target[index]!.set(to, a)
        else if (only && movable(from, leaving[from]!, b)) source[index]!.set(from, b)
      }
    }
  })
  return { source, target }
}

/** The lines after one layer with their tracks; tracks are numbered from 0. */
export const routes = (layers: Layers, ports: Ports, layer: number): ReadonlyArray<Route> => {
  const whole: Array<Route> = []
  layers.nets.forEach((net, index) => {
    if (net.layer !== layer) return
    const sources = net.sources.map((vertex) => ports.source[index]!.get(vertex)!)
    const targets = net.targets.map((vertex) => ports.target[index]!.get(vertex)!)
    whole.push({ net: index, style: net.style, sources, targets, continues: undefined, track: undefined })
  })
  const straight = whole.filter((route) => new Set([...route.sources, ...route.targets]).size === 1)
  const taken = new Set(whole.flatMap((route) => [...route.sources, ...route.targets]))
  const sorted = sort(
    whole.filter((route) => !straight.includes(route)),
    taken
  )
  const placed: Array<Route> = []
  for (const route of sorted) {
    const least = placed.filter((other) => mustPrecede(other, route) || overlap(other, route))
    route.track = Math.max(-1, ...least.map((other) => other.track!)) + 1
    placed.push(route)
  }
  return [...straight, ...placed]
}

const span = (route: Route): readonly [number, number] => {
  const cells = [...route.sources, ...route.targets]
  return [Math.min(...cells), Math.max(...cells)]
}

const overlap = (a: Route, b: Route): boolean => {
  const [from, to] = span(a)
  const [start, end] = span(b)
  return from <= end + 1 && start <= to + 1
}

/** Whether `a` needs the earlier track: it leaves where `b` arrives, or `b` goes on from it. */
const mustPrecede = (a: Route, b: Route): boolean =>
  a.net === b.net ? b.continues === a : a.sources.some((cell) => b.targets.includes(cell))

/** Crossings if `a` has the earlier track. */
const cost = (a: Route, b: Route): number => {
  const [from, to] = span(a)
  const [start, end] = span(b)
  const passing = b.sources.filter((cell) => cell >= from && cell <= to).length
  return passing + a.targets.filter((cell) => cell >= start && cell <= end).length
}

/** An order of tracks: whatever must come first, then what crosses least when it comes now. */
const sort = (routes: ReadonlyArray<Route>, taken: Set<number>): ReadonlyArray<Route> => {
  const left = [...routes]
  const result: Array<Route> = []
  while (left.length > 0) {
    const free = left.filter((route) => left.every((other) => other === route || !mustPrecede(other, route)))
    if (free.length === 0) {
      // The second piece of a line leaves where nobody arrives, so it is in no circle: whole lines are split, once each.
      const blocked = left.find((route) => route.continues === undefined && late(route, left).length > 0)!
      left.splice(left.indexOf(blocked), 1, ...split(blocked, left, taken))
      continue
    }
    const price = (route: Route) =>
      left.reduce((sum, other) => (other === route ? sum : sum + cost(route, other) - cost(other, route)), 0)
    const next = free.reduce((best, route) => (price(route) < price(best) ? route : best))
    left.splice(left.indexOf(next), 1)
    result.push(next)
  }
  return result
}

/** Where the line arrives and others leave. */
const late = (route: Route, others: ReadonlyArray<Route>): ReadonlyArray<number> =>
  route.targets.filter((cell) => others.some((other) => other.net !== route.net && other.sources.includes(cell)))

/** Two pieces instead of a line that waits for others: the first has no target where another one leaves. */
const split = (route: Route, others: ReadonlyArray<Route>, taken: Set<number>): readonly [Route, Route] => {
  const targets = late(route, others)
  const middle = Math.round(targets.reduce((sum, cell) => sum + cell, 0) / targets.length)
  let column = middle
  for (let distance = 1; taken.has(column); distance++) {
    column = [middle + distance, middle - distance].find((cell) => cell >= 0 && !taken.has(cell)) ?? column
  }
  taken.add(column)
  const first: Route = { ...route, targets: [...route.targets.filter((cell) => !targets.includes(cell)), column] }
  return [first, { ...route, sources: [column], targets, continues: first }]
}

/**
 * Where the vertices of a layered drawing stand across their layers: as near as their order allows to the middle of what
 * they are connected with, so that chains are straight and a source stands over the middle of its readers.
 */
import type { Layers } from "./Layers.ts"

interface Wish {
  readonly at: number
  readonly weight: number
}

const rounds = 14

/** The middle of every vertex, in cells; the leftmost cell taken is 0. */
export const places = (
  layers: Layers,
  breadth: ReadonlyArray<number>,
  gap: (left: number, right: number) => number
): ReadonlyArray<number> => {
  const { order, vertices, nets } = layers
  const up = vertices.map((): Array<number> => [])
  const down = vertices.map((): Array<number> => [])
  for (const net of nets) {
    for (const from of net.sources) {
      for (const to of net.targets) {
        down[from]!.push(to)
        up[to]!.push(from)
      }
    }
  }
  const apart = (left: number, right: number) => after(breadth[left]!) + before(breadth[right]!) + 1 + gap(left, right)
  const at = new Array<number>(vertices.length).fill(0)
  for (const layer of order) {
    layer.forEach((vertex, index) => {
      const left = layer[index - 1]
      at[vertex] = left === undefined ? before(breadth[vertex]!) : at[left]! + apart(left, vertex)
    })
  }
  const bend = (vertex: number) => vertices[vertex]!.node === undefined
  // A box stands by the boxes it is connected with; lines that pass go around, and stay straight where they can.
  const pull = (vertex: number, next: number) => (bend(next) ? (bend(vertex) ? 8 : 0.02) : 1)
  const wish = (vertex: number, around: ReadonlyArray<number>): Wish => {
    if (around.length === 0) return { at: at[vertex]!, weight: 0.01 }
    const weight = around.reduce((sum, next) => sum + pull(vertex, next), 0)
    const middle = around.reduce((sum, next) => sum + pull(vertex, next) * at[next]!, 0) / weight
    return { at: middle, weight: bend(vertex) ? 0.01 : weight < 1 ? 0.2 : 1 }
  }
  for (let round = 0; round < rounds; round++) {
    const downwards = round % 2 === 1
    const both = round >= rounds - 4
    for (const layer of downwards ? order : [...order].reverse()) {
      const wishes = layer.map((vertex) => {
        const one = downwards ? up[vertex]! : down[vertex]!
        return wish(vertex, both || one.length === 0 ? [...up[vertex]!, ...down[vertex]!] : one)
      })
      settle(layer, wishes, apart).forEach((place, index) => (at[layer[index]!] = place))
    }
  }
  for (const layer of order) {
    layer.forEach((vertex, index) => {
      const left = layer[index - 1]
      // What is connected with nothing stands beside its neighbour.
      if (left !== undefined && up[vertex]!.length + down[vertex]!.length === 0)
        at[vertex] = at[left]! + apart(left, vertex)
    })
  }
  straighten(layers, { at, down, apart })
  const least = Math.min(...vertices.map((_, vertex) => at[vertex]! - before(breadth[vertex]!)))
  return at.map((place) => place - least)
}

/** Cells of something so broad before its middle, and after it. */
export const before = (breadth: number): number => Math.floor((breadth - 1) / 2)
export const after = (breadth: number): number => breadth - 1 - before(breadth)

interface Standing {
  readonly at: Array<number>
  readonly down: ReadonlyArray<ReadonlyArray<number>>
  readonly apart: (left: number, right: number) => number
}

/** Puts the bends of a line one under the other, in the nearest column that is free in all their layers. */
const straighten = ({ order, vertices }: Layers, { at, down, apart }: Standing): void => {
  const isBend = (vertex: number) => vertices[vertex]!.node === undefined
  const index = new Map(order.flatMap((layer) => layer.map((vertex, place) => [vertex, place] as const)))
  const room = (vertex: number): readonly [number, number] => {
    const layer = order[vertices[vertex]!.layer]!
    const [left, right] = [layer[index.get(vertex)! - 1], layer[index.get(vertex)! + 1]]
    return [
      left === undefined ? Number.NEGATIVE_INFINITY : at[left]! + apart(left, vertex),
      right === undefined ? Number.POSITIVE_INFINITY : at[right]! - apart(vertex, right)
    ]
  }
  const done = new Set<number>()
  for (const first of order.flat()) {
    if (!isBend(first) || done.has(first)) continue
    const chain = [first]
    for (let next = down[first]!.find(isBend); next !== undefined; next = down[next]!.find(isBend)) {
      if (done.has(next)) break
      chain.push(next)
    }
    for (const bend of chain) done.add(bend)
    const rooms = chain.map(room)
    const from = Math.max(...rooms.map(([least]) => least))
    const to = Math.min(...rooms.map(([, most]) => most))
    if (from > to) continue
    const middle = Math.round(chain.reduce((sum, bend) => sum + at[bend]!, 0) / chain.length)
    for (const bend of chain) at[bend] = Math.min(Math.max(middle, from), to)
  }
}

/**
 * The places nearest to the wishes (by weighted squares) that keep order and distance: isotonic regression, by pooling
 * neighbours whose wishes collide.
 */
const settle = (
  layer: ReadonlyArray<number>,
  wishes: ReadonlyArray<Wish>,
  apart: (left: number, right: number) => number
): ReadonlyArray<number> => {
  const offsets: Array<number> = []
  layer.forEach((vertex, index) => {
    offsets.push(index === 0 ? 0 : offsets[index - 1]! + apart(layer[index - 1]!, vertex))
  })
  const pools: Array<{ sum: number; weight: number; size: number }> = []
  wishes.forEach(({ at, weight }, index) => {
    let pool = { sum: (at - offsets[index]!) * weight, weight, size: 1 }
    for (let last = pools.at(-1); last !== undefined && last.sum / last.weight > pool.sum / pool.weight;) {
      pool = { sum: pool.sum + last.sum, weight: pool.weight + last.weight, size: pool.size + last.size }
      pools.pop()
      last = pools.at(-1)
    }
    pools.push(pool)
  })
  // Rounded pool by pool, so that neighbours keep their distance to the cell.
  const bases = pools.flatMap(({ sum, weight, size }) => new Array<number>(size).fill(Math.round(sum / weight)))
  return bases.map((base, index) => base + offsets[index]!)
}

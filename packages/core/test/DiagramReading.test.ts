import * as Diagram from "@arpeggio/core/Diagram"
import { describe, expect, it } from "@effect/vitest"
import { readBoxes, readRails } from "./fixture/drawing.ts"
import { tasks } from "./fixture/shape.ts"
import { Random } from "./simulation/Random.ts"

/** A random graph: every node reads some of those before it. */
const graphOf = (seed: number) => {
  const random = new Random(seed)
  const density = random.next() * 0.5
  const ids = Array.from({ length: random.between(1, 16) }, (_, n) => `n${n}`)
  const rows = ids.map((id, at) => [id, ids.slice(0, at).filter(() => random.chance(density))] as const)
  const edges = rows.flatMap(([id, parents]) => parents.map((parent) => `${parent} ${id}`))
  return { plan: tasks(rows), ids, edges, width: random.between(60, 300) }
}

const seeds = Array.from({ length: 400 }, (_, seed) => seed)

describe("a drawing, read like a map", () => {
  it("in boxes has every step once, no line through a box, and exactly the edges of the plan", () => {
    let fitting = 0
    for (const seed of seeds) {
      const { plan, ids, edges, width } = graphOf(seed)
      const drawing = Diagram.text(plan, { style: "boxes", width })
      if (!drawing.includes("╭")) continue
      fitting++
      const read = readBoxes(drawing)
      const message = `seed ${seed}\n${drawing}`
      expect(read.faults, message).toEqual([])
      expect([...read.labels].sort(), message).toEqual([...ids].sort())
      expect([...read.edges].sort(), message).toEqual([...edges].sort())
      expect(Math.max(...drawing.split("\n").map((line) => line.length)), message).toBeLessThanOrEqual(width)
    }
    expect(fitting).toBeGreaterThan(seeds.length * 0.9)
  })

  it("on rails has every step once and exactly the edges of the plan", () => {
    for (const seed of seeds) {
      const { plan, ids, edges } = graphOf(seed)
      const drawing = Diagram.text(plan, { style: "rails", width: 120 })
      const read = readRails(drawing)
      const message = `seed ${seed}\n${drawing}`
      expect(read.faults, message).toEqual([])
      expect([...read.labels].sort(), message).toEqual([...ids].sort())
      expect([...read.edges].sort(), message).toEqual([...edges].sort())
    }
  })
})

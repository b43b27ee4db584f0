import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as Copy from "./mutants/Copy.ts"
import { plant, root } from "./mutants/Mutant.ts"
import type { Mutant } from "./mutants/Mutant.ts"
import { plantedBugs } from "./mutants/plantedBugs.ts"
import * as Trial from "./mutants/Trial.ts"

/** A few that are found fast; `pnpm mutants` tries all of them. */
const sample = [
  "a report counts whatever its attempt",
  "a message that a run closes is forgotten when it overtakes the answer",
  "a worker that the broker has forgotten goes on until its next renewal"
]

let copy: Copy.Copy
beforeAll(() => {
  copy = Copy.make()
}, 120_000)
afterAll(() => copy.remove())

const named = (name: string): Mutant => plantedBugs.find((bug) => bug.name === name)!

describe("Planted bugs", () => {
  it("each have a name of their own, and a place that is there once", () => {
    expect(new Set(plantedBugs.map(({ name }) => name)).size).toBe(plantedBugs.length)
    for (const bug of plantedBugs) expect(plant(bug, root).includes(bug.replace)).toBe(true)
  })

  for (const name of sample) {
    it(`are found: ${name}`, async () => {
      expect(await Trial.attempt(copy, named(name))).toMatchObject({
        _tag: "Caught",
        by: expect.stringContaining(named(name).by.name)
      })
    })
  }

  it("are told from a change that changes nothing, a test that is not there, and what is no program", async () => {
    const bug = named("a report counts whatever its attempt")
    expect(await Trial.attempt(copy, { ...bug, replace: bug.find })).toEqual({ _tag: "Survived" })
    const nowhere = { ...bug.by, name: "nothing of this name" }
    expect(await Trial.attempt(copy, { ...bug, by: nowhere })).toEqual({ _tag: "Void", why: "no such test" })
    expect(await Trial.attempt(copy, { ...bug, replace: "and and" })).toMatchObject({ _tag: "Void" })
  })
})

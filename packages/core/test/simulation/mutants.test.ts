import { describe, expect, it } from "vitest"
import { load } from "./Mutant.ts"
import { plantedBugs } from "./plantedBugs.ts"
import * as Simulation from "./Simulation.ts"

/** Worlds of each kind that a planted bug may survive. */
const worlds = 2_000

describe("Simulation: planted bugs", () => {
  for (const bug of plantedBugs) {
    it(`finds out when ${bug.name}`, { timeout: 60_000 }, async () => {
      const engine = await load(bug)
      const report = Simulation.makeReport()
      let found: string | undefined
      for (let seed = 1; seed <= worlds && found === undefined; seed++) {
        found = Simulation.run(engine, "kernel", seed, report) ?? Simulation.run(engine, "flows", seed, report)
      }
      expect(found, `nothing was wrong in ${report.runs} runs`).toBeDefined()
    })
  }
})

import { describe, expect, it } from "vitest"
import { corpus } from "./corpus.ts"
import { modules } from "./Engine.ts"
import * as Simulation from "./Simulation.ts"

const runs = Number(process.env["ARPEGGIO_SIMULATED_RUNS"] ?? 50_000)

describe("Simulation: random plans of the kernel", () => {
  for (const { found, seed } of corpus.filter(({ kind }) => kind === "kernel")) {
    it(`${found} (seed ${seed})`, () => Simulation.check(modules, "kernel", seed, Simulation.makeReport()))
  }

  it(`${runs} runs end, with every invariant kept on the way`, { timeout: 600_000 }, () => {
    const { counts } = Simulation.runMany(modules, "kernel", 1, runs)
    // A simulation in which nothing goes wrong proves little.
    for (const fault of Simulation.faults) expect(counts.get(fault) ?? 0, fault).toBeGreaterThan(0)
  })
})

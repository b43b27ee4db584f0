/**
 * `pnpm simulate --kind kernel --seed 1 --runs 1000 --verbose`: runs worlds from a seed on until so many runs have ended.
 */
import { parseArgs } from "node:util"
import { modules } from "./Engine.ts"
import * as Simulation from "./Simulation.ts"

const { values } = parseArgs({
  options: {
    kind: { type: "string", default: "all" },
    seed: { type: "string", default: "1" },
    runs: { type: "string", default: "10000" },
    verbose: { type: "boolean", default: false }
  }
})

const kinds = values.kind === "all" ? Object.keys(Simulation.kinds) : [values.kind]
for (const kind of kinds) {
  const started = performance.now()
  try {
    if (values.verbose) {
      const trace: Array<string> = []
      const what = Simulation.run(modules, kind, Number(values.seed), Simulation.makeReport(), trace)
      console.log([...trace, what ?? "All is well."].join("\n"))
      if (what !== undefined) process.exitCode = 1
      continue
    }
    const report = Simulation.runMany(modules, kind, Number(values.seed), Number(values.runs))
    const seconds = (performance.now() - started) / 1_000
    console.log(`${kind}: ${report.runs} runs in ${report.worlds} worlds, ${seconds.toFixed(1)} s`)
    for (const [what, count] of [...report.counts].sort(([a], [b]) => a.localeCompare(b)))
      console.log(`  ${String(count).padStart(8)}  ${what}`)
  } catch (error) {
    if (!(error instanceof Simulation.Failed)) throw error
    console.error(error.message)
    process.exitCode = 1
  }
}

/**
 * `pnpm chaos --runs 2000 --minutes 6 --seed 1`: a long campaign with every kind of fault, and its report.
 * Exits with 1 when the promise was broken, or when a kind of fault never hit.
 */
import { parseArgs } from "node:util"
import * as Campaign from "./Campaign.ts"
import * as Report from "./Report.ts"

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "2000" },
    minutes: { type: "string", default: "6" },
    seed: { type: "string", default: "1" },
    workers: { type: "string", default: "4" },
    orchestrators: { type: "string", default: "2" },
    lease: { type: "string", default: "2000" },
    quiet: { type: "boolean", default: false }
  }
})

const minutes = Number(values.minutes)
const perMinute = (count: number) => Math.ceil(count * minutes)

const outcome = await Campaign.run({
  seed: Number(values.seed),
  runs: Number(values.runs),
  poisons: Math.ceil(minutes / 3),
  window: minutes * 60_000,
  patience: 120_000,
  workers: Number(values.workers),
  orchestrators: Number(values.orchestrators),
  concurrency: 8,
  lease: Number(values.lease),
  dose: {
    "worker killed": perMinute(11),
    "worker frozen longer than its lease": perMinute(3.8),
    "worker stopped": perMinute(3),
    "orchestrator killed": perMinute(3.4),
    "store killed and restarted": perMinute(1.7),
    "store frozen": perMinute(1),
    "memory full": perMinute(1),
    "functions flushed": perMinute(10),
    "clients killed": perMinute(3),
    "connections cut": perMinute(10),
    "replies dropped": perMinute(12),
    "network silent": perMinute(2),
    "network slow": perMinute(3)
  },
  log: (line) => {
    if (!values.quiet) console.log(line)
  }
})

console.log(Report.table(outcome))
const idle = Report.idleFaults(outcome)
for (const violation of outcome.violations.slice(0, 50)) console.log(`BROKEN  ${violation}`)
for (const fault of idle) console.log(`NEVER HIT  ${fault}`)
if (outcome.violations.length > 0) console.log(outcome.complaints.slice(-40).join("\n"))
process.exitCode = outcome.violations.length + idle.length > 0 ? 1 : 0

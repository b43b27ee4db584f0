/**
 * `pnpm chaos --runs 2000 --minutes 6 --seed 1`: a long campaign with every kind of fault, and its report.
 * Exits with 1 when the promise was broken, or when a kind of fault never hit.
 */
import { parseArgs } from "node:util"
import * as Campaign from "./Campaign.ts"
import type { Dose } from "./Nemesis.ts"
import * as Report from "./Report.ts"
import * as Store from "./Store.ts"

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "2000" },
    minutes: { type: "string", default: "6" },
    seed: { type: "string", default: "1" },
    workers: { type: "string", default: "4" },
    orchestrators: { type: "string", default: "2" },
    lease: { type: "string", default: "2000" },
    cluster: { type: "boolean", default: false },
    partitions: { type: "string", default: "1" },
    retention: { type: "string" },
    quiet: { type: "boolean", default: false }
  }
})

const { cluster, lease, minutes, orchestrators, partitions, retention, runs, seed, workers } = values
const perMinute = (count: number) => Math.ceil(count * Number(minutes))

/** What any store has to bear. */
const everywhere: Dose = {
  "worker killed": perMinute(11),
  "worker frozen longer than its lease": perMinute(3.8),
  "worker stopped": perMinute(3),
  "orchestrator killed": perMinute(3.4),
  "store killed and restarted": perMinute(1.7),
  "store frozen": perMinute(1),
  "memory full": perMinute(1),
  "functions flushed": perMinute(10),
  "clients killed": perMinute(3)
}
const dose: Dose = cluster
  ? { ...everywhere, "failed over without a loss": perMinute(2) }
  : {
      ...everywhere,
      "power lost": perMinute(1),
      "failed over to a stale replica": perMinute(1),
      "connections cut": perMinute(10),
      "replies dropped": perMinute(12),
      "network silent": perMinute(2),
      "network slow": perMinute(3)
    }

const command =
  `pnpm chaos --runs ${runs} --minutes ${minutes} --seed ${seed} --workers ${workers} ` +
  `--orchestrators ${orchestrators} --lease ${lease} --partitions ${partitions}` +
  `${retention === undefined ? "" : ` --retention ${retention}`}${cluster ? " --cluster" : ""}`
const log = (line: string) => {
  if (!values.quiet) console.log(line)
}

log(command)
log(
  `${Object.values(dose).reduce((total, count) => total + count, 0)} faults of ${Object.keys(dose).length} kinds to come`
)

// Whoever stops it is left nothing behind: at its exit, all it has started ends.
process.once("SIGINT", () => process.exit(130))
process.once("SIGTERM", () => process.exit(143))

const outcome = await Campaign.run({
  seed: Number(seed),
  runs: Number(runs),
  poisons: Math.ceil(Number(minutes) / 3),
  window: Number(minutes) * 60_000,
  patience: 120_000,
  workers: Number(workers),
  orchestrators: Number(orchestrators),
  concurrency: 8,
  lease: Number(lease),
  store: cluster ? Store.cluster : Store.alone,
  partitions: Number(partitions),
  retention: retention === undefined ? undefined : Number(retention),
  dose,
  log,
  progressEvery: 30_000
})

console.log(`\n${Report.table(outcome)}`)
const idle = Report.idleFaults(outcome)
const most = 50
for (const violation of outcome.violations.slice(0, most)) console.log(`BROKEN  ${violation}`)
if (outcome.violations.length > most) console.log(`BROKEN  and ${outcome.violations.length - most} more`)
for (const fault of idle) console.log(`NEVER HIT  ${fault}`)
if (outcome.violations.length > 0) {
  console.log(`\nWhat the processes complained of last:\n${outcome.complaints.slice(-40).join("\n")}`)
  console.log(`\nWhat they did, line by line: ${outcome.ledger}`)
  console.log(`\nWhen the store lost what it had confirmed:`)
  for (const loss of outcome.losses) console.log(`  ${JSON.stringify(loss)}`)
}
if (outcome.violations.length + idle.length > 0) {
  console.log(
    `\nThe same runs and faults at the same times, though never quite the same order of events:\n  ${command}`
  )
  process.exitCode = 1
}

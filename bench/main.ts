/**
 * `pnpm bench`: Arpeggio and its peers on the same Redis. Exit codes: 0 done; 1 something failed or gave a wrong result;
 * 2 wrong use; 130 interrupted.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { writeFileSync } from "node:fs"
import * as path from "node:path"
import * as Bench from "./Bench.ts"
import { BenchFailure } from "./Failure.ts"
import * as Page from "./Page.ts"
import type { Name } from "./Peer.ts"
import * as Peer from "./Peer.ts"
import * as Report from "./Report.ts"
import * as Table from "./Table.ts"
import type { Workload } from "./Workload.ts"
import { drainNoops, growth } from "./workloads/Drain.ts"
import { enqueue } from "./workloads/Enqueue.ts"
import { chains, chords, smallFlows } from "./workloads/Graphs.ts"
import { large } from "./workloads/Large.ts"
import { memory } from "./workloads/Memory.ts"
import { roundTrip } from "./workloads/RoundTrip.ts"

const everyday = [enqueue, drainNoops, chains, chords, smallFlows, roundTrip, memory, large]
const all: ReadonlyArray<Workload> = [...everyday, growth]

const listed = (text: string): ReadonlyArray<string> =>
  text.split(",").flatMap((name) => (name.trim() === "" ? [] : [name.trim()]))

const letters = all.map(({ id }) => id)

const workloads = Flag.String("workloads").pipe(
  Flag.withMetavar(everyday.map(({ id }) => id).join(",")),
  Flag.map((text) => listed(text.toUpperCase())),
  Flag.filter(
    (ids) => ids.length > 0 && ids.every((id) => letters.includes(id)),
    () => `Expected: some of ${letters.join(",")}`
  ),
  Flag.map((ids) => all.filter(({ id }) => ids.includes(id))),
  Flag.withDescription(
    `${all.map(({ id, title }) => `${id} ${title}`).join("; ")}. Costs per task from INFO (H) are part of each. Default: all but J, which takes long`
  ),
  Flag.withDefault(everyday)
)

const peers = Flag.String("peers").pipe(
  Flag.withMetavar(Peer.names.join(",")),
  Flag.map((text) => listed(text.toLowerCase())),
  Flag.filter(
    (names) => names.length > 0 && names.every((name) => Peer.names.includes(name as Name)),
    () => `Expected: some of ${Peer.names.join(",")}`
  ),
  Flag.map((names) => Peer.names.filter((name) => names.includes(name))),
  Flag.withDescription("Who is measured. Default: all that are installed"),
  Flag.withDefault(Peer.names)
)

const scale = Flag.Finite("scale").pipe(
  Flag.filter(
    (scale) => scale > 0,
    () => "Expected: a number above 0"
  ),
  Flag.withDescription("What all sizes are multiplied by. Default: 1"),
  Flag.withDefault(1)
)

const rounds = Flag.Int("rounds").pipe(
  Flag.filter(
    (rounds) => rounds > 0,
    () => "Expected: a number from 1 on"
  ),
  Flag.withDescription("How often everything is measured; the median counts. Default: 3"),
  Flag.withDefault(3)
)

const redis = Flag.String("redis").pipe(
  Flag.withMetavar("url"),
  Flag.withDescription("An empty Redis to use, which is emptied again and again. Default: starts a redis-server"),
  Flag.optional
)

const json = Flag.Boolean("json").pipe(
  Flag.withDescription("Print one JSON document, with each round's values, instead of the table"),
  Flag.withDefault(false)
)

const write = Flag.Boolean("write").pipe(
  Flag.withDescription("Write docs/benchmarks.md as well"),
  Flag.withDefault(false)
)

const page = path.resolve(import.meta.dirname, "..", "docs", "benchmarks.md")

const command = Command.make("bench", { workloads, peers, scale, rounds, redis, json, write }, (flags) =>
  Effect.gen(function* () {
    const report = yield* Bench.run({
      ...flags,
      redis: Option.getOrUndefined(flags.redis),
      tell: (line) => process.stderr.write(`${line}\n`)
    })
    process.stdout.write(`${flags.json ? JSON.stringify(Report.toJson(report), undefined, 2) : Table.text(report)}\n`)
    if (flags.write) {
      writeFileSync(page, Page.markdown(report))
      process.stderr.write(`Wrote ${page}\n`)
    }
    for (const { message, peer, round, workload } of report.failures) {
      process.stderr.write(`FAILED ${workload}, ${peer}, round ${round}: ${message}\n`)
    }
    if (report.failures.length > 0) process.exitCode = 1
  }).pipe(Effect.scoped)
).pipe(
  Command.withDescription(
    "Measures what a task costs: Arpeggio, BullMQ and Celery in one run on the same Redis, with CPU time of worker, producer and Redis, commands and bytes per task. Checks every result. Close other programs first."
  ),
  Command.withExamples([
    { command: "pnpm bench --scale 0.05 --rounds 1", description: "A look in a minute" },
    { command: "pnpm bench --workloads B,E --peers arpeggio,bullmq", description: "The costs that matter most" },
    { command: "pnpm bench --write", description: "All of it, into docs/benchmarks.md" }
  ])
)

Command.runWith(command, { version: "0.1.0" })(process.argv.slice(2)).pipe(
  Effect.provide(NodeServices.layer),
  Effect.catch((error) =>
    Effect.sync(() => {
      if (error instanceof BenchFailure) process.stderr.write(`bench: ${error.message}\n`)
      process.exitCode = CliError.isCliError(error) ? 2 : 1
    })
  ),
  NodeRuntime.runMain
)

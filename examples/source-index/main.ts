/**
 * Indexes a folder of text: `node main.ts [folder] [--out folder] [--all]`. Everything is in this one process: a broker in
 * memory, a worker, and the client that submits the flow and watches it.
 */
import * as LiveView from "@arpeggio/cli/LiveView"
import * as Outcome from "@arpeggio/cli/Outcome"
import * as Client from "@arpeggio/core/Client"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import * as Worker from "@arpeggio/core/Worker"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { parseArgs } from "node:util"
import { sourceIndex } from "./flows.ts"
import { analyse, listFiles, summarise, writeReport } from "./tasks.ts"
import type { Summary } from "./tasks.ts"
import handlers from "./worker.ts"

const usage = "Usage: pnpm demo [folder] [--out folder] [--all]"

/** The source of effect: some hundred files that are there after every install. */
const defaultFolder = fileURLToPath(new URL("../src", import.meta.resolve("effect/Effect")))
const defaultOut = path.join(import.meta.dirname, "out")

const readArguments = () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { out: { type: "string", short: "o" }, all: { type: "boolean" }, help: { type: "boolean", short: "h" } }
  })
  if (positionals.length > 1) throw new Error(`One folder, please, and these are ${positionals.length}.`)
  return {
    help: values.help === true,
    folder: path.resolve(positionals[0] ?? defaultFolder),
    out: path.resolve(values.out ?? defaultOut),
    all: values.all === true
  }
}

const processes = Worker.layer({ tasks: [listFiles, analyse, summarise, writeReport], concurrency: 32 }).pipe(
  Layer.provide(handlers),
  Layer.provideMerge(MemoryBroker.layer())
)

const index = (input: { readonly folder: string; readonly out: string; readonly all: boolean }) =>
  Effect.gen(function* () {
    const worker = yield* Worker.Worker
    const begin = performance.now()
    const cpuBefore = process.cpuUsage()
    const run = yield* Client.submit(sourceIndex, input)
    const written = yield* LiveView.follow(run.id).pipe(
      Effect.andThen(run.await),
      // Ctrl-C: nothing more starts, and what runs gets to clean up.
      Effect.onInterrupt(() => Effect.andThen(run.cancel, Effect.exit(run.await)).pipe(Effect.ignore)),
      Effect.scoped
    )
    const { user, system } = process.cpuUsage(cpuBefore)
    const view = yield* run.view
    const plan = yield* Client.plan(run.id)
    const figures = {
      plan,
      view,
      wall: performance.now() - begin,
      cpu: (user + system) / 1_000,
      worker: yield* worker.stats
    }
    print(["", ...describe(written.summary), "", ...Outcome.stepTable(plan, view), "", Outcome.busyLine(figures)])
    print([`Wrote ${path.relative("", written.report)} and ${path.relative("", written.index)}.`])
  })

const describe = ({ totals, kinds, terms }: Summary): ReadonlyArray<string> => {
  const count = (n: number) => n.toLocaleString("en-US")
  const rows = kinds.slice(0, 8).map(({ extension, totals }) => ({ name: extension, ...totals }))
  const lines = [...rows, { name: "all", ...totals }].map(({ name, files, lines, words, bytes, skipped }) =>
    [name.padEnd(10), ...[files, lines, words, bytes, skipped].map((n) => count(n).padStart(12))].join("")
  )
  const header = [
    "kind".padEnd(10),
    ...["files", "lines", "words", "bytes", "not indexed"].map((title) => title.padStart(12))
  ]
  return [
    header.join(""),
    ...lines,
    ...(kinds.length > 8 ? [`(${kinds.length - 8} more kinds are in the report)`] : []),
    ...(terms.length > 0
      ? [
          "",
          `Most shared terms: ${terms
            .slice(0, 8)
            .map(({ term, files }) => `${term} (${files})`)
            .join(", ")}`
        ]
      : [])
  ]
}

const print = (lines: ReadonlyArray<string>): void => {
  process.stdout.write(`${lines.join("\n")}\n`)
}

const fail = (code: number, message: string) =>
  Effect.sync(() => {
    process.stderr.write(`${message}\n`)
    process.exitCode = code
  })

class WrongUse extends Data.TaggedError("WrongUse")<{ readonly message: string }> {}

const main = Effect.gen(function* () {
  const input = yield* Effect.try({
    try: readArguments,
    catch: (error) => new WrongUse({ message: error instanceof Error ? error.message : String(error) })
  })
  if (input.help) return print([usage])
  yield* Effect.provide(index(input), processes)
}).pipe(
  Effect.catchTags({
    WrongUse: ({ message }) => fail(2, `${message} ${usage}`),
    NoFolder: ({ folder, reason }) => fail(2, `${folder} can't be indexed: ${reason}. ${usage}`),
    NotWritten: ({ folder, reason }) =>
      fail(1, `The report can't be written to ${folder}: ${reason}. Choose another place with --out.`)
  }),
  Effect.catch((error) => fail(1, error.message))
)

NodeRuntime.runMain(main)

/**
 * Replays a recorded workflow, live and with its time scaled: `node main.ts [trace.json] [--scale 0.02] [--concurrency 10]`.
 */
import * as LiveView from "@arpeggio/cli/LiveView"
import * as Outcome from "@arpeggio/cli/Outcome"
import * as Trace from "@arpeggio/cli/Trace"
import * as WfFormat from "@arpeggio/cli/WfFormat"
import * as Client from "@arpeggio/core/Client"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import * as Worker from "@arpeggio/core/Worker"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { readFile } from "node:fs/promises"
import * as path from "node:path"
import { parseArgs } from "node:util"

const usage = "Usage: node main.ts [trace.json] [--scale 0.02] [--concurrency 10]"

const readArguments = () => {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { scale: { type: "string" }, concurrency: { type: "string" } }
  })
  const scale = Number(values.scale ?? 0.02)
  const concurrency = Number(values.concurrency ?? 10)
  if (!(scale >= 0)) throw new Error(`--scale is ${values.scale}, and should be a number from 0 on.`)
  if (!(Number.isInteger(concurrency) && concurrency > 0)) {
    throw new Error(`--concurrency is ${values.concurrency}, and should be a number from 1 on.`)
  }
  return { file: positionals[0] ?? path.join(import.meta.dirname, "trace.json"), scale, concurrency }
}

/** Runs the flow of a trace beside a worker for it, and shows it meanwhile. */
const replay = (trace: Trace.Trace, scale: number, concurrency: number) => {
  const { flow, handlers } = Trace.toFlow(trace)
  const processes = Layer.unwrap(
    Effect.map(Layer.build(handlers), (context) => Worker.fromContext(context, { concurrency }))
  ).pipe(Layer.provideMerge(MemoryBroker.layer()))
  return Effect.gen(function* () {
    const begin = performance.now()
    const run = yield* Client.submit(flow, { scale })
    const { tasks, seconds } = yield* LiveView.follow(run.id).pipe(
      Effect.andThen(run.await),
      // Ctrl-C: nothing more starts, and what runs gets to clean up.
      Effect.onInterrupt(() => Effect.andThen(run.cancel, Effect.exit(run.await)).pipe(Effect.ignore)),
      Effect.scoped
    )
    const wall = performance.now() - begin
    const view = yield* run.view
    return [
      "",
      ...Outcome.stepTable(yield* Client.plan(run.id), view),
      "",
      `${tasks} tasks that took ${seconds.toFixed(0)} s of work and ${trace.makespan.toFixed(0)} s from beginning to end were replayed at ${scale} of their time on ${concurrency} slots in ${(wall / 1_000).toFixed(2)} s.`
    ]
  }).pipe(Effect.provide(processes))
}

class WrongUse extends Data.TaggedError("WrongUse")<{ readonly message: string }> {}

const main = Effect.gen(function* () {
  const { file, scale, concurrency } = yield* Effect.try({
    try: readArguments,
    catch: (error) => new WrongUse({ message: `${error instanceof Error ? error.message : error} ${usage}` })
  })
  const text = yield* Effect.tryPromise({
    try: () => readFile(file, "utf8"),
    catch: () => new WrongUse({ message: `${file} can't be read. ${usage}` })
  })
  const trace = yield* Effect.fromResult(WfFormat.parse(text))
  const lines = yield* replay(trace, scale, concurrency)
  process.stdout.write(`${lines.join("\n")}\n`)
}).pipe(
  Effect.catch((error) =>
    Effect.sync(() => {
      process.stderr.write(`${error.message}\n`)
      process.exitCode = error._tag === "WrongUse" || error._tag === "InvalidWfFormat" ? 2 : 1
    })
  )
)

NodeRuntime.runMain(main)

/**
 * A recorded workflow on the command line: read, described, drawn, replayed.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { readFile } from "node:fs/promises"
import * as Drawing from "./Drawing.ts"
import * as DryRun from "./DryRun.ts"
import * as Execution from "./Execution.ts"
import { WrongUse } from "./ExitCode.ts"
import type { RunFailed, StoreUnavailable } from "./ExitCode.ts"
import * as Figures from "./Figures.ts"
import * as Module from "./Module.ts"
import * as Trace from "./Trace.ts"
import * as WfFormat from "./WfFormat.ts"

/** Reads a WfFormat file. */
export const read = (file: string): Effect.Effect<Trace.Trace, WrongUse> =>
  Effect.tryPromise({
    try: () => readFile(file, "utf8"),
    catch: (error) =>
      new WrongUse({
        reason: "InvalidTrace",
        message: `${file} can't be read: ${error instanceof Error ? error.message : String(error)}. Give the path of a WfFormat 1.5 document.`
      })
  }).pipe(
    Effect.flatMap((text) =>
      Effect.mapError(Effect.fromResult(WfFormat.parse(text)), ({ problems }) => {
        const shown = problems.slice(0, most).map((problem) => `  ${problem.path}: ${problem.message}`)
        const more = problems.length > most ? [`  … and ${problems.length - most} more`] : []
        const message = `${file} is not a WfFormat 1.5 document that can be replayed:\n${[...shown, ...more].join("\n")}\nCorrect the document, or export it again.`
        return new WrongUse({ reason: "InvalidTrace", message })
      })
    )
  )

/** How many problems of a document are shown. */
const most = 20

interface ReplayOptions extends Pick<Execution.Request, "source" | "concurrency" | "quiet" | "json" | "color"> {
  /** Seconds of the replay per recorded second. */
  readonly scale: number
}

/** Replays it here and now. */
export const replay = (
  trace: Trace.Trace,
  options: ReplayOptions
): Effect.Effect<void, WrongUse | RunFailed | StoreUnavailable> => {
  const { flow, handlers } = Trace.toFlow(trace)
  return Execution.runAndReport({
    ...options,
    step: flow,
    handlers: handlers as Execution.Request["handlers"],
    input: { scale: options.scale },
    hasInput: true,
    id: undefined
  })
}

interface DescribeOptions {
  readonly json: boolean
  readonly slots: number
  /** With it, only the drawing. */
  readonly format: Drawing.Format | undefined
  readonly style: Drawing.Options["style"]
  readonly width: number
  readonly color: boolean
}

/** What was recorded, what a replay would be, and its drawing; with `json` the plan, with a `format` only the drawing. */
export const describe = (trace: Trace.Trace, options: DescribeOptions): Result.Result<string, WrongUse> =>
  Result.map(Module.compile(Trace.toFlow(trace).flow), ({ plan }) => {
    const { json, format, slots } = options
    if (json && format === undefined) return `${JSON.stringify(plan, undefined, 2)}\n`
    if (format !== undefined) return Drawing.draw(plan, { ...options, format })
    const recorded = `recorded       ${Figures.plural(trace.tasks.length, "task")} and ${Figures.plural(Trace.edgeCount(trace), "dependency", "dependencies")}, in ${Figures.duration(trace.makespan * 1_000)} from beginning to end\n`
    const dryRun = DryRun.describe(plan, {
      slots,
      elements: 1,
      duration: (node) => Trace.secondsOf(node) * 1_000,
      unit: "millis"
    })
    return `${recorded}${dryRun}\n${Drawing.draw(plan, { ...options, format: "text" })}`
  })

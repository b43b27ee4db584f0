/**
 * How a run ended, for people and for programs: its steps with their times, and how busy the worker was.
 */
import type { Broker, RunView } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import type { RunDamaged, RunNotFound } from "@arpeggio/core/Failure"
import type { Plan } from "@arpeggio/core/Plan"
import type { Stats } from "@arpeggio/core/Worker"
import * as Effect from "effect/Effect"
import { RunFailed } from "./ExitCode.ts"
import * as FailureText from "./FailureText.ts"
import * as Figures from "./Figures.ts"
import * as Progress from "./Progress.ts"

/** What became of a run's value. */
export type Result =
  | { readonly _tag: "Succeeded"; readonly value: unknown }
  | {
      readonly _tag: "Failed"
      /** Readable id of the node that failed. */
      readonly node: string
      readonly attempt: number
      /** The error as JSON: declared by its task, or a failure of the engine. */
      readonly error: unknown
      /** All of it in words. */
      readonly message: string
    }
  | { readonly _tag: "Cancelled" }

/** The recorded outcome, once the run has ended. */
export const read = (run: string): Effect.Effect<Result, RunNotFound | RunDamaged, Broker> =>
  Effect.map(Client.outcome(run), (outcome) => {
    if (outcome._tag !== "Failed") return outcome
    const { node, attempt, failed } = outcome
    const message = `Failed at ${node}, attempt ${attempt}: ${FailureText.whole(failed)}`
    return { _tag: "Failed", node, attempt, error: JSON.parse(failed.error) as unknown, message }
  })

/** A run that has ended. Times in milliseconds. */
export interface Ending {
  readonly plan: Plan
  readonly view: RunView
  readonly result: Result
  /** From its submission to its end. */
  readonly wall: number
  /** The worker that ran all of it, when it was one in this process. */
  readonly worker: Pick<Busy, "cpu" | "worker"> | undefined
}

/** What one worker in this process did for a run. Times in milliseconds. */
export interface Busy {
  readonly plan: Plan
  readonly view: RunView
  /** From the run's submission to its end. */
  readonly wall: number
  /** What the process used of the processors meanwhile, all threads together. */
  readonly cpu: number
  readonly worker: Stats
}

/** The table of steps: how often each task was called, how that ended, and how long its attempts took. */
export const stepTable = (plan: Plan, view: RunView): ReadonlyArray<string> => {
  const right = ["calls", "ok", "failed", "dropped", "retried", "total", "mean"] as const
  const rows = Progress.bySteps(plan, view).map((step) => [
    step.step,
    ...[step.count, step.succeeded, step.failed, step.dropped, step.retries].map(Figures.count),
    Figures.duration(step.busy),
    mean(step)
  ])
  return Figures.table(
    [{ title: "step", align: "left" }, ...right.map((title) => ({ title, align: "right" }) as const)],
    rows
  )
}

/** The mean time of an attempt: retries are attempts, too. */
const mean = ({ succeeded, failed, retries, busy }: Progress.StepProgress): string => {
  const attempts = succeeded + failed + retries
  return attempts === 0 ? "-" : Figures.duration(busy / attempts)
}

/** How busy the worker was, and the processors. */
export const busyLine = ({ plan, view, wall, cpu, worker }: Busy): string => {
  const { busy } = Progress.of(plan, view)
  const slots = wall * worker.concurrency
  return `Worker: ${Figures.percent(busy, slots)} of its ${Figures.plural(worker.concurrency, "slot")} busy over ${Figures.duration(wall)}; ${Figures.duration(cpu)} of CPU (${(cpu / Math.max(1, wall)).toFixed(2)} cores).`
}

const toText = (ending: Ending, color: boolean): string => {
  const { plan, view, result, worker } = ending
  const paint = (code: number, text: string) => (color ? `\u001B[${code}m${text}\u001B[0m` : text)
  const head = {
    Succeeded: paint(32, "succeeded"),
    Failed: paint(31, "failed"),
    Cancelled: paint(33, "was cancelled")
  }[result._tag]
  const lines = [
    "",
    ...stepTable(plan, view).map((line, i) => (i === 0 && color ? paint(2, line) : line)),
    "",
    ...(worker === undefined ? [] : [busyLine({ ...ending, ...worker })]),
    `Run ${view.id} of ${view.flow} ${head} after ${Figures.duration(ending.wall)}.`,
    ...(result._tag === "Failed" ? [result.message] : [])
  ]
  return `${lines.join("\n")}\n`
}

/** One document, with the newline at its end. */
export const toJson = ({ plan, view, result, wall, worker }: Ending): string =>
  `${JSON.stringify(
    {
      run: view.id,
      flow: view.flow,
      planHash: view.planHash,
      state: view.state,
      ...(result._tag === "Succeeded" ? { value: result.value } : {}),
      ...(result._tag === "Failed"
        ? { error: { node: result.node, attempt: result.attempt, message: result.message, error: result.error } }
        : {}),
      wallMillis: Math.round(wall),
      ...(worker === undefined ? {} : { cpuMillis: Math.round(worker.cpu), slots: worker.worker.concurrency }),
      busyMillis: Math.round(Progress.of(plan, view).busy),
      steps: Progress.bySteps(plan, view)
    },
    undefined,
    2
  )}\n`

/** What is printed of an ending: the value as JSON on standard output, how it went on standard error. */
export const report = (
  ending: Ending,
  { json, quiet, color }: { readonly json: boolean; readonly quiet: boolean; readonly color: boolean }
): Effect.Effect<void, RunFailed> =>
  Effect.suspend(() => {
    const { result, view } = ending
    if (json) process.stdout.write(toJson(ending))
    else {
      if (!quiet) process.stderr.write(toText(ending, color))
      else if (result._tag === "Failed") process.stderr.write(`${result.message}\n`)
      else if (result._tag === "Cancelled") process.stderr.write(`Run ${view.id} was cancelled.\n`)
      if (result._tag === "Succeeded") process.stdout.write(`${JSON.stringify(result.value, undefined, 2)}\n`)
    }
    return result._tag === "Succeeded" ? Effect.void : Effect.fail(new RunFailed({ run: view.id }))
  })

/**
 * The command line as a whole: its commands, its errors and its exit codes. 0: done. 1: the run failed. 2: wrong use, or an
 * input, a module or a flow that is wrong. 3: the store can't be used. 130: interrupted.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Runtime from "effect/Runtime"
import packageJson from "../package.json" with { type: "json" }
import * as Cancel from "./commands/Cancel.ts"
import * as Dead from "./commands/Dead.ts"
import * as Doctor from "./commands/Doctor.ts"
import * as Dev from "./commands/Dev.ts"
import * as Graph from "./commands/Graph.ts"
import * as Import from "./commands/Import.ts"
import * as Orchestrator from "./commands/Orchestrator.ts"
import * as Plan from "./commands/Plan.ts"
import * as Queues from "./commands/Queues.ts"
import * as Result from "./commands/Result.ts"
import * as Retry from "./commands/Retry.ts"
import * as Run from "./commands/Run.ts"
import * as Runs from "./commands/Runs.ts"
import * as Show from "./commands/Show.ts"
import * as Submit from "./commands/Submit.ts"
import * as Watch from "./commands/Watch.ts"
import * as Worker from "./commands/Worker.ts"
import * as Workers from "./commands/Workers.ts"
import { RunFailed, StoreUnavailable, StoreUnsound, WrongUse } from "./ExitCode.ts"
import * as Settings from "./Settings.ts"
import * as Stop from "./Stop.ts"

/** `arpeggio` with all it can do. */
export const arpeggio = Command.make("arpeggio").pipe(
  Command.withDescription(
    "Typed workflows on a task queue: run flows, watch them, draw them; alone in one process, or with workers on a Redis that --redis or ARPEGGIO_REDIS_URL names. Exit codes: 0 done; 1 the run failed or was cancelled, or doctor found errors; 2 wrong use, input, module or flow; 3 the store can't be used; 130 interrupted."
  ),
  Command.withSubcommands([
    { group: "Flows", commands: [Dev.command, Run.command, Graph.command, Plan.command, Import.command] },
    { group: "Processes on a Redis", commands: [Worker.command, Orchestrator.command] },
    {
      group: "Runs in a Redis",
      commands: [
        Submit.command,
        Runs.command,
        Show.command,
        Watch.command,
        Result.command,
        Cancel.command,
        Retry.command
      ]
    },
    { group: "State of a Redis", commands: [Queues.command, Workers.command, Dead.command, Doctor.command] }
  ]),
  Command.withGlobalFlags(Settings.flags)
)

/** Runs the command line as the main program of this process. */
export const main = (argv: ReadonlyArray<string>): void => {
  const json = argv.includes("--json")
  Stop.endAtOnceWhenAskedTwice()
  endQuietlyWhenNobodyReads()
  calmWarnings()
  Command.runWith(arpeggio, { version: packageJson.version })(argv).pipe(
    Effect.provide(Layer.merge(NodeServices.layer, CliOutput.layerPresenter({ present: present(json) }))),
    Effect.catchCause((cause) =>
      Effect.andThen(
        Effect.sync(() => say(cause, json)),
        Effect.failCause(cause)
      )
    ),
    NodeRuntime.runMain({
      disableErrorReporting: true,
      teardown: (exit, onExit) => Runtime.defaultTeardown(exit, (code) => leave(isMisuse(exit) ? 2 : code, onExit))
    })
  )
}

/** What a stopped worker's handlers left running does not keep the process. */
const leave = (code: number, onExit: (code: number) => void): void =>
  Stop.wasTaken() ? process.exit(code) : onExit(code)

const isMisuse = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && isUsage(Cause.squash(exit.cause))

const isUsage = (error: unknown): boolean =>
  CliError.isCliError(error) && (error._tag !== "ShowHelp" || error.errors.length > 0)

/** Help goes to standard output; what is wrong with a command goes to standard error, with the way to its help. */
const present =
  (json: boolean): CliOutput.Presenter["present"] =>
  (event) =>
    Effect.suspend(() => {
      if (event._tag !== "InvalidInvocation") return CliOutput.defaultPresenter.present(event)
      const help = `See ${event.commandPath.join(" ")} --help.`
      const messages = event.errors.map((error) => inOneLine(error.message))
      return Effect.sync(() => complain("Usage", `${messages.join("\n")} ${help}`, json))
    })

/** The hint of effect/cli stands in lines of its own below the error. */
const inOneLine = (message: string): string => {
  const [what = "", near] = message.split(/\s*Did you mean this\?\s*/)
  const sentence = what.replace(/\s+/g, " ").replace(/[^.?!]$/, "$&.")
  return near === undefined ? sentence : `${sentence} Did you mean ${near.trim().split(/\s+/).join(" or ")}?`
}

/** Says a failure that nobody has said yet. */
const say = (cause: Cause.Cause<unknown>, json: boolean): void => {
  if (Cause.hasInterruptsOnly(cause)) return
  const error = Cause.squash(cause)
  if (error instanceof WrongUse) complain(error.reason, error.message, json)
  else if (error instanceof StoreUnavailable) complain("StoreUnavailable", error.message, json)
  else if (error instanceof RunFailed || error instanceof StoreUnsound || CliError.isCliError(error)) return
  else complain("Defect", `This is a mistake in arpeggio itself, please report it:\n${Cause.pretty(cause)}`, json)
}

const complain = (reason: string, message: string, json: boolean): void => {
  process.stderr.write(json ? `${JSON.stringify({ error: { reason, message } })}\n` : `arpeggio: ${message}\n`)
}

/** `arpeggio graph … | head` has read enough when head ends. */
const endQuietlyWhenNobodyReads = (): void => {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit(0)
    throw error
  })
}

/** Node's remarks on how it read a user's module are no news to the user, and would land in the middle of a drawing. */
const calmWarnings = (): void => {
  const emit = process.emitWarning
  process.emitWarning = ((warning: string | Error, ...rest: ReadonlyArray<never>) => {
    const text = typeof warning === "string" ? warning : warning.message
    if (/Type Stripping|is not specified and it doesn't parse as CommonJS/.test(text)) return
    emit.call(process, warning, ...rest)
  }) as typeof emit
}

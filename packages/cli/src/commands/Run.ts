import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { WrongUse } from "../ExitCode.ts"
import * as Settings from "../Settings.ts"
import * as Store from "../Store.ts"

/** What commands that run a flow have in common. */
export const target = Argument.String("module#flow").pipe(
  Argument.withDescription("A .ts or .js file, and the name of the flow, task or canvas that it exports")
)

export const input = Flag.String("input").pipe(
  Flag.withAlias("i"),
  Flag.withMetavar("json"),
  Flag.withDescription("The input: JSON, @file, or - for standard input (default: {})"),
  Flag.optional
)

export const concurrency = Flag.Int("concurrency").pipe(
  Flag.withAlias("c"),
  Settings.atLeast(1),
  Flag.withDescription("Handlers that run at once in this process (default: 10)"),
  Flag.withDefault(10)
)

export const quiet = Flag.Boolean("quiet").pipe(
  Flag.withAlias("q"),
  Flag.withDescription("Show nothing but the result, and errors"),
  Flag.withDefault(false)
)

export const id = Flag.String("id").pipe(
  Flag.filter(
    (id) => id.trim() !== "",
    () => "Expected: an id that is not empty"
  ),
  Flag.withDescription("The id of the run (default: a new one)"),
  Flag.optional
)

const local = Flag.Boolean("local").pipe(
  Flag.withDescription("In this process and on a broker in memory, also where ARPEGGIO_REDIS_URL is set"),
  Flag.withDefault(false)
)

const contradiction = {
  reason: "Usage",
  message: "--local runs in this process and --redis elsewhere: give one of them."
} as const

export const command = Command.make(
  "run",
  { target, input, id, ...Store.founding, local, concurrency, quiet },
  (flags) =>
    Effect.gen(function* () {
      const [Module, Input, Execution] = yield* Effect.promise(() =>
        Promise.all([import("../Module.ts"), import("../Input.ts"), import("../Execution.ts")])
      )
      if (flags.local && Option.isSome(flags.redis)) return yield* new WrongUse(contradiction)
      const store = flags.local ? undefined : yield* Effect.fromResult(Store.find(flags))
      // A module may print while it loads.
      yield* Execution.printToStderr
      const { module, step } = yield* Module.find(flags.target)
      const source = Option.getOrUndefined(flags.input)
      const request = {
        step,
        source: module.path,
        hasInput: source !== undefined,
        id: Option.getOrUndefined(flags.id),
        concurrency: flags.concurrency,
        quiet: flags.quiet,
        json: yield* Settings.Json,
        color: yield* Settings.color(process.stderr)
      }
      if (store === undefined) {
        const handlers = yield* Effect.fromResult(Module.handlers(module))
        return yield* Execution.runAndReport({ ...request, handlers, input: yield* Input.read(source) })
      }
      const RemoteRun = yield* Effect.promise(() => import("../RemoteRun.ts"))
      const run = RemoteRun.runAndReport({ ...request, store, input: yield* Input.read(source) })
      yield* Store.withBroker(store, request.json, run)
    }).pipe(Effect.scoped)
).pipe(
  Command.withDescription(
    "Runs a flow: shows its graph while it runs (on standard error), and prints its result as JSON (on standard output). Without a store it runs here and now, with the handlers of the module; Ctrl-C cancels it and waits for its finalizers, a second one ends at once. With --redis, or ARPEGGIO_REDIS_URL, it is submitted there, and workers run it: the module needs no handlers, Ctrl-C leaves the run as it is and says how to watch it. Exit code: 0 done, 1 the run failed, 2 wrong use or input, 3 the store can't be used, 130 interrupted."
  ),
  Command.withShortDescription("Run a flow and watch it"),
  Command.withExamples([
    {
      command: `arpeggio run ./worker.ts#thumbnails --input '{"url": "https://…"}'`,
      description: "With the input in the command"
    },
    {
      command: "arpeggio run ./worker.ts#thumbnails --input @input.json > result.json",
      description: "From a file, into a file"
    },
    {
      command: "arpeggio run ./flows.ts#thumbnails --redis redis://localhost:6379 --input @input.json",
      description: "By the workers on a Redis"
    }
  ])
)

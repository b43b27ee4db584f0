import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Settings from "../Settings.ts"

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
  Flag.filter(
    (n) => n >= 1,
    (n) => `Expected: at least 1, and it is ${n}`
  ),
  Flag.withDescription("Handlers that run at once (default: 10)"),
  Flag.withDefault(10)
)

export const quiet = Flag.Boolean("quiet").pipe(
  Flag.withAlias("q"),
  Flag.withDescription("Show nothing but the result, and errors"),
  Flag.withDefault(false)
)

const id = Flag.String("id").pipe(
  Flag.filter(
    (id) => id.trim() !== "",
    () => "Expected: an id that is not empty"
  ),
  Flag.withDescription("The id of the run (default: a new one)"),
  Flag.optional
)

export const command = Command.make("run", { target, input, id, concurrency, quiet }, (flags) =>
  Effect.gen(function* () {
    const [Module, Input, Execution] = yield* Effect.promise(() =>
      Promise.all([import("../Module.ts"), import("../Input.ts"), import("../Execution.ts")])
    )
    // A module may print while it loads.
    yield* Execution.printToStderr
    const address = Module.parseAddress(flags.target)
    const module = yield* Module.load(address)
    const step = yield* Effect.fromResult(Module.step(module, address.name))
    const handlers = yield* Effect.fromResult(Module.handlers(module))
    const source = Option.getOrUndefined(flags.input)
    yield* Execution.runAndReport({
      step,
      handlers,
      source: module.path,
      input: yield* Input.read(source),
      hasInput: source !== undefined,
      id: Option.getOrUndefined(flags.id),
      concurrency: flags.concurrency,
      quiet: flags.quiet,
      json: yield* Settings.Json,
      color: yield* Settings.color(process.stderr)
    })
  }).pipe(Effect.scoped)
).pipe(
  Command.withDescription(
    "Runs a flow here and now: shows its graph while it runs (on standard error), and prints its result as JSON (on standard output). Exit code: 0 done, 1 the run failed, 2 wrong use or input, 130 interrupted. Ctrl-C cancels the run and waits for its finalizers; a second one ends at once."
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
    }
  ])
)

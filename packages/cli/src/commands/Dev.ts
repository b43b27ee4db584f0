import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Settings from "../Settings.ts"
import { concurrency, input } from "./Run.ts"

const target = Argument.String("module#flow").pipe(
  Argument.withDescription("The flow to run; a module alone lists what it has")
)

export const command = Command.make("dev", { target, input, concurrency }, (flags) =>
  Effect.gen(function* () {
    const [Module, DevLoop] = yield* Effect.promise(() =>
      Promise.all([import("../Module.ts"), import("../DevLoop.ts")])
    )
    const address = Module.parseAddress(flags.target)
    const source = Option.getOrUndefined(flags.input)
    if (address.name === undefined) {
      const module = yield* Module.load(address)
      process.stdout.write(
        (yield* Settings.Json) ? `${JSON.stringify(Module.catalogue(module))}\n` : Module.describe(module)
      )
      return
    }
    return yield* DevLoop.start({
      target: flags.target,
      module: address,
      input: source,
      concurrency: flags.concurrency,
      color: yield* Settings.color(process.stderr)
    })
  })
).pipe(
  Command.withDescription(
    "Runs a flow as `run` does, and again whenever a source file beside the module changes (or on Enter), until Ctrl-C. Broker, worker and live view are in one process, a fresh one for each run."
  ),
  Command.withShortDescription("Run a flow again and again while you write it"),
  Command.withExamples([
    { command: "arpeggio dev ./worker.ts", description: "What there is to run" },
    {
      command: "arpeggio dev ./worker.ts#thumbnails --input @input.json",
      description: "Run it, and again on every change"
    }
  ])
)

import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Settings from "../Settings.ts"
import { format, style, width } from "./Graph.ts"
import { slots } from "./Plan.ts"
import { concurrency, quiet } from "./Run.ts"

const file = Argument.String("file").pipe(
  Argument.withDescription("A WfFormat 1.5 document, as WfCommons publishes them")
)

const run = Flag.Boolean("run").pipe(
  Flag.withDescription("Replay it: its tasks sleep as long as the recorded ones ran"),
  Flag.withDefault(false)
)

const scale = Flag.Finite("scale").pipe(
  Flag.filter(
    (x) => x >= 0,
    (x) => `Expected: 0 or more, and it is ${x}`
  ),
  Flag.withDescription("Seconds of the replay per recorded second (default: 0.001)"),
  Flag.withDefault(0.001)
)

const wfformat = Command.make(
  "wfformat",
  { file, run, scale, slots, concurrency, quiet, format: Flag.optional(format), style, width },
  (flags) =>
    Effect.gen(function* () {
      const Replay = yield* Effect.promise(() => import("../Replay.ts"))
      const color = yield* Settings.color(process.stdout)
      const json = yield* Settings.Json
      const trace = yield* Replay.read(flags.file)
      if (flags.run) {
        return yield* Replay.replay(trace, {
          source: flags.file,
          scale: flags.scale,
          concurrency: flags.concurrency,
          quiet: flags.quiet,
          json,
          color: yield* Settings.color(process.stderr)
        })
      }
      process.stdout.write(
        yield* Effect.fromResult(
          Replay.describe(trace, {
            json,
            slots: flags.slots,
            format: Option.getOrUndefined(flags.format),
            style: Option.getOrUndefined(flags.style),
            width: Option.getOrElse(flags.width, () => process.stdout.columns ?? 100),
            color
          })
        )
      )
    })
).pipe(
  Command.withDescription(
    "Reads a recorded workflow in WfFormat 1.5 as a flow whose tasks are timed sleeps: prints what it is and its drawing, or replays it."
  ),
  Command.withShortDescription("A workflow recorded by WfCommons"),
  Command.withExamples([
    { command: "arpeggio import wfformat montage.json", description: "What it is" },
    {
      command: "arpeggio import wfformat montage.json --run --scale 0.01",
      description: "Replay it a hundred times as fast"
    },
    { command: "arpeggio import wfformat montage.json --format dot", description: "Only its graph, for Graphviz" }
  ])
)

export const command = Command.make("import").pipe(
  Command.withDescription("Makes a flow of what others have recorded."),
  Command.withShortDescription("Import a recorded workflow"),
  Command.withSubcommands([wfformat])
)

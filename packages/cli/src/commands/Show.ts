import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Settings from "../Settings.ts"
import * as Store from "../Store.ts"
import { limit } from "./Runs.ts"

/** What commands about one run are given. */
export const run = Argument.String("run").pipe(Argument.withDescription("The id of the run"))

const why = Flag.String("why").pipe(
  Flag.withMetavar("node"),
  Flag.withDescription("Only what this node waits for: resize, or each[3].resize in a forEach"),
  Flag.optional
)

const instances = Flag.Boolean("instances").pipe(
  Flag.withDescription(
    "Only a line for each instance of a node: its state, its attempt, where it runs, what it failed with"
  ),
  Flag.withDefault(false)
)

export const command = Command.make("show", { run, why, instances, limit: limit(1_000), ...Store.flags }, (flags) =>
  Effect.gen(function* () {
    const json = yield* Settings.Json
    const store = yield* Effect.fromResult(Store.named(flags))
    const Inspection = yield* Effect.promise(() => import("../Inspection.ts"))
    const page = Option.isSome(flags.why)
      ? Inspection.why(flags.run, flags.why.value)
      : flags.instances
        ? Inspection.instances(flags.run, flags.limit)
        : Inspection.show(flags.run, store.flags)
    Inspection.print(yield* Store.withBroker(store, json, page), json)
  })
).pipe(
  Command.withDescription(
    "Shows how a run is: its state and times, its nodes, what goes on and what it failed with; what no known worker can run, and what to start."
  ),
  Command.withShortDescription("Show a run, or why a node waits"),
  Command.withExamples([
    { command: "arpeggio show thumb-42", description: "The run and its nodes" },
    { command: "arpeggio show thumb-42 --why publish", description: "What publish waits for" }
  ])
)

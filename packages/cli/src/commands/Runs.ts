import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Settings from "../Settings.ts"
import * as Store from "../Store.ts"

const state = Flag.Literals("state", ["running", "succeeded", "failed", "cancelled"]).pipe(
  Flag.withDescription("Only runs of this state (default: all)"),
  Flag.optional
)

/** How many lines of a list. */
export const limit = (most: number) =>
  Flag.Int("limit").pipe(
    Flag.withAlias("n"),
    Settings.atLeast(1),
    Flag.withDescription(`How many at most (default: ${most})`),
    Flag.withDefault(most)
  )

export const command = Command.make("runs", { state, limit: limit(20), ...Store.flags }, (flags) =>
  Effect.gen(function* () {
    const json = yield* Settings.Json
    const store = yield* Effect.fromResult(Store.named(flags))
    const Inspection = yield* Effect.promise(() => import("../Inspection.ts"))
    const runs = Inspection.runs({ state: Option.getOrUndefined(flags.state), limit: flags.limit })
    Inspection.print(yield* Store.withBroker(store, json, runs), json)
  })
).pipe(
  Command.withDescription("Lists the runs in a Redis, newest first."),
  Command.withShortDescription("List runs"),
  Command.withExamples([
    { command: "arpeggio runs --state failed --limit 5", description: "The five that failed last" }
  ])
)

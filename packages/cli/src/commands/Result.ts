import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Settings from "../Settings.ts"
import * as Store from "../Store.ts"
import { run } from "./Show.ts"

export const command = Command.make("result", { run, ...Store.flags }, (flags) =>
  Effect.gen(function* () {
    const json = yield* Settings.Json
    const store = yield* Effect.fromResult(Store.named(flags))
    const Following = yield* Effect.promise(() => import("../Following.ts"))
    const follow = Following.follow({ run: flags.run, store, module: "", quiet: true, json, color: false })
    yield* Store.withBroker(store, json, follow)
  })
).pipe(
  Command.withDescription(
    "Prints the value of a run as JSON on standard output; waits for it while the run is running. Exit code: 0 it succeeded, 1 it failed or was cancelled (with what, on standard error), 2 wrong use, 3 the store can't be used. --json prints one document for either case."
  ),
  Command.withShortDescription("Print the value of a run"),
  Command.withExamples([{ command: "arpeggio result thumb-42 > thumb.json", description: "Into a file" }])
)

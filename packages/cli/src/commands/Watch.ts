import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Settings from "../Settings.ts"
import * as Store from "../Store.ts"
import { quiet } from "./Run.ts"
import { run } from "./Show.ts"

export const command = Command.make("watch", { run, quiet, ...Store.flags }, (flags) =>
  Effect.gen(function* () {
    const json = yield* Settings.Json
    const store = yield* Effect.fromResult(Store.named(flags))
    const Following = yield* Effect.promise(() => import("../Following.ts"))
    const color = yield* Settings.color(process.stderr)
    const module = "<module with the handlers>"
    const follow = Following.follow({ run: flags.run, store, module, quiet: flags.quiet, json, color })
    yield* Store.withBroker(store, json, follow)
  })
).pipe(
  Command.withDescription(
    "Shows the graph of a run while it runs (on standard error), and in the end its result as JSON (on standard output). Needs nothing but the Redis. Ctrl-C leaves the run as it is. Exit code: 0 it succeeded, 1 it failed or was cancelled, 2 wrong use, 3 the store can't be used, 130 left."
  ),
  Command.withShortDescription("Watch a run until it ends"),
  Command.withExamples([{ command: "arpeggio watch thumb-42", description: "Until it ends, or Ctrl-C" }])
)

import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Settings from "../Settings.ts"
import * as Store from "../Store.ts"

export const command = Command.make("workers", Store.flags, (flags) =>
  Effect.gen(function* () {
    const json = yield* Settings.Json
    const store = yield* Effect.fromResult(Store.named(flags))
    const Inspection = yield* Effect.promise(() => import("../Inspection.ts"))
    Inspection.print(yield* Store.withBroker(store, json, Inspection.workers), json)
  })
).pipe(
  Command.withDescription(
    "Lists the workers that are known to a Redis: where they run, what they can run, how busy they are, and how long their lease lasts."
  ),
  Command.withShortDescription("List workers")
)

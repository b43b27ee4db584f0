import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Settings from "../Settings.ts"
import * as Store from "../Store.ts"

export const command = Command.make("queues", Store.flags, (flags) =>
  Effect.gen(function* () {
    const json = yield* Settings.Json
    const store = yield* Effect.fromResult(Store.named(flags))
    const Inspection = yield* Effect.promise(() => import("../Inspection.ts"))
    Inspection.print(yield* Store.withBroker(store, json, Inspection.queues), json)
  })
).pipe(
  Command.withDescription(
    "Lists the queues in a Redis: what is ready in each, how many workers take from it, and what waits because no known worker can run it."
  ),
  Command.withShortDescription("List queues")
)

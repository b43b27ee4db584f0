import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Settings from "../Settings.ts"
import * as Store from "../Store.ts"
import { limit } from "./Runs.ts"

export const command = Command.make("dead", { limit: limit(20), ...Store.flags }, (flags) =>
  Effect.gen(function* () {
    const json = yield* Settings.Json
    const store = yield* Effect.fromResult(Store.named(flags))
    const Inspection = yield* Effect.promise(() => import("../Inspection.ts"))
    const dead = Inspection.dead(flags.limit, store.flags)
    Inspection.print(yield* Store.withBroker(store, json, dead), json)
  })
).pipe(
  Command.withDescription(
    "Lists the dead letters in a Redis, newest first: nodes that were given up because worker after worker died over them (PoisonPill), with the commands that show why and run them again. One is there until a retry starts it again, or its run is removed."
  ),
  Command.withShortDescription("List nodes over which workers died")
)

import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Settings from "../Settings.ts"
import * as Store from "../Store.ts"
import { run } from "./Show.ts"

export const command = Command.make("cancel", { run, ...Store.flags }, (flags) =>
  Effect.gen(function* () {
    const json = yield* Settings.Json
    const store = yield* Effect.fromResult(Store.named(flags))
    const Client = yield* Effect.promise(() => import("@arpeggio/core/Client"))
    const cancel = Effect.zip(Client.cancel(flags.run), Client.run(flags.run))
    const [cancelled, { state }] = yield* Store.withBroker(store, json, cancel)
    const sentence = cancelled
      ? `Run ${flags.run} is cancelled: nothing of it starts any more but clean-up, what runs is interrupted.`
      : `Run ${flags.run} had ended before (${state}), so there was nothing to cancel.`
    process.stdout.write(json ? `${JSON.stringify({ run: flags.run, cancelled, state })}\n` : `${sentence}\n`)
  })
).pipe(
  Command.withDescription(
    "Cancels a run. Once it returns, nothing of the run starts any more but clean-up, and handlers that run are interrupted. A run that has ended stays as it is."
  ),
  Command.withShortDescription("Cancel a run")
)

import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Settings from "../Settings.ts"
import * as Store from "../Store.ts"
import { lease } from "./Lease.ts"

export const command = Command.make("orchestrator", { ...Store.founding, lease }, (flags) =>
  Effect.gen(function* () {
    const json = yield* Settings.Json
    const store = yield* Effect.fromResult(Store.named(flags))
    const OrchestratorProcess = yield* Effect.promise(() => import("../OrchestratorProcess.ts"))
    yield* Store.serve(store, json, OrchestratorProcess.run({ store, json }))
  })
).pipe(
  Command.withDescription(
    "Does what needs a clock, until it is stopped: starts retries and delays that are due, gives back what dead workers held, removes old runs. Any number may run at once; none is needed where workers sweep, as they do unless told not to. Exit code: 0 stopped, 2 wrong use, 3 the store can't be used, 130 stopped at once."
  ),
  Command.withShortDescription("Sweep: timers, dead workers, retention"),
  Command.withExamples([
    { command: "arpeggio orchestrator --redis redis://localhost:6379", description: "Until Ctrl-C or SIGTERM" }
  ])
)

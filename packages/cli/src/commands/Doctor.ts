import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { StoreUnsound } from "../ExitCode.ts"
import * as Settings from "../Settings.ts"
import * as Store from "../Store.ts"

const repair = Flag.Boolean("repair").pipe(
  Flag.withDescription(
    "End the runs that stand still because what the store has of them is damaged: as failed, so that they can be run again where they can be read"
  ),
  Flag.withDefault(false)
)

export const command = Command.make("doctor", { repair, ...Store.flags }, (flags) =>
  Effect.gen(function* () {
    const json = yield* Settings.Json
    const store = yield* Effect.fromResult(Store.named(flags))
    const [Examination, Inspection] = yield* Effect.promise(() =>
      Promise.all([import("../Examination.ts"), import("../Inspection.ts")])
    )
    yield* Store.warn(store, json)
    const { errors, page } = yield* Examination.of(store, { repair: flags.repair })
    Inspection.print(page, json)
    if (errors > 0) return yield* new StoreUnsound({ errors })
  })
).pipe(
  Command.withDescription(
    "Examines a Redis: its version and role, whether it evicts or loses what it keeps, memory, clock, the rights of the user, the layout of the data; then what is in it: runs, queues, workers. Each check says what is and what to do about it. Exit code: 0 sound, perhaps with warnings; 1 with errors; 3 the store can't be reached."
  ),
  Command.withShortDescription("Examine a Redis"),
  Command.withExamples([
    { command: "arpeggio doctor --redis redis://localhost:6379", description: "Before you trust it with runs" },
    { command: "arpeggio doctor --repair", description: "End the runs it has found damaged" }
  ])
)

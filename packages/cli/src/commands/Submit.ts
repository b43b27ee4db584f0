import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Settings from "../Settings.ts"
import * as Store from "../Store.ts"
import { id, input, target } from "./Run.ts"

export const command = Command.make("submit", { target, input, id, ...Store.founding }, (flags) =>
  Effect.gen(function* () {
    const json = yield* Settings.Json
    const store = yield* Effect.fromResult(Store.named(flags))
    const [Module, Input, Execution, Submission] = yield* Effect.promise(() =>
      Promise.all([
        import("../Module.ts"),
        import("../Input.ts"),
        import("../Execution.ts"),
        import("../Submission.ts")
      ])
    )
    yield* Execution.printToStderr
    const { step } = yield* Module.find(flags.target)
    const source = Option.getOrUndefined(flags.input)
    const checked = yield* Submission.check({
      step,
      input: yield* Input.read(source),
      hasInput: source !== undefined,
      id: Option.getOrUndefined(flags.id)
    })
    const run = yield* Store.withBroker(store, json, Submission.submit(checked))
    process.stdout.write(
      json ? `${JSON.stringify({ run: run.id, flow: checked.compiled.plan.flow })}\n` : `${run.id}\n`
    )
  }).pipe(Effect.scoped)
).pipe(
  Command.withDescription(
    "Hands a flow to a Redis and prints the id of its run. Once it has printed it, the run will end, whatever becomes of this machine. With an --id that exists, the same flow and the same input join the run that is there; another flow or input is refused. No handlers are needed here."
  ),
  Command.withShortDescription("Submit a flow, and print the id of its run"),
  Command.withExamples([
    {
      command: "arpeggio submit ./flows.ts#thumbnails --input @input.json --id thumb-42",
      description: "Under an id of your own, so that it happens once however often it is sent"
    }
  ])
)

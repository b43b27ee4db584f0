import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Settings from "../Settings.ts"
import { target } from "./Run.ts"

export const slots = Flag.Int("slots").pipe(
  Flag.withAlias("n"),
  Settings.atLeast(1),
  Flag.withDescription("Handlers that could run at once, for the estimate (default: 10)"),
  Flag.withDefault(10)
)

const elements = Flag.Int("elements").pipe(
  Flag.filter(
    (n) => n >= 0 && n <= 1_000_000,
    (n) => `Expected: 0 to 1,000,000, and it is ${n}`
  ),
  Flag.withDescription("Elements that each forEach is assumed to have, for the estimate (default: 1)"),
  Flag.withDefault(1)
)

export const command = Command.make("plan", { target, slots, elements }, (flags) =>
  Effect.gen(function* () {
    const [Module, DryRun] = yield* Effect.promise(() => Promise.all([import("../Module.ts"), import("../DryRun.ts")]))
    const { step } = yield* Module.find(flags.target)
    const { plan } = yield* Effect.fromResult(Module.compile(step))
    const json = yield* Settings.Json
    process.stdout.write(
      json
        ? `${JSON.stringify(plan, undefined, 2)}\n`
        : DryRun.describe(plan, { slots: flags.slots, elements: flags.elements, duration: () => 1, unit: "rounds" })
    )
  })
).pipe(
  Command.withDescription(
    "Says what a flow would be without running it: whether it is valid (all problems at once, exit code 2), its size, its longest chain, and how long it takes on so many slots when every call of a task takes one round. --json prints the plan itself."
  ),
  Command.withShortDescription("Check a flow and estimate it"),
  Command.withExamples([
    {
      command: "arpeggio plan ./flows.ts#thumbnails --elements 100 --slots 8",
      description: "With 100 elements in each forEach"
    },
    { command: "arpeggio plan ./flows.ts#thumbnails --json", description: "The plan as it would be stored" }
  ])
)

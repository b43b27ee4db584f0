import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Drawing from "../Drawing.ts"
import { WrongUse } from "../ExitCode.ts"
import * as Settings from "../Settings.ts"
import * as Store from "../Store.ts"
import { target } from "./Run.ts"

/** How a plan can be drawn. */
export const format = Flag.Literals("format", ["text", "dot", "mermaid", "json"]).pipe(
  Flag.withAlias("f"),
  Flag.withDescription("A drawing for the terminal, Graphviz, Mermaid, or the drawing's nodes and edges as JSON")
)

export const style = Flag.Literals("style", ["boxes", "rails", "groups", "levels"]).pipe(
  Flag.withDescription(
    "The terminal drawing: a box per step, a line per step with rails, a box per task, or a list (default: what suits its size)"
  ),
  Flag.optional
)

export const width = Flag.Int("width").pipe(
  Flag.withMetavar("columns"),
  Flag.filter(
    (n) => n >= 20,
    (n) => `Expected: at least 20 columns, and it is ${n}`
  ),
  Flag.withDescription("How wide the terminal drawing may be (default: the terminal)"),
  Flag.optional
)

const run = Flag.String("run").pipe(
  Flag.withMetavar("id"),
  Flag.withDescription("Draw this run in the store, with its states, instead of a flow in a module"),
  Flag.optional
)

export const command = Command.make(
  "graph",
  {
    target: Argument.optional(target),
    run,
    format: format.pipe(Flag.withDefault("text")),
    style,
    width,
    ...Store.flags
  },
  (flags) => {
    if (Option.isSome(flags.run) && Option.isNone(flags.target)) return drawRun(flags, flags.run.value)
    if (Option.isSome(flags.target) && Option.isNone(flags.run)) return drawFlow(flags, flags.target.value)
    return Effect.fail(
      new WrongUse({
        reason: "Usage",
        message: "Name either a flow, as module#flow, or a run, with --run. See arpeggio graph --help."
      })
    )
  }
).pipe(
  Command.withDescription(
    "Draws a flow; nothing runs. With --run and a store, a run with its states as they are now: in the terminal, or its numbers as JSON; Graphviz and Mermaid draw its plan alone."
  ),
  Command.withShortDescription("Draw a flow, or a run"),
  Command.withExamples([
    { command: "arpeggio graph ./flows.ts#thumbnails", description: "In the terminal" },
    {
      command: "arpeggio graph ./flows.ts#thumbnails --format dot | dot -Tsvg > flow.svg",
      description: "As a picture"
    },
    { command: "arpeggio graph --run thumb-42 --redis redis://localhost:6379", description: "A run with its states" }
  ])
)

interface Flags extends Store.Given {
  readonly format: Drawing.Format
  readonly style: Option.Option<NonNullable<Drawing.Options["style"]>>
  readonly width: Option.Option<number>
}

const drawFlow = (flags: Flags, target: string) =>
  Effect.gen(function* () {
    const [Module, Drawing] = yield* Effect.promise(() =>
      Promise.all([import("../Module.ts"), import("../Drawing.ts")])
    )
    const { step } = yield* Module.find(target)
    const { plan } = yield* Effect.fromResult(Module.compile(step))
    process.stdout.write(Drawing.draw(plan, yield* optionsOf(flags)))
  })

const drawRun = (flags: Flags, id: string) =>
  Effect.gen(function* () {
    const json = yield* Settings.Json
    const store = yield* Effect.fromResult(Store.named(flags))
    const [Inspection, Drawing, Client] = yield* Effect.promise(() =>
      Promise.all([import("../Inspection.ts"), import("../Drawing.ts"), import("@arpeggio/core/Client")])
    )
    const options = yield* optionsOf(flags)
    if (options.format === "text" || options.format === "json")
      return Inspection.print(
        yield* Store.withBroker(store, json, Inspection.draw(id, options)),
        options.format === "json"
      )
    process.stdout.write(Drawing.draw(yield* Store.withBroker(store, json, Client.plan(id)), options))
  })

const optionsOf = (flags: Flags) =>
  Effect.gen(function* () {
    return {
      format: (yield* Settings.Json) ? ("json" as const) : flags.format,
      style: Option.getOrUndefined(flags.style),
      width: Option.getOrElse(flags.width, () => process.stdout.columns ?? 100),
      color: yield* Settings.color(process.stdout)
    }
  })

import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Settings from "../Settings.ts"
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

export const command = Command.make(
  "graph",
  { target, format: format.pipe(Flag.withDefault("text")), style, width },
  (flags) =>
    Effect.gen(function* () {
      const [Module, Drawing] = yield* Effect.promise(() =>
        Promise.all([import("../Module.ts"), import("../Drawing.ts")])
      )
      const address = Module.parseAddress(flags.target)
      const module = yield* Module.load(address)
      const step = yield* Effect.fromResult(Module.step(module, address.name))
      const plan = yield* Effect.fromResult(Module.compile(step))
      process.stdout.write(
        Drawing.draw(plan, {
          format: (yield* Settings.Json) ? "json" : flags.format,
          style: Option.getOrUndefined(flags.style),
          width: Option.getOrElse(flags.width, () => process.stdout.columns ?? 100),
          color: yield* Settings.color(process.stdout)
        })
      )
    })
).pipe(
  Command.withDescription("Draws a flow. Nothing runs."),
  Command.withShortDescription("Draw a flow"),
  Command.withExamples([
    { command: "arpeggio graph ./flows.ts#thumbnails", description: "In the terminal" },
    { command: "arpeggio graph ./flows.ts#thumbnails --format dot | dot -Tsvg > flow.svg", description: "As a picture" }
  ])
)

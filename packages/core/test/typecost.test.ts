import { assert, describe, it } from "@effect/vitest"
import { typeCheck } from "./fixture/typeCheck.ts"

/** A flow of n calls, every tenth with a handler for its error. */
const program = (calls: number) => {
  const step = (i: number) =>
    i % 10 === 0
      ? `Flow.catchTag(resize({ image: x${i - 1}, width: x0.size.w }), "Corrupt", ({ at }) => resize({ image: x0, width: at }))`
      : `resize({ image: x${i - 1}, width: x${i - 1}.size.w })`
  return `
import * as Flow from "@arpeggio/core/Flow"
import * as Task from "@arpeggio/core/Task"
import * as Schema from "effect/Schema"

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { url: Schema.String }) {}
class Corrupt extends Schema.TaggedError<Corrupt>()("Corrupt", { at: Schema.Int }) {}
const Image = Schema.Struct({ path: Schema.String, size: Schema.Struct({ w: Schema.Int, h: Schema.Int }) })
const load = Task.make("load", { input: Schema.Struct({ url: Schema.String }), output: Image, error: NotFound })
const resize = Task.make("resize", { input: Schema.Struct({ image: Image, width: Schema.Int }), output: Image, error: Corrupt })

export const flow = Flow.make("flow", { input: Schema.Struct({ url: Schema.String }) }, ({ url }) => {
  const x0 = load({ url })
${Array.from({ length: calls - 1 }, (_, i) => `  const x${i + 1} = ${step(i + 1)}`).join("\n")}
  return x${calls - 1}
})
`
}

/**
 * Instantiations, most of the first line for reading Effect's and our own declarations. They are the same on every machine;
 * a change that needs more says why, here.
 */
const budget: ReadonlyArray<readonly [calls: number, instantiations: number]> = [
  [10, 80_000],
  [200, 112_000],
  [1_000, 235_000]
]

describe("the types of a flow", () => {
  it.each(budget)(
    "cost the checker for %i calls at most %i instantiations",
    (calls, most) => {
      const { instantiations, messages } = typeCheck(program(calls))
      assert.strictEqual([...messages.values()].join(""), "")
      assert.isAtMost(instantiations, most)
      assert.isAbove(instantiations, most / 2)
    },
    60_000
  )
})

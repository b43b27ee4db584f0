/**
 * What tasks, flows and canvases have in common at run time: they are functions from an input to a ref, with a key, the
 * schema of their input, and a body that can be run in any region.
 */
import type * as Schema from "effect/Schema"

export interface Definition {
  readonly kind: "task" | "flow" | "canvas"
  readonly key: string
  readonly input: Schema.Constraint
  /** What is wrong with the definition itself; its calls carry it too. */
  readonly problem: string | undefined
  /** Makes its steps in the region that is open and gives the ref of its value; for a flow, without a region of its own. */
  readonly body: (input: unknown) => unknown
}

const definitions = new WeakMap<object, Definition>()

/** What a value is the definition of, if it is a task, a flow or a canvas. */
export const of = (u: unknown): Definition | undefined => (typeof u === "function" ? definitions.get(u) : undefined)

/** Makes a function a definition; what users see on it is `properties`. */
export const attach = <F extends (input: never) => unknown, P extends object>(
  call: F,
  definition: Definition,
  properties: P
): F & P => {
  const self = Object.assign(call, properties)
  definitions.set(self, definition)
  return Object.freeze(self)
}

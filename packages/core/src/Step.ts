/**
 * A step is anything that can be called with an input and gives a ref: a task, a flow, a canvas. Composing is calling:
 * what one call returns is what the next one takes.
 */
import type * as Schema from "effect/Schema"
import type { Exact, Input, InputError, Ref } from "./Ref.ts"

/** A schema that needs no services, so that compiling a flow is pure. */
export interface PureSchema extends Schema.Constraint {
  readonly DecodingServices: never
  readonly EncodingServices: never
}

/**
 * What is known of a step without calling it. `I` is the schema of its input, `S` that of its value, `E` its declared
 * errors. Functions that only pass a step on take this.
 */
export interface Shape<out I extends Schema.Constraint, out S extends Schema.Constraint, out E> {
  readonly key: string
  readonly input: I
  /** Carries the types; there is nothing there. */
  readonly "~arpeggio/Step"?: { readonly value: S; readonly error: E } | undefined
}

/** A step, to be called. */
export interface Step<I extends Schema.Constraint, S extends Schema.Constraint, E> extends Shape<I, S, E> {
  /** Calls it: a value, refs, or a mixture where the schema has structure. What the refs can fail with, it can fail with. */
  <const A extends Input<I>>(input: A & Exact<I, A>): Ref<S, E | InputError<I, A>>
  /**
   * The same step with some fields of its input filled. The others are filled by the call, where a field that is given
   * again wins; a ref as input fills them by their names. When all are filled, a ref as input only orders: the step
   * runs after it.
   *
   * @example
   * ```ts
   * import * as Canvas from "@arpeggio/core/Canvas"
   * import * as Task from "@arpeggio/core/Task"
   * import * as Schema from "effect/Schema"
   *
   * const load = Task.make("load", { input: Schema.Struct({ url: Schema.String }), output: Schema.Struct({ text: Schema.String }) })
   * const cut = Task.make("cut", { input: Schema.Struct({ text: Schema.String, at: Schema.Int }), output: Schema.String })
   *
   * export const intro = Canvas.chain(load, cut.with({ at: 200 }))
   * ```
   */
  readonly with: <const B extends Bound<I>>(
    bound: B & Exact<I, B>
  ) => Step<
    Schema.Struct<{ readonly [K in Exclude<keyof FieldsOf<I>, keyof B>]: Extract<FieldsOf<I>[K], Schema.Constraint> }>,
    S,
    E | InputError<I, B>
  >
}

/** What `.with` takes: some of the fields. */
export type Bound<I extends Schema.Constraint> = I extends { readonly fields: Schema.Struct.Fields }
  ? { readonly [K in keyof I["fields"] & keyof I["Type"]]?: Input<I["fields"][K]> }
  : never

/** The fields of a schema; none of what has none. */
export type FieldsOf<I> = I extends { readonly fields: infer F extends Schema.Struct.Fields } ? F : {}

/**
 * A flow is a keyed definition of a graph: a function from the ref of its input to the ref of its value. What is called
 * in it becomes its steps, what depends on what follows from who is given whose ref.
 *
 * The body runs when the flow is compiled and each time it is called inside another flow, never when its module is loaded,
 * and it only makes steps: there are no values in it yet, so no `if` on one and no loop over one. `forEach` and the
 * `catch` family take callbacks for that, each a region of its own: a step made while a callback runs belongs to it and
 * runs once per element, or only when the error came.
 *
 * Nothing here throws. What is wrong with a flow stays on its steps, and compiling it reports all of it at once, each with
 * its place. Every combinator takes the ref first, or last for `pipe`.
 */
import { dual } from "effect/Function"
import type * as Schema from "effect/Schema"
import * as Callbacks from "./definition/Callbacks.ts"
import type { Definition } from "./definition/Definition.ts"
import * as Joins from "./definition/Joins.ts"
import * as Name from "./definition/Name.ts"
import { define } from "./definition/Partial.ts"
import type { Damaged, StepFailure } from "./Failure.ts"
import type { Error, ErrorRef, Input, InputError, Ref, RefBase, RefTo, SchemaOf } from "./Ref.ts"
import type { PureSchema, Step } from "./Step.ts"
import type { PolicyOptions, Tags } from "./Task.ts"

/** A flow: its key is `K`, `I` the schema of its input, `S` that of its value, `E` are the errors it can fail with. */
export interface Flow<K extends string, I extends Schema.Constraint, S extends Schema.Constraint, E> extends Step<
  I,
  S,
  E
> {
  readonly key: K
}

type AnySchema = Schema.Constraint
type AnyRef = RefBase<AnySchema, unknown>

// ---- constructors -----------------------------------------------------------------------------------------------------

/**
 * Makes a flow. Called inside another one it is inlined as a named region; submitted, it is a run. With `output` the
 * schema of its value is the one given, which the body's must be.
 *
 * What its argument fails with reaches the steps that use it, as if they had been written in its place. A flow can't contain
 * itself, however far down.
 *
 * @example
 * ```ts
 * import * as Flow from "@arpeggio/core/Flow"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Schema from "effect/Schema"
 *
 * const Image = Schema.Struct({ path: Schema.String })
 * const load = Task.make("load", { input: Schema.Struct({ url: Schema.String }), output: Image })
 * const resize = Task.make("resize", { input: Schema.Struct({ image: Image, width: Schema.Int }), output: Image })
 *
 * export const thumbnails = Flow.make(
 *   "thumbnails",
 *   { input: Schema.Struct({ url: Schema.String, widths: Schema.Array(Schema.Int) }) },
 *   ({ url, widths }) => {
 *     const image = load({ url })
 *     return Flow.forEach(widths, (width) => resize({ image, width }))
 *   }
 * )
 * ```
 */
export const make = <const K extends string, I extends PureSchema, S extends AnySchema, E>(
  key: K,
  options: { readonly input: I; readonly output?: S | undefined },
  body: (input: Ref<I>) => RefBase<S, E>
): Flow<K, I, S, E> => {
  const issue = Name.issueOf(key)
  const problem = issue && `The key of a flow is a name, like \`thumbnails\`: ${issue}.`
  const definition: Definition = { kind: "flow", key, input: options.input, problem, body: body as Definition["body"] }
  const call = (argument: unknown) => Callbacks.inline(definition, options.output, argument)
  return define(definition, {}, call) as Flow<K, I, S, E>
}

/**
 * A value as a ref: with a schema, and refs in it where that has structure; or a string, a number, a boolean or null alone.
 *
 * @example
 * ```ts
 * import * as Flow from "@arpeggio/core/Flow"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Schema from "effect/Schema"
 *
 * const Page = Schema.Struct({ url: Schema.String, text: Schema.String })
 * const read = Task.make("read", { input: Schema.Struct({ url: Schema.String }), output: Schema.String })
 *
 * export const page = Flow.make("page", { input: Schema.Struct({ url: Schema.String }) }, ({ url }) =>
 *   Flow.succeed(Page, { url, text: read({ url }) }))
 * ```
 */
export const succeed: {
  <const A extends string | number | boolean>(value: A): Ref<Schema.Literal<A>>
  (value: null): Ref<Schema.Null>
  <S extends PureSchema, const A extends Input<S>>(schema: S, value: A): Ref<S, InputError<S, A>>
} = ((...args: [unknown] | [AnySchema, unknown]) =>
  args.length === 1 ? Joins.succeed(Joins.literalSchema(args[0]), args[0]) : Joins.succeed(args[0], args[1])) as never

// ---- joins ------------------------------------------------------------------------------------------------------------

/** How a join takes failures; see `all`. */
export type Mode = "failFast" | "settled" | "result"

type Member<R, M extends Mode> = M extends "result"
  ? R extends RefBase<infer S, infer E>
    ? Schema.Result<S, Schema.Codec<E>>
    : never
  : SchemaOf<R>

type AllSchema<T, M extends Mode> =
  T extends ReadonlyArray<infer R>
    ? number extends T["length"]
      ? Schema.$Array<Member<R, M>>
      : Schema.Tuple<{ readonly [K in keyof T]: Member<T[K], M> }>
    : T extends Iterable<infer R>
      ? Schema.$Array<Member<R, M>>
      : Schema.Struct<{ readonly [K in keyof T]: Member<T[K], M> }>

type AllError<T> = T extends Iterable<infer R> ? Error<R> : Error<T[keyof T]>

/**
 * Several refs as one: of an array or any iterable the array, of a literal array the tuple, of a struct the struct, in the
 * order of declaration. Of none it is `[]`.
 *
 * `mode` says what failures do:
 *
 * - `failFast` (default): fails with the first failure recorded.
 * - `settled`: waits for all, then fails with the first failure in the order of declaration.
 * - `result`: waits for all and gives a `Result` each; it never fails with a declared error.
 *
 * @example
 * ```ts
 * import * as Flow from "@arpeggio/core/Flow"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Schema from "effect/Schema"
 *
 * const word = Schema.Struct({ word: Schema.String })
 * const count = Task.make("count", { input: word, output: Schema.Int })
 * const translate = Task.make("translate", { input: word, output: Schema.String })
 *
 * export const both = Flow.make("both", { input: word }, (input) =>
 *   Flow.all({ count: count(input), translation: translate(input) }))
 * ```
 */
export const all = <
  const T extends ReadonlyArray<AnyRef> | Iterable<AnyRef> | { readonly [name: string]: AnyRef },
  M extends Mode = "failFast"
>(
  refs: T,
  options?: { readonly mode?: M | undefined }
): Ref<AllSchema<T, M>, M extends "result" ? never : AllError<T>> =>
  Joins.all(refs, options?.mode ?? "failFast") as never

/**
 * The same ref, whose step also waits for others without using their values. What they fail with, it fails with. Last, for
 * `pipe`, it takes one.
 *
 * @example
 * ```ts
 * import * as Flow from "@arpeggio/core/Flow"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Schema from "effect/Schema"
 *
 * const Folder = Schema.Struct({ folder: Schema.String })
 * const empty = Task.make("empty", { input: Folder, output: Schema.Void })
 * const fill = Task.make("fill", { input: Folder, output: Schema.Int })
 *
 * export const refill = Flow.make("refill", { input: Folder }, (input) => Flow.after(fill(input), empty(input)))
 * ```
 */
export const after: {
  <E2>(dep: RefTo<unknown, E2>): <S extends AnySchema, E>(self: RefBase<S, E>) => Ref<S, E | E2>
  <S extends AnySchema, E, const D extends readonly [AnyTo, ...ReadonlyArray<AnyTo>]>(
    self: RefBase<S, E>,
    ...deps: D
  ): Ref<S, E | Error<D[number]>>
} = ((...refs: ReadonlyArray<unknown>) =>
  refs.length === 1 ? (self: unknown) => Joins.after(self, refs) : Joins.after(refs[0], refs.slice(1))) as never

type AnyTo = RefTo<unknown, unknown>

// ---- repetition -------------------------------------------------------------------------------------------------------

/** How many elements are worked on at once. Default: all. */
export interface ForEachOptions {
  readonly concurrency?: number | undefined
}

type ArrayOf<I extends AnySchema> = Schema.$Array<I> | Schema.NonEmptyArray<I>

/**
 * The body once per element of an array that a run computes; the array of its values, in the order of the elements. The
 * body is also given the element's position, from 0.
 *
 * @example
 * ```ts
 * import * as Flow from "@arpeggio/core/Flow"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Schema from "effect/Schema"
 *
 * const list = Task.make("files.list", { input: Schema.Struct({ folder: Schema.String }), output: Schema.Array(Schema.String) })
 * const count = Task.make("words.count", { input: Schema.Struct({ file: Schema.String }), output: Schema.Int })
 *
 * export const counts = Flow.make("counts", { input: Schema.Struct({ folder: Schema.String }) }, (input) =>
 *   list(input).pipe(Flow.forEach((file) => count({ file }), { concurrency: 8 })))
 * ```
 */
export const forEach: {
  <I extends AnySchema, S extends AnySchema, E2>(
    body: (item: Ref<I>, index: Ref<typeof Schema.Int>) => RefBase<S, E2>,
    options?: ForEachOptions
  ): <E>(self: RefBase<ArrayOf<I>, E>) => Ref<Schema.$Array<S>, E | E2>
  <I extends AnySchema, E, S extends AnySchema, E2>(
    self: RefBase<ArrayOf<I>, E>,
    body: (item: Ref<I>, index: Ref<typeof Schema.Int>) => RefBase<S, E2>,
    options?: ForEachOptions
  ): Ref<Schema.$Array<S>, E | E2>
} = dual(
  (args) => typeof args[0] !== "function",
  (self: unknown, body: () => unknown, options?: ForEachOptions) => Callbacks.forEach(self, body, options?.concurrency)
) as never

// ---- failures ---------------------------------------------------------------------------------------------------------

type Tagged<E, T> = Extract<E, { readonly _tag: T }>
type Untagged<E, T> = Exclude<E, { readonly _tag: T }>

type AnyStep = Exclude<StepFailure, Damaged>["_tag"]
type Caught<E, T> = ErrorRef<Tagged<E, T> | Tagged<StepFailure, T>>

/**
 * Handles errors of a tag, or of several. Beside the declared ones it takes the failures that any step can have:
 * `TimedOut`, `Expired`, `PoisonPill`, `PayloadMismatch`, `Defect`, `Cancelled`.
 *
 * @example
 * ```ts
 * import * as Flow from "@arpeggio/core/Flow"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Schema from "effect/Schema"
 *
 * class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { url: Schema.String }) {}
 *
 * const Url = Schema.Struct({ url: Schema.String })
 * const load = Task.make("load", { input: Url, output: Schema.String, error: NotFound })
 * const archived = Task.make("archived", { input: Url, output: Schema.String })
 *
 * export const text = Flow.make("text", { input: Url }, (input) =>
 *   load(input).pipe(Flow.catchTag("NotFound", ({ url }) => archived({ url }))))
 * ```
 */
export const catchTag: {
  <const T extends Tags<E> | AnyStep, E, S2 extends AnySchema, E2>(
    tag: T | ReadonlyArray<T>,
    handle: (error: Caught<E, T>) => RefBase<S2, E2>
  ): <S extends AnySchema>(self: RefBase<S, E>) => Ref<S | S2, Untagged<E, T> | E2>
  <S extends AnySchema, E, const T extends Tags<E> | AnyStep, S2 extends AnySchema, E2>(
    self: RefBase<S, E>,
    tag: T | ReadonlyArray<T>,
    handle: (error: Caught<E, T>) => RefBase<S2, E2>
  ): Ref<S | S2, Untagged<E, T> | E2>
} = dual(3, (self: unknown, tag: string | ReadonlyArray<string>, handle: () => unknown) =>
  Callbacks.catches(self, [{ tags: [tag].flat(), handle }])
) as never

type Handlers<E> = { readonly [T in Tags<E> | AnyStep]?: (error: Caught<E, T>) => AnyRef }
type NotHandled<E, H> = {
  readonly [T in Exclude<keyof H, Tags<E> | AnyStep>]: `Nothing here fails with '${T & string}'`
}
type Handled<H> = { [T in keyof H]: H[T] extends (...args: never) => infer R ? R : never }[keyof H]

/**
 * Handles errors by tag, each with its own handler; else as `catchTag`.
 *
 * @example
 * ```ts
 * import * as Flow from "@arpeggio/core/Flow"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Schema from "effect/Schema"
 *
 * class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { url: Schema.String }) {}
 *
 * const Url = Schema.Struct({ url: Schema.String })
 * const load = Task.make("load", { input: Url, output: Schema.String, error: NotFound, timeout: "10 seconds" })
 *
 * export const text = Flow.make("text", { input: Url }, (input) =>
 *   load(input).pipe(Flow.catchTags({ NotFound: ({ url }) => url, TimedOut: () => Flow.succeed("too slow") })))
 * ```
 */
export const catchTags: {
  <E, const H extends Handlers<E>>(
    handlers: H & NotHandled<E, H>
  ): <S extends AnySchema>(
    self: RefBase<S, E>
  ) => Ref<S | SchemaOf<Handled<H>>, Untagged<E, keyof H> | Error<Handled<H>>>
  <S extends AnySchema, E, const H extends Handlers<E>>(
    self: RefBase<S, E>,
    handlers: H & NotHandled<E, H>
  ): Ref<S | SchemaOf<Handled<H>>, Untagged<E, keyof H> | Error<Handled<H>>>
} = dual(2, (self: unknown, handlers: { readonly [tag: string]: () => unknown }) =>
  Callbacks.catches(
    self,
    Object.entries(handlers).map(([tag, handle]) => ({ tags: [tag], handle }))
  )
) as never

const catch_: {
  <E, S2 extends AnySchema, E2>(
    handle: (error: ErrorRef<E>) => RefBase<S2, E2>
  ): <S extends AnySchema>(self: RefBase<S, E>) => Ref<S | S2, E2>
  <S extends AnySchema, E, S2 extends AnySchema, E2>(
    self: RefBase<S, E>,
    handle: (error: ErrorRef<E>) => RefBase<S2, E2>
  ): Ref<S | S2, E2>
} = dual(2, (self: unknown, handle: () => unknown) => Callbacks.catches(self, [{ tags: "declared", handle }])) as never

export {
  /**
   * Handles every declared error. Failures that no task declares (a time-out, a defect) go through: catch those by tag.
   */
  catch_ as catch
}

/**
 * The outcome as a value: a `Result` of the value or the declared error. It never fails with a declared error.
 *
 * @example
 * ```ts
 * import * as Flow from "@arpeggio/core/Flow"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Schema from "effect/Schema"
 *
 * class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { url: Schema.String }) {}
 *
 * const Url = Schema.Struct({ url: Schema.String })
 * const load = Task.make("load", { input: Url, output: Schema.String, error: NotFound })
 * const note = Task.make("note", { input: Schema.Result(Schema.String, NotFound), output: Schema.Void })
 *
 * export const noted = Flow.make("noted", { input: Url }, (input) => note(Flow.result(load(input))))
 * ```
 */
export const result = <S extends AnySchema, E>(self: RefBase<S, E>): Ref<Schema.Result<S, Schema.Codec<E>>> =>
  Joins.result(self) as never

// ---- policy -----------------------------------------------------------------------------------------------------------

/**
 * How one call is run: what is given wins over what its task says. For the call of a flow it is for every task in it.
 *
 * @example
 * ```ts
 * import * as Flow from "@arpeggio/core/Flow"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Schema from "effect/Schema"
 *
 * const render = Task.make("render", { input: Schema.String, output: Schema.String })
 *
 * export const urgent = Flow.make("urgent", { input: Schema.String }, (scene) =>
 *   render(scene).pipe(Flow.withPolicy({ priority: 0, queue: "gpu", timeout: "5 minutes" })))
 * ```
 */
export const withPolicy: {
  <E>(policy: PolicyOptions<Tags<E>>): <S extends AnySchema>(self: RefBase<S, E>) => Ref<S, E>
  <S extends AnySchema, E>(self: RefBase<S, E>, policy: PolicyOptions<Tags<E>>): Ref<S, E>
} = dual(2, (self: unknown, policy: PolicyOptions) => Joins.withPolicy(self, policy)) as never

/**
 * Celery's words for composing, each a line over `Flow`: a canvas is a function from the ref of its input to the ref of its
 * value, made of such functions.
 *
 *     chain(f, g)       x => g(f(x))
 *     group([f, g])     x => Flow.all([f(x), g(x)])
 *     chord(header, g)  chain(group(header), g)
 *     map(f)            xs => Flow.forEach(xs, f)
 *
 * So nesting is kept, order is that of declaration, a chain in a chain is one chain, a group of one gives a list of one and
 * an empty group an empty list, wherever it stands. What is given at the call goes to the first member of a chain and to
 * every member of a group. A canvas is a step: it can be called in a flow, where its steps become those of the flow, be
 * a member of another canvas, and be submitted. Its key says what it is made of: `chain(image.fetch, group(thumb, blur))`.
 *
 * The first member is a step, since it brings the schema of the input; later ones may be functions from a ref to a ref.
 */
import type * as Schema from "effect/Schema"
import * as Parts from "./definition/Parts.ts"
import type { Input, InputError, Ref, RefBase } from "./Ref.ts"
import type { FieldsOf, Shape, Step } from "./Step.ts"

type C = Schema.Constraint
type AnyShape = Shape<C, C, unknown>

/** What can follow: a step, or a function from the ref before to a ref. */
export type Next<S1 extends C, E1, S2 extends C, E2> = (value: Ref<S1, E1>) => RefBase<S2, E2>

/** A step that gives its input to every member and joins their values. */
export interface Group<I extends C, S extends C, E> extends Step<I, S, E> {
  readonly members: ReadonlyArray<AnyShape> | { readonly [name: string]: AnyShape }
}

// ---- chain ------------------------------------------------------------------------------------------------------------

/**
 * One after the other, each with the value of the one before. A chain of one is its member; one of none does not exist.
 *
 * To drop the value before, bind all fields of a step: `report.with({ title: "Done" })` runs after it and ignores it.
 *
 * @example
 * ```ts
 * import * as Canvas from "@arpeggio/core/Canvas"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Schema from "effect/Schema"
 *
 * const Text = Schema.Struct({ text: Schema.String })
 * const load = Task.make("load", { input: Schema.Struct({ url: Schema.String }), output: Text })
 * const count = Task.make("count", { input: Text, output: Schema.Int })
 * const store = Task.make("store", { input: Schema.Struct({ words: Schema.Int }), output: Schema.Void })
 *
 * export const pipeline = Canvas.chain(load, count, (words) => store({ words }))
 * ```
 */
export const chain: {
  <I extends C, S1 extends C, E1>(a: Shape<I, S1, E1>): Step<I, S1, E1>
  <I extends C, S1 extends C, E1, S2 extends C, E2>(a: Shape<I, S1, E1>, b: Next<S1, E1, S2, E2>): Step<I, S2, E2>
  <I extends C, S1 extends C, E1, S2 extends C, E2, S3 extends C, E3>(
    a: Shape<I, S1, E1>,
    b: Next<S1, E1, S2, E2>,
    c: Next<S2, E2, S3, E3>
  ): Step<I, S3, E3>
  <I extends C, S1 extends C, E1, S2 extends C, E2, S3 extends C, E3, S4 extends C, E4>(
    a: Shape<I, S1, E1>,
    b: Next<S1, E1, S2, E2>,
    c: Next<S2, E2, S3, E3>,
    d: Next<S3, E3, S4, E4>
  ): Step<I, S4, E4>
  <I extends C, S1 extends C, E1, S2 extends C, E2, S3 extends C, E3, S4 extends C, E4, S5 extends C, E5>(
    a: Shape<I, S1, E1>,
    b: Next<S1, E1, S2, E2>,
    c: Next<S2, E2, S3, E3>,
    d: Next<S3, E3, S4, E4>,
    e: Next<S4, E4, S5, E5>
  ): Step<I, S5, E5>
  <
    I extends C,
    S1 extends C,
    E1,
    S2 extends C,
    E2,
    S3 extends C,
    E3,
    S4 extends C,
    E4,
    S5 extends C,
    E5,
    S6 extends C,
    E6
  >(
    a: Shape<I, S1, E1>,
    b: Next<S1, E1, S2, E2>,
    c: Next<S2, E2, S3, E3>,
    d: Next<S3, E3, S4, E4>,
    e: Next<S4, E4, S5, E5>,
    f: Next<S5, E5, S6, E6>
  ): Step<I, S6, E6>
  <
    I extends C,
    S1 extends C,
    E1,
    S2 extends C,
    E2,
    S3 extends C,
    E3,
    S4 extends C,
    E4,
    S5 extends C,
    E5,
    S6 extends C,
    E6,
    S7 extends C,
    E7
  >(
    a: Shape<I, S1, E1>,
    b: Next<S1, E1, S2, E2>,
    c: Next<S2, E2, S3, E3>,
    d: Next<S3, E3, S4, E4>,
    e: Next<S4, E4, S5, E5>,
    f: Next<S5, E5, S6, E6>,
    g: Next<S6, E6, S7, E7>
  ): Step<I, S7, E7>
  <
    I extends C,
    S1 extends C,
    E1,
    S2 extends C,
    E2,
    S3 extends C,
    E3,
    S4 extends C,
    E4,
    S5 extends C,
    E5,
    S6 extends C,
    E6,
    S7 extends C,
    E7,
    S8 extends C,
    E8
  >(
    a: Shape<I, S1, E1>,
    b: Next<S1, E1, S2, E2>,
    c: Next<S2, E2, S3, E3>,
    d: Next<S3, E3, S4, E4>,
    e: Next<S4, E4, S5, E5>,
    f: Next<S5, E5, S6, E6>,
    g: Next<S6, E6, S7, E7>,
    h: Next<S7, E7, S8, E8>
  ): Step<I, S8, E8>
  <
    I extends C,
    S1 extends C,
    E1,
    S2 extends C,
    E2,
    S3 extends C,
    E3,
    S4 extends C,
    E4,
    S5 extends C,
    E5,
    S6 extends C,
    E6,
    S7 extends C,
    E7,
    S8 extends C,
    E8,
    S9 extends C,
    E9
  >(
    a: Shape<I, S1, E1>,
    b: Next<S1, E1, S2, E2>,
    c: Next<S2, E2, S3, E3>,
    d: Next<S3, E3, S4, E4>,
    e: Next<S4, E4, S5, E5>,
    f: Next<S5, E5, S6, E6>,
    g: Next<S6, E6, S7, E7>,
    h: Next<S7, E7, S8, E8>,
    i: Next<S8, E8, S9, E9>
  ): Step<I, S9, E9>
  <
    I extends C,
    S1 extends C,
    E1,
    S2 extends C,
    E2,
    S3 extends C,
    E3,
    S4 extends C,
    E4,
    S5 extends C,
    E5,
    S6 extends C,
    E6,
    S7 extends C,
    E7,
    S8 extends C,
    E8,
    S9 extends C,
    E9,
    S10 extends C,
    E10
  >(
    a: Shape<I, S1, E1>,
    b: Next<S1, E1, S2, E2>,
    c: Next<S2, E2, S3, E3>,
    d: Next<S3, E3, S4, E4>,
    e: Next<S4, E4, S5, E5>,
    f: Next<S5, E5, S6, E6>,
    g: Next<S6, E6, S7, E7>,
    h: Next<S7, E7, S8, E8>,
    i: Next<S8, E8, S9, E9>,
    j: Next<S9, E9, S10, E10>
  ): Step<I, S10, E10>
} = (...members: ReadonlyArray<unknown>) => Parts.chain(members) as never

// ---- group and chord --------------------------------------------------------------------------------------------------

type Members = ReadonlyArray<AnyShape> | { readonly [name: string]: AnyShape }
type SchemaOf<T> = T extends Shape<C, infer S, unknown> ? S : never
type ErrorOf<T> = T extends Shape<C, C, infer E> ? E : never
type InputOf<T> = T extends Shape<infer I, C, unknown> ? I : never
type MemberOf<T> = T extends ReadonlyArray<infer M> ? M : T[keyof T]

type GroupSchema<T> =
  T extends ReadonlyArray<infer M>
    ? number extends T["length"]
      ? Schema.$Array<SchemaOf<M>>
      : Schema.Tuple<{ readonly [K in keyof T]: SchemaOf<T[K]> }>
    : Schema.Struct<{ readonly [K in keyof T]: SchemaOf<T[K]> }>

type Intersection<U> = (U extends unknown ? (u: U) => void : never) extends (u: infer I) => void ? I : never
type IsOne<T, U = T> = [T] extends [never] ? true : T extends unknown ? ([U] extends [T] ? true : false) : never
type Simplify<T> = { readonly [K in keyof T]: T[K] }

/** Said of a group whose members' inputs can't all be one value; it can't be called. */
export interface DifferentInputs extends Schema.Never {}

/** Leaves out the inputs of members that take nothing, and so anything. */
type Taking<I> = I extends { readonly fields: infer F } ? (keyof F extends never ? never : I) : I

/** The input of all members: theirs if it is one, or a struct of the fields of all. */
type GroupInput<I extends C> = [I] extends [never]
  ? Schema.Struct<{}>
  : false extends IsOne<I>
    ? [I] extends [{ readonly fields: Schema.Struct.Fields }]
      ? Simplify<Intersection<I["fields"]>> extends infer F extends Schema.Struct.Fields
        ? Schema.Struct<F>
        : DifferentInputs
      : DifferentInputs
    : I

/**
 * Several steps on the same input, at once; their values as a tuple for a literal array, an array for any other, or a struct.
 * Structs as inputs are merged: the group takes the fields of all, and each member is given its own.
 *
 * @example
 * ```ts
 * import * as Canvas from "@arpeggio/core/Canvas"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Schema from "effect/Schema"
 *
 * const Image = Schema.Struct({ path: Schema.String })
 * const load = Task.make("load", { input: Schema.Struct({ url: Schema.String }), output: Image })
 * const thumb = Task.make("thumb", { input: Image, output: Image })
 * const blur = Task.make("blur", { input: Image, output: Image })
 * const pack = Task.make("pack", { input: Schema.Array(Image), output: Schema.String })
 *
 * export const album = Canvas.chain(load, Canvas.group([thumb, blur]), pack)
 * export const named = Canvas.chain(load, Canvas.group({ thumb, blur }))
 * ```
 */
export const group = <const T extends Members>(
  members: T
): Group<GroupInput<Taking<InputOf<MemberOf<T>>>>, GroupSchema<T>, ErrorOf<MemberOf<T>>> =>
  Parts.group(members) as never

type Header = AnyShape | Members
type HeaderInput<H> = H extends AnyShape ? InputOf<H> : GroupInput<Taking<InputOf<MemberOf<H>>>>
type HeaderError<H> = H extends AnyShape ? ErrorOf<H> : ErrorOf<MemberOf<H>>
type HeaderSchema<H> =
  H extends Group<infer _, infer S, infer _>
    ? S
    : H extends AnyShape
      ? Schema.Tuple<readonly [SchemaOf<H>]>
      : GroupSchema<H>

/**
 * A group, and a body that takes the values of all its members. The header may be written as the array or struct of a group;
 * a single step that is no group, a chain say, is its only member.
 *
 * @example
 * ```ts
 * import * as Canvas from "@arpeggio/core/Canvas"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Schema from "effect/Schema"
 *
 * const square = Task.make("square", { input: Schema.Struct({ n: Schema.Number }), output: Schema.Number })
 * const sum = Task.make("sum", { input: Schema.Array(Schema.Number), output: Schema.Number })
 *
 * export const sumOfSquares = Canvas.chord([1, 2, 3].map((n) => square.with({ n })), sum)
 * ```
 */
export const chord = <const H extends Header, S extends C, E>(
  header: H,
  body: Next<HeaderSchema<H>, HeaderError<H>, S, E>
): Step<HeaderInput<H>, S, E> => Parts.chord(header, body) as never

// ---- map, starmap, chunks ---------------------------------------------------------------------------------------------

/**
 * A step on every element of the array it is given; the array of its values, in their order. All at once, unlike Celery's.
 *
 * @example
 * ```ts
 * import * as Canvas from "@arpeggio/core/Canvas"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Schema from "effect/Schema"
 *
 * const square = Task.make("square", { input: Schema.Number, output: Schema.Number })
 *
 * export const squares = Canvas.map(square) // of [1, 2, 3]: [1, 4, 9]
 * ```
 */
export const map = <I extends C, S extends C, E>(step: Shape<I, S, E>): Step<Schema.$Array<I>, Schema.$Array<S>, E> =>
  Parts.map(step) as never

type Required<T> = { [K in keyof T]-?: {} extends Pick<T, K> ? never : K }[keyof T]
type NotNamed<I extends C, N extends ReadonlyArray<unknown>> = Exclude<
  Required<Pick<I["Type"], keyof FieldsOf<I> & keyof I["Type"]>>,
  N[number]
>
type Arguments<F, N extends ReadonlyArray<unknown>> = {
  readonly [P in keyof N]: N[P] extends keyof F
    ? F[N[P]] extends Schema.optionalKey<infer X>
      ? Schema.UndefinedOr<X>
      : Extract<F[N[P]], C>
    : never
}

/**
 * Like `map`, over an array of tuples whose positions fill the fields of these names.
 *
 * @example
 * ```ts
 * import * as Canvas from "@arpeggio/core/Canvas"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Schema from "effect/Schema"
 *
 * const add = Task.make("add", { input: Schema.Struct({ x: Schema.Number, y: Schema.Number }), output: Schema.Number })
 *
 * export const sums = Canvas.starmap(add, ["x", "y"]) // of [[1, 2], [3, 4]]: [3, 7]
 * ```
 */
export const starmap = <I extends C, S extends C, E, const N extends ReadonlyArray<keyof FieldsOf<I>>>(
  step: Shape<I, S, E>,
  names: N & ([NotNamed<I, N>] extends [never] ? unknown : { readonly "Not named": NotNamed<I, N> })
): Step<Schema.$Array<Schema.Tuple<Arguments<FieldsOf<I>, N>>>, Schema.$Array<S>, E> =>
  Parts.starmap(step, names as never) as never

/**
 * A list that is known when the flow is written, cut into chunks of a size: all chunks at once, the calls in a chunk one
 * after the other; an array of an array of values per chunk, the last of which may be shorter. It takes no input: in a chain
 * it runs after the member before it.
 *
 * To go over an array that a run computes with a bound on how much happens at once, use `Flow.forEach` with `concurrency`.
 *
 * @example
 * ```ts
 * import * as Canvas from "@arpeggio/core/Canvas"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Schema from "effect/Schema"
 *
 * const square = Task.make("square", { input: Schema.Number, output: Schema.Number })
 *
 * export const squares = Canvas.chunks(square, [1, 2, 3, 4, 5], 2) // [[1, 4], [9, 16], [25]]
 * ```
 */
export const chunks = <I extends C, S extends C, E, const A extends ReadonlyArray<Input<I>>>(
  step: Shape<I, S, E>,
  inputs: A,
  size: number
): Step<Schema.Struct<{}>, Schema.$Array<Schema.$Array<S>>, E | InputError<I, A[number]>> =>
  Parts.chunks(step, inputs, size) as never

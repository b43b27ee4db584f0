/**
 * A ref is a value that will be computed: what calling a task or a flow gives. It is not a promise: it has no value while
 * the flow is written, and awaiting it gives the ref itself. It carries the schema of its value, so the parts that the
 * schema names are refs too: `image.size.width`, `pair[0]`, `list.at(3)`.
 *
 * `Ref<S, E>` knows its schema `S` and with it the parts, `RefBase<S, E>` is the same without them, and what a function
 * takes that only hands it on; `RefTo<A, E>` knows the type of the value only. `E` are the declared errors that can keep the
 * value from being there.
 */
import type { Pipeable } from "effect/Pipeable"
import type * as Schema from "effect/Schema"
import * as Origin from "./definition/Origin.ts"

// Members of a class are left out when an object is spread: `{ ...ref }` has the fields and no trace of the ref.
declare class Phantom<out A, out E> {
  "~arpeggio/Ref"(): { readonly value: A; readonly error: E }
}
declare class PhantomSchema<out S extends Schema.Constraint, out E> extends Phantom<S["Type"], E> {
  "~arpeggio/Schema"(): S
}
declare class Piped {
  get pipe(): Pipeable["pipe"]
}

/** A ref to a value of type `A` that may fail to be there with an `E`. */
export interface RefTo<out A, out E = never> extends Phantom<A, E> {}

/** A ref that knows the schema of its value. */
export interface RefBase<out S extends Schema.Constraint, out E = never> extends PhantomSchema<S, E> {}

/** Something with the keys that a schema's values have: a struct, a class, a tagged error. */
type HasFields<F> = { readonly fields: F }
type Fields = Schema.Struct.Fields

/**
 * A ref with the parts its schema names.
 *
 * - of a struct, a class, a tagged error: the fields; an optional one is a ref to its type or `undefined`. They can be
 *   destructured and spread.
 * - of a tuple: its positions; it is a readonly array of refs.
 * - of an array: `at(index)`, counted from 0.
 * - else nothing.
 *
 * Every ref has `pipe`, but for one whose schema has a field of that name: names of the schema win.
 *
 * @example
 * ```ts
 * import type { Ref } from "@arpeggio/core/Ref"
 * import * as Schema from "effect/Schema"
 *
 * const Image = Schema.Struct({ path: Schema.String, size: Schema.Tuple([Schema.Int, Schema.Int]) })
 *
 * export const width = (image: Ref<typeof Image>): Ref<typeof Schema.Int> => image.size[0]
 * ```
 */
export type Ref<S extends Schema.Constraint, E = never> = RefBase<S, E> & Parts<S, E>

type Parts<S, E> =
  S extends HasFields<infer F extends Fields>
    ? { readonly [K in keyof F & string]: Part<F[K], E> } & (F extends { readonly pipe: unknown } ? unknown : Piped)
    : S extends Schema.Tuple<infer Elements>
      ? { readonly [K in keyof Elements]: Elements[K] extends Schema.Constraint ? Part<Elements[K], E> : never } & Piped
      : S extends Schema.$Array<infer I> | Schema.NonEmptyArray<infer I>
        ? { at(index: number): Ref<I, E> } & Piped
        : Piped

type Part<S extends Schema.Constraint, E> =
  S extends Schema.optionalKey<infer X>
    ? Ref<X extends Schema.UndefinedOr<Schema.Constraint> ? X : Schema.UndefinedOr<X>, E>
    : Ref<S, E>

/** The type of a ref's value. */
export type Value<R> = R extends RefTo<infer A, unknown> ? A : never

/** The schema of a ref's value. */
export type SchemaOf<R> = R extends RefBase<infer S, unknown> ? S : never

/** The declared errors of a ref. */
export type Error<R> = R extends RefTo<unknown, infer E> ? E : never

/** Whether a value is a ref. */
export const isRef = (u: unknown): u is RefTo<unknown, unknown> => Origin.of(u) !== undefined

// ---- inputs -----------------------------------------------------------------------------------------------------------

/**
 * What a step takes where its schema says `S`: a value, a ref to one, or a mixture of both where the schema has structure:
 * in the fields of a struct, the elements of an array, the positions of a tuple. A union, a record and a transformed
 * schema are taken as a whole. A struct without fields takes anything: there is nothing in it to fit.
 */
export type Input<S extends Schema.Constraint> =
  S extends Schema.optionalKey<infer X>
    ? Input<X> | RefTo<X["Type"] | undefined, unknown>
    : RefTo<S["Type"], unknown> | Structure<S>

type Structure<S extends Schema.Constraint> =
  S extends HasFields<infer F extends Fields>
    ? keyof F extends never
      ? unknown
      : { readonly [K in keyof Pick<S["Type"], keyof F & keyof S["Type"]>]: K extends keyof F ? Input<F[K]> : never }
    : S extends Schema.$Array<infer I>
      ? ReadonlyArray<Input<I>>
      : S extends Schema.Tuple<infer Elements>
        ? { readonly [K in keyof Elements]: Elements[K] extends Schema.Constraint ? Input<Elements[K]> : never }
        : S["Type"]

/** The declared errors of the refs in an input. */
export type InputError<S, A> =
  A extends RefTo<unknown, infer E>
    ? E
    : S extends HasFields<infer F extends Fields>
      ? { [K in keyof A & keyof F]: InputError<F[K], A[K]> }[keyof A & keyof F]
      : S extends Schema.optionalKey<infer X>
        ? InputError<X, A>
        : S extends Schema.$Array<infer I>
          ? A extends ReadonlyArray<infer X>
            ? InputError<I, X>
            : never
          : S extends Schema.Tuple<infer Elements>
            ? { [K in keyof A & keyof Elements]: InputError<Elements[K], A[K]> }[keyof A & keyof Elements & `${number}`]
            : never

/** Says no to fields that a schema does not have, however deep; the type parameter of a call would let them through. */
export type Exact<S extends Schema.Constraint, A> =
  A extends RefTo<unknown, unknown>
    ? unknown
    : S extends HasFields<infer F extends Fields>
      ? {
          readonly [K in Exclude<keyof A, never>]?: K extends keyof F
            ? Exact<F[K], A[K]>
            : // What a class makes may have members beside its fields.
              K extends keyof S["Type"]
              ? unknown
              : NoSuchField<K>
        }
      : unknown

// An interface, since a literal type that says it would make the whole argument `never`.
/** What a field is told that the input does not have. */
export interface NoSuchField<K> {
  readonly "The input has no field": K
}

// ---- errors -----------------------------------------------------------------------------------------------------------

/**
 * The error a catch handler is given, as a ref. Its fields are refs to what the error's schema has; what the class adds on
 * top is not recorded with a run. So `message` is there when the schema has that field; a flow that asks for it anyway does
 * not compile to a plan.
 */
export type ErrorRef<E> = RefTo<E> & { readonly [K in ErrorField<E>]: RefBase<Schema.Codec<E[K]>> } & Piped

type ErrorField<E> = Exclude<
  keyof E & string,
  "name" | "stack" | "cause" | "pipe" | "asEffect" | "toString" | "toJSON" | `~${string}`
>

/** What a type must be, for type tests: it fails to compile when it is another. */

/** Whether two types are one. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** `expectType<Expected>()(value)` compiles when the value's type is exactly the expected one. */
export const expectType =
  <Expected>() =>
  <Actual>(
    _actual: Actual & (Equal<Actual, Expected> extends true ? unknown : { readonly "Expected another type": Expected })
  ): void => {}

/**
 * What a definition is made of, before it is compiled: steps, made one by one while a region's callback runs.
 *
 * A step is immutable and known by identity: two refs to one step are one node of the plan. A step never fails to be
 * made; what is wrong with it is its `problem`, reported by the compiler with its call site.
 */
import type * as Schema from "effect/Schema"
import type { Policy } from "../plan/Document.ts"
import { capture } from "./CallSite.ts"
import type { Region } from "./Region.ts"
import * as Regions from "./Region.ts"

/** A contract as the compiler needs it; `Task` is one. */
export interface Contract {
  readonly key: string
  readonly input: Schema.Constraint
  readonly output: Schema.Constraint
  readonly error: Schema.Constraint
  readonly policy: Policy
}

/** Where a step was made: `file:line:column`, or nothing where the platform gives no stack. */
export type CallSite = string | undefined

interface StepFields {
  /** The region it was made in; nothing when it was made outside of any flow. */
  readonly region: Region | undefined
  readonly site: CallSite
  /** The schema of its value. */
  readonly output: Schema.Constraint
  /** What is wrong with it, in a sentence with a way out. */
  readonly problem: string | undefined
}

/** A value with refs nested in it where the schema has structure. */
export type Nested = unknown

/** A task called with an input. */
export interface Call extends StepFields {
  readonly _tag: "Call"
  readonly task: Contract
  readonly input: Nested
}

/** A flow called inside another: its graph, inlined as a region. */
export interface Inline extends StepFields {
  readonly _tag: "Inline"
  readonly argument: Nested
  /** The schema of the argument. */
  readonly input: Schema.Constraint
  readonly body: Region
}

/** A value known when the flow is written. */
export interface Literal extends StepFields {
  readonly _tag: "Literal"
  readonly value: Nested
}

/** Several refs as one: a tuple (array) or a struct (record) of them. */
export interface All extends StepFields {
  readonly _tag: "All"
  readonly members: ReadonlyArray<unknown> | { readonly [key: string]: unknown }
  /** `failFast` fails with the first failure recorded, `settled` waits for all and fails with the first declared, `result` gives a Result each. */
  readonly mode: "failFast" | "settled" | "result"
}

/** One instance of the body per element. */
export interface ForEach extends StepFields {
  readonly _tag: "ForEach"
  /** A ref to an array. */
  readonly over: unknown
  readonly body: Region
  readonly concurrency: number | undefined
}

/** A ref whose failures are handled: the first case whose tags match. */
export interface Catch extends StepFields {
  readonly _tag: "Catch"
  readonly of: unknown
  readonly cases: ReadonlyArray<{ readonly tags: "declared" | ReadonlyArray<string>; readonly body: Region }>
}

/** A ref's outcome as a value: `Result<A, E>`. */
export interface Result extends StepFields {
  readonly _tag: "Result"
  readonly of: unknown
}

/** The step of a ref, ordered after others without using their values. Same node as `of`. */
export interface After extends StepFields {
  readonly _tag: "After"
  readonly of: unknown
  readonly deps: ReadonlyArray<unknown>
}

/** The step of a ref with another policy: its own, or for an inlined flow that of all tasks in it. Same node as `of`. */
export interface WithPolicy extends StepFields {
  readonly _tag: "WithPolicy"
  readonly of: unknown
  readonly policy: Policy
}

export type Step = Call | Inline | Literal | All | ForEach | Catch | Result | After | WithPolicy

/** What the maker of a step says; where it was made is found here. */
export type Made<S extends Step> = Omit<S, "region" | "site">

/** Makes a step, here and now: it belongs to the region that is open, and its site is where the user's code is. */
export const make = <S extends Step>(fields: Made<S>): S => {
  const captured = capture()
  const region = Regions.current()
  const step = { ...fields, region, site: undefined } as unknown as S
  Object.defineProperty(step, "site", { get: () => captured.site, enumerable: true })
  Object.freeze(step)
  region?.steps.push(step)
  return step
}

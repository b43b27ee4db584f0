/**
 * Steps that do no work of their own: they put values together, order them, or set how others are run. A ref that is none
 * is a problem of the step it was given to, which the compiler reports with its place.
 */
import * as Schema from "effect/Schema"
import * as Errors from "./Errors.ts"
import * as Origin from "./Origin.ts"
import { normalize } from "./Policy.ts"
import type { PolicyOptions } from "./Policy.ts"
import * as Step from "./Step.ts"
import { union } from "./Structure.ts"

/** The schema of a ref; of what is none, one that nothing fits. */
export const schemaOf = (ref: unknown): Schema.Constraint => Origin.of(ref)?.schema ?? Schema.Never

/** The schema of a ref's outcome. */
const resultOf = (ref: unknown): Schema.Constraint => Schema.Result(schemaOf(ref), union(Errors.of(ref)))

export const succeed = (schema: Schema.Constraint, value: unknown): Origin.AnyRef =>
  Origin.ofStep(Step.make<Step.Literal>({ _tag: "Literal", value, output: schema, problem: undefined }))

/** The schema that has exactly this primitive. */
export const literalSchema = (value: unknown): Schema.Constraint => {
  if (value === null) return Schema.Null
  const primitive = typeof value === "string" || typeof value === "number" || typeof value === "boolean"
  return primitive ? Schema.Literal(value) : Schema.Never
}

const isIterable = (u: unknown): u is Iterable<unknown> => typeof u === "object" && u !== null && Symbol.iterator in u

/** The refs of an array, an iterable or a struct. */
const membersOf = (refs: unknown): Step.All["members"] | undefined => {
  if (isIterable(refs)) return [...refs]
  return typeof refs === "object" && refs !== null && Origin.of(refs) === undefined ? { ...refs } : undefined
}

const notMembers =
  "`Flow.all` takes refs: an array or a struct of them. Give it what steps returned; make a ref of a value with `Flow.succeed`."

export const all = (refs: unknown, mode: Step.All["mode"]): Origin.AnyRef => {
  const found = membersOf(refs)
  const members = found ?? []
  const schema = mode === "result" ? resultOf : schemaOf
  const output: Schema.Constraint = Array.isArray(members)
    ? Schema.Tuple(members.map(schema))
    : Schema.Struct(Object.fromEntries(Object.entries(members).map(([name, ref]) => [name, schema(ref)])))
  const problem = found === undefined ? notMembers : undefined
  return Origin.ofStep(Step.make<Step.All>({ _tag: "All", members, mode, output, problem }))
}

export const result = (of: unknown): Origin.AnyRef =>
  Origin.ofStep(Step.make<Step.Result>({ _tag: "Result", of, output: resultOf(of), problem: undefined }))

/** Orders the step of a ref after others. */
export const after = (of: unknown, deps: ReadonlyArray<unknown>): Origin.AnyRef =>
  Origin.ofStep(Step.make<Step.After>({ _tag: "After", of, deps, output: schemaOf(of), problem: undefined }))

export const withPolicy = (of: unknown, options: PolicyOptions): Origin.AnyRef => {
  const { policy, problem } = normalize(options)
  return Origin.ofStep(Step.make<Step.WithPolicy>({ _tag: "WithPolicy", of, policy, output: schemaOf(of), problem }))
}

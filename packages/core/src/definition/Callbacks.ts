/**
 * Steps with a region: the callback runs here, once, and what it makes belongs to the region. Whatever it throws, and
 * whatever it returns that is no ref, stays on the region for the compiler.
 */
import * as Schema from "effect/Schema"
import * as Failure from "../Failure.ts"
import type { Definition } from "./Definition.ts"
import * as Errors from "./Errors.ts"
import { schemaOf } from "./Joins.ts"
import * as Origin from "./Origin.ts"
import * as Region from "./Region.ts"
import * as Step from "./Step.ts"
import { elementOf, positions, tagOf, union } from "./Structure.ts"

// ---- flows ------------------------------------------------------------------------------------------------------------

const isOpen = (key: string): boolean => {
  for (let region = Region.current(); region !== undefined; region = region.parent) {
    if (region.kind === "flow" && region.label === key) return true
  }
  return false
}

/** Calls a flow: its body runs in a region of its own, with the argument for its input. */
export const inline = (flow: Definition, output: Schema.Constraint | undefined, argument: unknown): Origin.AnyRef => {
  const contains = isOpen(flow.key)
  const body = Region.run({ kind: "flow", label: flow.key, parameter: flow.input }, (region) => {
    const input = Origin.ofParameter(region)
    return contains ? input : flow.body(input)
  })
  const problem = contains
    ? `Flow ${flow.key} is called inside itself, and a flow can't contain itself: its graph would have no end. Give another flow another key, or go over a list with \`Flow.forEach\`.`
    : flow.problem
  return Origin.ofStep(
    Step.make<Step.Inline>({
      _tag: "Inline",
      argument,
      input: flow.input,
      body,
      output: output ?? schemaOf(body.result),
      problem
    })
  )
}

// ---- forEach ----------------------------------------------------------------------------------------------------------

type Each = (item: Origin.AnyRef, index: Origin.AnyRef) => unknown

const notArray =
  "`Flow.forEach` goes over a ref to an array. For an array of values or of refs, call the step on each and join the refs with `Flow.all`."

const concurrencyProblem = (concurrency: number | undefined): string | undefined =>
  concurrency === undefined || (Number.isInteger(concurrency) && concurrency > 0)
    ? undefined
    : `\`concurrency\` is ${String(concurrency)}; give a whole number from 1, or leave it out for no bound.`

export const forEach = (over: unknown, body: Each, concurrency: number | undefined): Origin.AnyRef => {
  const schema = schemaOf(over)
  const element = elementOf(schema)
  // Over no members at all there is nothing to run, and no schema that the body could be given a ref of.
  if (positions(schema)?.length === 0) return over as Origin.AnyRef
  const region = Region.run({ kind: "forEach", label: "each", parameter: element ?? Schema.Never }, (region) =>
    body(Origin.ofParameter(region), Origin.ofIndex(region))
  )
  return Origin.ofStep(
    Step.make<Step.ForEach>({
      _tag: "ForEach",
      over,
      body: region,
      concurrency,
      output: Schema.Array(schemaOf(region.result)),
      problem: element === undefined ? notArray : concurrencyProblem(concurrency)
    })
  )
}

// ---- catch ------------------------------------------------------------------------------------------------------------

type Handle = (error: Origin.AnyRef) => unknown
type Tags = Step.Catch["cases"][number]["tags"]

/** What can fail a node beside the errors its task declares. */
const stepFailures: ReadonlyArray<Schema.Constraint> = [
  Failure.TimedOut,
  Failure.Expired,
  Failure.PoisonPill,
  Failure.PayloadMismatch,
  Failure.Defect,
  Failure.Cancelled
]

const tagsOf = (schemas: ReadonlyArray<Schema.Constraint>): ReadonlyArray<string> =>
  schemas.flatMap((schema) => tagOf(schema) ?? [])

const unknownTags = (tags: ReadonlyArray<string>, known: ReadonlyArray<string>): string | undefined => {
  const unknown = tags.filter((tag) => !known.includes(tag))
  return unknown.length === 0
    ? undefined
    : `Nothing here fails with ${unknown.map((tag) => JSON.stringify(tag)).join(" or ")}. It can fail with ${known.join(", ")}.`
}

/** Handles failures of a ref: the first case whose tags match. */
export const catches = (
  of: unknown,
  cases: ReadonlyArray<{ readonly tags: Tags; readonly handle: Handle }>
): Origin.AnyRef => {
  const declared = Errors.of(of)
  const made = cases.map(({ handle, tags }) => {
    const caught =
      tags === "declared"
        ? declared
        : [...declared, ...stepFailures].filter((schema) => tags.includes(tagOf(schema) ?? ""))
    const label = tags === "declared" ? "any declared error" : tags.join(" | ")
    const region = Region.run({ kind: "catch", label, parameter: union(caught) }, (region) =>
      handle(Origin.ofParameter(region))
    )
    return { tags, body: region }
  })
  const named = cases.flatMap(({ tags }) => (tags === "declared" ? [] : tags))
  return Origin.ofStep(
    Step.make<Step.Catch>({
      _tag: "Catch",
      of,
      cases: made,
      output: union([of, ...made.map(({ body }) => body.result)].map(schemaOf)),
      problem: unknownTags(named, tagsOf([...declared, ...stepFailures]))
    })
  )
}

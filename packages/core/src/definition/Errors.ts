/**
 * Which declared errors can reach a ref: those of the tasks it depends on, less what is caught on the way. The types track
 * the same thing; this is for the schemas, which types can't carry to run time.
 */
import type * as Schema from "effect/Schema"
import * as Origin from "./Origin.ts"
import type { Region } from "./Region.ts"
import type { Step } from "./Step.ts"
import { members, tagOf } from "./Structure.ts"

type Errors = ReadonlySet<Schema.Constraint>

/** The steps that a value with refs in it stands on. */
const stepsIn = (nested: unknown): ReadonlyArray<Step> =>
  Array.from(Origin.inside(nested)).flatMap(({ source }) => (source._tag === "Step" ? source.step : []))

/** What a step stands on: inputs, and the results of the regions in it. */
const dependencies = (step: Step): ReadonlyArray<Step> => {
  switch (step._tag) {
    case "Call":
      return stepsIn(step.input)
    case "Inline":
      return [...stepsIn(step.argument), ...stepsIn(step.body.result)]
    case "Literal":
      return stepsIn(step.value)
    case "All":
      return Object.values(step.members).flatMap(stepsIn)
    case "ForEach":
      return [...stepsIn(step.over), ...stepsIn(step.body.result)]
    case "Catch":
      return [...stepsIn(step.of), ...step.cases.flatMap((each) => stepsIn(each.body.result))]
    case "Result":
    case "WithPolicy":
      return stepsIn(step.of)
    case "After":
      return [...stepsIn(step.of), ...step.deps.flatMap(stepsIn)]
  }
}

const known = new WeakMap<Step, Errors>()
const none: Errors = new Set()

const all = (steps: ReadonlyArray<Step>): Set<Schema.Constraint> =>
  new Set(steps.flatMap((step) => [...(known.get(step) ?? none)]))

/** The errors of a step whose dependencies are known. */
const own = (step: Step): Errors => {
  const errors = all(dependencies(step))
  switch (step._tag) {
    case "Call":
      for (const member of members(step.task.error)) {
        if (member.ast._tag !== "Never") errors.add(member)
      }
      return errors
    case "Result":
      return none
    case "All":
      return step.mode === "result" ? none : errors
    case "Catch": {
      const left = all(stepsIn(step.of))
      for (const { tags } of step.cases) {
        for (const error of left) {
          if (tags === "declared" || tags.includes(tagOf(error) ?? "")) left.delete(error)
        }
      }
      const raised = all(step.cases.flatMap((each) => stepsIn(each.body.result)))
      return new Set([...left, ...raised])
    }
    default:
      return errors
  }
}

/** Dependencies first, and without recursion: a chain may be tens of thousands of steps long. */
const learn = (roots: ReadonlyArray<Step>): void => {
  const stack = [...roots]
  while (stack.length > 0) {
    const step = stack[stack.length - 1]!
    const missing = known.has(step) ? [] : dependencies(step).filter((dependency) => !known.has(dependency))
    if (missing.length > 0) {
      stack.push(...missing)
    } else {
      if (!known.has(step)) known.set(step, own(step))
      stack.pop()
    }
  }
}

/** The schemas of the declared errors that a ref, or a value with refs in it, can fail with; unions taken apart. */
export const of = (nested: unknown): ReadonlyArray<Schema.Constraint> => {
  const steps = stepsIn(nested)
  learn(steps)
  return [...all(steps)]
}

const isInlined = (region: Region | undefined): boolean => {
  for (let open = region; open !== undefined; open = open.parent) {
    if (open.kind === "flow" && open.parent !== undefined) return true
  }
  return false
}

/**
 * What "every declared error" means of a ref, to a step of this region. In a flow that is inlined, what its argument fails
 * with reaches the steps that use it, and the flow, typed without it, can't take it for one of its own: so there they are
 * the errors that are declared inside, by their tags.
 */
export const declared = (ref: unknown, region: Region | undefined): "declared" | ReadonlyArray<string> => {
  if (!isInlined(region)) return "declared"
  const tags = of(ref).map(tagOf)
  return tags.every((tag) => tag !== undefined) ? tags : "declared"
}

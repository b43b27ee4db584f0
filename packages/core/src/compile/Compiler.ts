/**
 * From a definition to a plan: a pure, total function. What is wrong is reported all at once.
 */
import { memoize } from "effect/Function"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as Definition from "../definition/Definition.ts"
import * as Origin from "../definition/Origin.ts"
import * as Region from "../definition/Region.ts"
import type { Contract } from "../definition/Step.ts"
import { InvalidPlan } from "../Failure.ts"
import { version } from "../plan/Document.ts"
import type { Plan } from "../plan/Document.ts"
import { cycle } from "../plan/Graph.ts"
import { hash } from "../plan/Hash.ts"
import { Annotations } from "./Annotations.ts"
import { contract } from "./JsonSchema.ts"
import { order } from "./Order.ts"
import { Problems } from "./Problems.ts"
import { Refs } from "./Refs.ts"
import { Steps } from "./Steps.ts"

/** What can be compiled: a task, a flow, a canvas, or any function from a ref to a ref with a key and a schema. */
export interface Compilable {
  readonly key: string
  readonly input: Schema.Constraint
}

/** A plan and the hash that names it, with the schemas that a plan, being JSON, can't hold. */
export interface Compiled {
  readonly plan: Plan
  readonly hash: string
  /** The tasks that occur, by key. */
  readonly tasks: ReadonlyMap<string, Contract>
  readonly input: Schema.Constraint
  readonly output: Schema.Constraint
}

/**
 * Compiles a task, a flow or a canvas to a plan. Pure and total: it runs the body of the flow, which only makes steps, and
 * never throws. The same definition is compiled once and gives the same result object again; in another process it gives
 * a plan of the same hash.
 *
 * Fails with `InvalidPlan`, which has everything that is wrong with the definition: for each problem the step, the call
 * site, and a sentence with a way out.
 *
 * @example
 * ```ts
 * import * as Plan from "@arpeggio/core/Plan"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Result from "effect/Result"
 * import * as Schema from "effect/Schema"
 *
 * const greet = Task.make("greet", { input: Schema.Struct({ name: Schema.String }), output: Schema.String })
 *
 * const { plan, hash } = Result.getOrThrow(Plan.compile(greet))
 * console.log(plan.nodes.map((node) => node.id), hash.slice(0, 8))
 * ```
 */
export const compile: (shape: Compilable) => Result.Result<Compiled, InvalidPlan> = memoize((shape) => {
  const problems = new Problems()
  const definition = Definition.of(shape)
  const root = open(shape, definition?.body ?? (shape as unknown as (input: object) => unknown))
  const annotations = new Annotations()
  annotations.gather(root)
  const refs = new Refs(problems, annotations)
  const steps = new Steps(annotations, refs)
  steps.root(root)
  const orderedAt = order(steps.blueprint, annotations, refs, steps.starts)
  refs.findUnused()
  const output = Origin.of(root.result)?.schema
  const plan: Plan = {
    version,
    flow: shape.key,
    ...steps.blueprint.finish(),
    tasks: steps.contracts.inJson,
    input: contract(shape.input),
    output: output === undefined ? null : contract(output)
  }
  const around = cycle(plan)
  if (around !== undefined) {
    const path = around.map((node) => plan.nodes[node]!.id)
    const site = path.map((id) => orderedAt.get(id)).find((found) => found !== undefined)
    const way = [...path, path[0]!].join(" ← ")
    problems.add(path[0]!, `It waits for itself: ${way}. Remove one of the \`Flow.after\` on the way.`, site)
  }
  const own = definition?.problem
  if (own !== undefined && !problems.found.some(({ message }) => message === own)) problems.add(shape.key, own)
  return problems.found.length > 0
    ? Result.fail(new InvalidPlan({ flow: shape.key, problems: problems.found }))
    : Result.succeed({
        plan,
        hash: hash(plan),
        tasks: steps.contracts.withSchemas,
        input: shape.input,
        // Without one there is a problem.
        output: output!
      })
})

/** Runs the callback in a region of its own. A function that does nothing but inline one flow is that flow. */
const open = (shape: Compilable, body: (input: object) => unknown): Region.Region => {
  const root = Region.run({ kind: "flow", label: shape.key, parameter: shape.input }, (region) =>
    body(Origin.ref({ source: { _tag: "Parameter", region }, path: [], schema: shape.input }))
  )
  const [step, ...others] = root.steps
  if (step?._tag !== "Inline" || others.length > 0 || step.problem !== undefined) return root
  const argument = Origin.of(step.argument)
  const result = Origin.of(root.result)
  const onlyInlines =
    argument?.source._tag === "Parameter" &&
    argument.source.region === root &&
    argument.path.length === 0 &&
    result?.source._tag === "Step" &&
    result.source.step === step &&
    result.path.length === 0
  return onlyInlines ? step.body : root
}

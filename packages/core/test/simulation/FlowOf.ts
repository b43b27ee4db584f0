/**
 * The real flow of an expression: written with `Task` and `Flow` as a user would, and compiled to a plan.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Flow from "@arpeggio/core/Flow"
import * as Plan from "@arpeggio/core/Plan"
import * as Task from "@arpeggio/core/Task"
import type { Call, Expression, Region } from "./Expressions.ts"

class A extends Schema.TaggedError<A>()("A", { n: Schema.Number }) {}
class B extends Schema.TaggedError<B>()("B", { n: Schema.Number }) {}

// What the expressions are is not known to the type checker, so they are built as if all of it were fine.
type AnyRef = never
const Args = Schema.Struct({ args: Schema.Array(Schema.Json) })
const error = Schema.Union([A, B])

const taskOf = (call: Call) =>
  Task.make(keyOf(call), {
    input: Args,
    output: call.isArray ? Schema.Array(Schema.Number) : (Schema.Number as never),
    error
  })

/** The key of the task of a call. */
export const keyOf = (call: Call): string => `t${call.id}`

export interface Compiled {
  readonly plan: Plan.Plan
  readonly hash: string
}

/** Compiles the flow of a region. Throws when it is refused: every flow that is generated is a good one. */
export const compile = (root: Region): Compiled => {
  const flow = Flow.make("flow", { input: Schema.Struct({ xs: Schema.Array(Schema.Number) }) }, ({ xs }) =>
    new Writer(new Map([[root.parameters[0]!, xs as AnyRef]])).write(root)
  )
  const compiled = Plan.compile(flow)
  if (Result.isFailure(compiled)) throw compiled.failure
  return compiled.success
}

class Writer {
  readonly #refs: Map<Expression, AnyRef>

  constructor(refs: Map<Expression, AnyRef>) {
    this.#refs = refs
  }

  write(region: Region): AnyRef {
    for (const step of region.steps) this.#refs.set(step, this.#step(step))
    return this.#ref(region.result!)
  }

  #ref(expression: Expression): AnyRef {
    if (expression._tag !== "Literal") return this.#refs.get(expression)!
    // Made where it is used, like any literal.
    const { value } = expression
    return (
      typeof value === "number" ? Flow.succeed(value) : Flow.succeed(Schema.Array(Schema.Number), value)
    ) as AnyRef
  }

  #step(step: Expression): AnyRef {
    switch (step._tag) {
      case "Call": {
        const { attempts, delay, except, expires } = step.policy
        const ref = taskOf(step)({
          args: step.args.map((arg) => (arg._tag === "Literal" ? arg.value : this.#ref(arg)))
        } as never)
        const policy = {
          retry: { attempts, except, base: 10 },
          ...(delay === undefined ? {} : { delay }),
          ...(expires === undefined ? {} : { expires })
        }
        return this.#after(Flow.withPolicy(ref as never, policy as never), step.after)
      }
      case "All":
        return this.#after(
          Flow.all(
            step.members.map((member) => this.#ref(member)),
            { mode: step.mode }
          ),
          step.after
        )
      case "Result":
        return Flow.result(this.#ref(step.of)) as AnyRef
      case "Catch":
        return this.#catch(step) as AnyRef
      case "Each": {
        const { body, concurrency, over } = step
        const write = (item: unknown, index: unknown) => {
          this.#refs.set(body.parameters[0]!, item as AnyRef)
          this.#refs.set(body.parameters[1]!, index as AnyRef)
          return this.write(body)
        }
        return this.#after(Flow.forEach(this.#ref(over), write as never, { concurrency }), step.after)
      }
      default:
        return this.#ref(step)
    }
  }

  #after(ref: unknown, deps: ReadonlyArray<Expression>): AnyRef {
    const [first, ...others] = deps.map((dep) => this.#ref(dep))
    return first === undefined ? (ref as AnyRef) : (Flow.after(ref as AnyRef, first, ...others) as AnyRef)
  }

  #catch({ cases, of }: Extract<Expression, { _tag: "Catch" }>): unknown {
    const self = this.#ref(of)
    const handle = (body: Region) =>
      ((error: AnyRef) => {
        this.#refs.set(body.parameters[0]!, error)
        return this.write(body)
      }) as never
    const [first] = cases
    if (first!.tags === "declared") return Flow.catch(self, handle(first!.body))
    if (cases.length === 1) return Flow.catchTag(self, first!.tags as never, handle(first!.body))
    return Flow.catchTags(self, Object.fromEntries(cases.map(({ body, tags }) => [tags[0]!, handle(body)])) as never)
  }
}

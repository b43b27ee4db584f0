import * as Flow from "@arpeggio/core/Flow"
import * as Plan from "@arpeggio/core/Plan"
import * as Task from "@arpeggio/core/Task"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { describe, expect, it } from "vitest"
import { estimate } from "@arpeggio/cli/Estimate"
import * as Trace from "@arpeggio/cli/Trace"

/** A plan of timed steps: how long each takes, and after which others. */
const planOf = (steps: ReadonlyArray<readonly [seconds: number, ...parents: ReadonlyArray<number>]>): Plan.Plan => {
  const tasks = steps.map(([seconds, ...parents], i) => ({ id: `t${i}`, name: `t${i}`, kind: "t", seconds, parents }))
  return Result.getOrThrow(Plan.compile(Trace.toFlow({ name: "test", makespan: 0, tasks }).flow)).plan
}

const of = (plan: Plan.Plan, elements = 1) => estimate(plan, { duration: Trace.secondsOf, elements })
const unit = (plan: Plan.Plan, elements: number) => estimate(plan, { duration: () => 1, elements })

class Oops extends Schema.TaggedError<Oops>()("Oops", {}) {}
const any = { input: Schema.Unknown, output: Schema.Unknown }
const list = Task.make("list", { input: Schema.Unknown, output: Schema.Array(Schema.String) })
const work = Task.make("work", { ...any, error: Oops })
const mend = Task.make("mend", any)
const join = Task.make("join", any)

describe("Estimate", () => {
  it("finds the longest chain, the depth and the width of a diamond", () => {
    const about = of(planOf([[1], [5, 0], [2, 0], [1, 1, 2]]))
    expect(about).toMatchObject({ calls: 4, depth: 3, width: 2, work: 9, critical: { length: 7 } })
    expect(about.critical.nodes).toEqual([0, 1, 3])
  })

  it("needs all the work on one slot, and the critical path on enough of them", () => {
    const about = of(planOf([[1], [5, 0], [2, 0], [1, 1, 2]]))
    expect([1, 2, 100].map(about.makespan)).toEqual([9, 7, 7])
  })

  it("starts what has the longest way to go first", () => {
    // Two slots: the chain 3 → 3 must begin at once, with the four short ones beside it.
    const about = of(planOf([[1], [1], [1], [1], [3], [3, 4]]))
    expect(about.makespan(2)).toBe(6)
  })

  it("takes as many instances of a forEach as it is told, and none for zero", () => {
    const flow = Flow.make("each", { input: Schema.Unknown }, (input) =>
      join(Flow.forEach(list(input), (name) => mend(work(name))))
    )
    const { plan } = Result.getOrThrow(Plan.compile(flow))
    expect(unit(plan, 10)).toMatchObject({ calls: 22, depth: 4, width: 10 })
    expect(unit(plan, 10).makespan(5)).toBe(1 + 4 + 1)
    expect(unit(plan, 0)).toMatchObject({ calls: 2, depth: 2 })
  })

  it("unrolls a forEach inside of another", () => {
    const flow = Flow.make("nested", { input: Schema.Unknown }, (input) =>
      Flow.forEach(list(input), (name) => Flow.forEach(list(name), (inner) => work(inner)))
    )
    const { plan } = Result.getOrThrow(Plan.compile(flow))
    expect(unit(plan, 3)).toMatchObject({ calls: 1 + 3 + 9, depth: 3, width: 9 })
  })

  it("leaves out what only runs after a failure", () => {
    const flow = Flow.make("caught", { input: Schema.Unknown }, (input) =>
      join(Flow.catchTag(work(input), "Oops", () => mend({})))
    )
    const { plan } = Result.getOrThrow(Plan.compile(flow))
    expect(unit(plan, 1)).toMatchObject({ calls: 2, depth: 2 })
  })
})

/** Plans that more than one group uses. */
import type { Plan, Policy } from "../../plan/Document.ts"
import * as PlanBuilder from "../PlanBuilder.ts"

/** One task, `a`. */
export const single = (policy: Policy = {}): Plan => PlanBuilder.make("single", (p) => p.task("a", { policy }))

/** `a`, then `b`, then `c`. */
export const chain: Plan = PlanBuilder.make("chain", (p) => {
  const a = p.task("a")
  const b = p.task("b", { after: [a] })
  return p.task("c", { after: [b] })
})

/** Tasks that wait for nothing, `t0` to `t<n - 1>`, joined by the pass `all`. */
export const group = (count: number, policy: Policy = {}): Plan =>
  PlanBuilder.make(`group-${count}`, (p) => {
    const after = Array.from({ length: count }, (_, i) => p.task(`t${i}`, { task: "t", policy }))
    return p.pass("all", { after })
  })

/** `list` says over which elements there will be a `double`; then `sum`. */
export const chord = (concurrency?: number): Plan =>
  PlanBuilder.make("chord", (p) => {
    const list = p.task("list")
    const each = p.each("each", { over: list, concurrency }, (p) => p.task("double"))
    return p.task("sum", { after: [each] })
  })

/** A `double` for each element of the run's input. */
export const map = (concurrency?: number): Plan =>
  PlanBuilder.make("map", (p) => p.each("each", { over: "input", concurrency }, (p) => p.task("double")))

/** `rows` says over which `row` there will be `cells`, which say over which `col` there will be a `cell`; then `end`. */
export const nested: Plan = PlanBuilder.make("nested", (p) => {
  const rows = p.task("rows")
  const each = p.each("row", { over: rows }, (p) => {
    const cells = p.task("cells")
    return p.each("col", { over: cells }, (p) => p.task("cell"))
  })
  return p.task("end", { after: [each] })
})

/**
 * Which body each node of a plan is in.
 */
import { memoize } from "effect/Function"
import type { Plan } from "./Document.ts"

/** The body of every node, by number; 0 is the flow's own. Made once per plan. */
export const bodies: (plan: Plan) => ReadonlyArray<number> = memoize((plan) => {
  const bodyOf = plan.nodes.map(() => 0)
  plan.bodies.forEach(({ count, first }, body) => bodyOf.fill(body, first, first + count))
  return bodyOf
})

/**
 * The time in a plan as a story has it: none at all, or a few steps.
 */
import type { Plan, Policy } from "../../plan/Document.ts"

/** Milliseconds. Long beside what a story takes, so that a clock that goes on meanwhile makes no difference. */
export const step = 60_000

/** The plan without delays: nothing is due later than at once. */
export const untimed = (plan: Plan): Plan => withPolicies(plan, untimedPolicy)

/** The plan with delays of one to three steps. */
export const inSteps = (plan: Plan): Plan => withPolicies(plan, policyInSteps)

const withPolicies = (plan: Plan, change: (policy: Policy) => Policy): Plan => ({
  ...plan,
  nodes: plan.nodes.map((node) =>
    (node._tag === "Task" || node._tag === "Decide") && node.policy !== undefined
      ? { ...node, policy: change(node.policy) }
      : node
  )
})

const untimedPolicy = ({ attempts, except, priority, queue }: Policy): Policy => ({
  ...(attempts === undefined ? {} : { attempts }),
  ...(except === undefined ? {} : { except }),
  ...(priority === undefined ? {} : { priority }),
  ...(queue === undefined ? {} : { queue }),
  backoff: "fixed",
  base: 0,
  jitter: false
})

const policyInSteps = (policy: Policy): Policy => ({
  ...untimedPolicy(policy),
  ...(policy.backoff === undefined ? {} : { backoff: policy.backoff, base: step, max: 2 * step }),
  ...(policy.delay === undefined ? {} : { delay: stepsFor(policy.delay) }),
  ...(policy.expires === undefined ? {} : { expires: stepsFor(policy.expires) })
})

const stepsFor = (ms: number): number => step * (1 + (Math.round(ms) % 3))

/**
 * Random plans of the kernel with random outcomes: whatever the joins are, every run ends and all invariants hold.
 */
import type { Delivery, Failed, Outcome } from "../../src/Broker.ts"
import type { Plan } from "../../src/plan/Document.ts"
import * as KernelPlans from "./KernelPlans.ts"
import type { Random } from "./Random.ts"
import type { Scenario, Subject } from "./World.ts"

export const scenario = (random: Random): Scenario => {
  const isFleet = random.chance(0.25)
  const make = isFleet ? KernelPlans.wide : KernelPlans.make
  const subjects = Array.from({ length: random.pick([1, 1, 1, 2, 3]) }, (_, i) =>
    subject(random, `run${i}`, make(random))
  )
  const plans = new Map(subjects.map(({ id, plan }) => [id, plan]))
  const failures = random.pick([0, 0.1, 0.3, 0.6])
  return {
    subjects,
    tasks: KernelPlans.tasks,
    begin: () => {},
    outcome: (delivery, isHealthy) =>
      outcome(random, plans.get(delivery.run)!, delivery, isHealthy ? failures / 2 : failures),
    inOrder: false,
    onEnd: () => {}
  }
}

const subject = (random: Random, id: string, plan: Plan): Subject => ({
  id,
  plan,
  hash: id,
  input: "null",
  elements: new Map(plan.decides.map(({ node }) => [node, elements(random)])),
  onFailure: random.pick(["cancel", "finish"] as const)
})

const elements = (random: Random): ReadonlyArray<string> => Array.from({ length: random.below(4) }, String)

const outcome = (random: Random, plan: Plan, { node: address }: Delivery, failures: number): Outcome => {
  if (random.chance(failures)) {
    const retryAfter = random.chance(0.1) ? { retryAfter: random.between(0, 500) } : {}
    return {
      _tag: "Failed",
      failed: failed(random.pick([...KernelPlans.tags, "Defect"])),
      retryable: random.chance(0.9),
      ...retryAfter
    }
  }
  const number = Number(address.slice(address.lastIndexOf(".") + 1))
  const node = plan.nodes[number]!
  const decided =
    node._tag === "Decide" ? [number] : node._tag === "Task" ? (node.decides ?? []).map(({ node }) => node) : []
  if (decided.length === 0) return { _tag: "Succeeded", value: "1" }
  // One that forgets the elements has failed.
  const known = random.chance(0.05) ? [] : decided
  return { _tag: "Succeeded", value: "[]", elements: new Map(known.map((fork) => [fork, elements(random)])) }
}

const failed = (tag: string): Failed => ({ tag, declared: tag !== "Defect", error: `{"_tag":"${tag}"}` })

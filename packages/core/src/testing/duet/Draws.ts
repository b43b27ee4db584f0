/**
 * What is drawn for a story: how many elements a fork has, and what becomes of an attempt.
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import type { Delivery, Outcome } from "../../Broker.ts"
import * as Address from "../../plan/Address.ts"
import type { Plan } from "../../plan/Document.ts"

const tags = ["A", "B", "C", ""] as const

/** Mostly less than 4 elements, where there may be more. */
export const elements = Effect.fnUntraced(function* (most: number) {
  const isLarge = most > 3 && (yield* Random.nextBoolean)
  const count = yield* isLarge ? Random.nextIntBetween(4, most) : Random.nextIntBetween(0, 3)
  return Array.from({ length: count }, (_, i) => String(i))
})

/** Any outcome: six in ten are a success. */
export const outcome = Effect.fnUntraced(function* (plan: Plan, delivery: Delivery, most: number) {
  const dice = yield* Random.nextIntBetween(0, 99)
  if (dice >= 90) return { _tag: "Interrupted" } satisfies Outcome
  if (dice < 65) return yield* success(plan, delivery, most)
  const tag = yield* Random.choice(tags)
  const failed = { tag, declared: yield* Random.nextBoolean, error: JSON.stringify({ _tag: tag }) }
  return { _tag: "Failed", failed, retryable: (yield* Random.nextIntBetween(0, 9)) > 0 } satisfies Outcome
})

/** A success, with elements for all that the node decides. */
export const success = Effect.fnUntraced(function* (plan: Plan, delivery: Delivery, most: number) {
  const index = Address.parse(delivery.node)!.node
  const node = plan.nodes[index]!
  const decided =
    node._tag === "Decide" ? [index] : node._tag === "Task" ? (node.decides ?? []).map((by) => by.node) : []
  const drawn = new Map<number, ReadonlyArray<string>>()
  for (const fork of decided) drawn.set(fork, yield* elements(most))
  return {
    _tag: "Succeeded",
    ...(node._tag === "Task" ? { value: JSON.stringify(`${delivery.node} ${delivery.attempt}`) } : {}),
    ...(decided.length === 0 ? {} : { elements: drawn })
  } satisfies Outcome
})

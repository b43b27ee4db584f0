/**
 * What a hand can say of a job it was given.
 */
import type { Delivery, Failed, Settlement } from "../../Broker.ts"
import * as Address from "../../plan/Address.ts"
import type { Json, Plan } from "../../plan/Document.ts"

/** A delivery, and what the case calls it. */
export interface Job extends Delivery {
  /** The readable id: `resize`, `each[3].resize`. */
  readonly name: string
  readonly plan: Plan
}

/** How a hand answers a job; nothing to go on holding it. */
export type Answer = (job: Job) => Settlement | undefined

/** The id of its node in the plan: `resize` for `each[3].resize`. */
export const nodeIdOf = (job: Job): string => job.plan.nodes[Address.parse(job.node)!.node]!.id

/** The elements by fork, from those by the id of the `forEach`. */
export const elementsOf = (
  plan: Plan,
  elements: { readonly [each: string]: ReadonlyArray<Json> }
): ReadonlyMap<number, ReadonlyArray<string>> =>
  new Map(
    Object.entries(elements).map(([each, values]) => {
      const collect = plan.nodes.findIndex((node) => node.id === each)
      const body = plan.bodies.find((body) => body._tag === "Each" && body.collect === collect)
      if (body?._tag !== "Each") throw new Error(`Plan ${plan.flow} has no forEach ${each}`)
      return [body.fork, values.map((value) => JSON.stringify(value))]
    })
  )

// ---- reports -----------------------------------------------------------------------------------------------------------

const claimed = ({ attempt, node, nonce, run }: Job) => ({ attempt, node, nonce, run })

/** It succeeded; by default with its name as value. */
export const succeeded = (job: Job, value: Json = job.name): Settlement => ({
  ...claimed(job),
  outcome: { _tag: "Succeeded", value: JSON.stringify(value) }
})

/** It succeeded, and these are the elements of what it decides, by the id of the `forEach`. */
export const decided = (job: Job, elements: { readonly [each: string]: ReadonlyArray<Json> }): Settlement => ({
  ...claimed(job),
  outcome: { _tag: "Succeeded", value: JSON.stringify(job.name), elements: elementsOf(job.plan, elements) }
})

export interface FailureOptions {
  readonly declared?: boolean
  readonly error?: Json
  /** Milliseconds. */
  readonly retryAfter?: number
  readonly retryable?: boolean
}

/** How an attempt fails here: with a declared error of this tag. */
export const failureOf = (tag: string, options: FailureOptions = {}): Failed => ({
  tag,
  declared: options.declared ?? true,
  error: JSON.stringify(options.error ?? { _tag: tag })
})

export const failed = (job: Job, tag: string, options: FailureOptions = {}): Settlement => ({
  ...claimed(job),
  outcome: {
    _tag: "Failed",
    failed: failureOf(tag, options),
    retryable: options.retryable ?? true,
    ...(options.retryAfter === undefined ? {} : { retryAfter: options.retryAfter })
  }
})

export const interrupted = (job: Job): Settlement => ({ ...claimed(job), outcome: { _tag: "Interrupted" } })

// ---- answers for `play` --------------------------------------------------------------------------------------------------

export const failing =
  (tag: string, options: FailureOptions = {}): Answer =>
  (job) =>
    failed(job, tag, options)

export const deciding =
  (elements: { readonly [each: string]: ReadonlyArray<Json> }): Answer =>
  (job) =>
    decided(job, elements)

export const holding: Answer = () => undefined

export const interrupting: Answer = interrupted

/**
 * A region is the dynamic extent of a callback: a flow's body, the body of a `forEach`, a handler of a `catch`. A step
 * made while it runs belongs to it, whether or not it uses the region's parameter.
 *
 * The regions that are open are a synchronous stack, restored when the callback returns or throws.
 */
import type * as Schema from "effect/Schema"
import type { Step } from "./Step.ts"

export interface Region {
  readonly kind: "flow" | "forEach" | "catch"
  /** A flow's key, `each`, the tags that are caught. */
  readonly label: string
  readonly parent: Region | undefined
  /** The schema of the parameter: a flow's input, an element, an error. */
  readonly parameter: Schema.Constraint
  /** The steps made in it, in order. */
  readonly steps: Array<Step>
  /** The ref its callback returned; nothing while it runs, or when it threw. */
  result: unknown
  /** What the callback threw, if it did. */
  defect: unknown
}

/** What a ref points at: the value of a step, or what a region's callback is given. */
export type Source =
  | { readonly _tag: "Step"; readonly step: Step }
  | { readonly _tag: "Parameter"; readonly region: Region }
  /** The position of a `forEach` element. */
  | { readonly _tag: "Index"; readonly region: Region }

let open: Region | undefined

/** The innermost open region. */
export const current = (): Region | undefined => open

/** Opens a region, runs its callback, and keeps what it returns, or what it throws, on the region. */
export const run = (
  options: Pick<Region, "kind" | "label" | "parameter">,
  callback: (region: Region) => unknown
): Region => {
  const region: Region = { ...options, parent: open, steps: [], result: undefined, defect: undefined }
  open = region
  try {
    region.result = callback(region)
  } catch (defect) {
    region.defect = defect
  } finally {
    open = region.parent
  }
  return region
}

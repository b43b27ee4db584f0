/**
 * The tasks and flows of the workloads, as a user of Arpeggio writes them.
 */
import * as Flow from "@arpeggio/core/Flow"
import type { Ref } from "@arpeggio/core/Ref"
import * as Task from "@arpeggio/core/Task"
import * as Schema from "effect/Schema"

const N = Schema.Struct({ n: Schema.Int })

export const noop = Task.make("bench.noop", { input: N, output: Schema.Int })
export const next = Task.make("bench.next", { input: N, output: Schema.Int })
export const total = Task.make("bench.total", { input: Schema.Array(Schema.Int), output: Schema.Int })
export const merge = Task.make("bench.merge", {
  input: Schema.Struct({ a: Schema.Int, b: Schema.Int, c: Schema.Int }),
  output: Schema.Int
})

/** What keeps the numbers of a mesh small. */
export const modulus = 1_000_003

export const tasks = [noop, next, total, merge] as const

type Number = Ref<typeof Schema.Int>

const range = (size: number): ReadonlyArray<number> => Array.from({ length: size }, (_, i) => i)

/** Seven tasks: a chord of five, its body, and one that follows. */
export const small = Flow.make("bench.small", { input: N }, ({ n }) =>
  next({ n: total(Flow.all(range(5).map(() => noop({ n })))) })
)

export const chain = (hops: number) =>
  Flow.make("bench.chain", { input: N }, ({ n }) => {
    let value: Number = next({ n })
    for (let hop = 1; hop < hops; hop++) value = next({ n: value })
    return value
  })

/** The members are in the plan, so a run of it stores none of them. */
export const chord = (size: number) =>
  Flow.make("bench.chord", { input: Schema.Struct({}) }, () => total(Flow.all(range(size).map((n) => noop({ n })))))

/** The members are in the input of the run. */
export const forEach = Flow.make("bench.forEach", { input: Schema.Array(Schema.Int) }, (numbers) =>
  total(Flow.forEach(numbers, (n) => noop({ n })))
)

/** Layers of `size` tasks, each with three parents in the layer before it. */
export const mesh = (size: number) =>
  Flow.make("bench.mesh", { input: Schema.Struct({}) }, () => {
    let layer: ReadonlyArray<Number> = range(size).map((n) => noop({ n }))
    for (let depth = 1; depth < size; depth++) {
      const above = layer
      layer = range(size).map((i) => merge({ a: above[i]!, b: above[(i + 1) % size]!, c: above[(i + 2) % size]! }))
    }
    return total(Flow.all(layer))
  })

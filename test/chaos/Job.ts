/**
 * The runs of a campaign: a flow with its input, what must come of it, and what its submitter does beside submitting it.
 */
import * as Flow from "@arpeggio/core/Flow"
import type { Json } from "@arpeggio/core/Plan"
import type { Shape } from "@arpeggio/core/Step"
import * as Schema from "effect/Schema"
import * as Expression from "../../packages/core/test/fixture/Expression.ts"
import { Random } from "../../packages/core/test/simulation/Random.ts"
import * as Work from "./Work.ts"

export interface Job {
  readonly id: string
  readonly shape: string
  readonly flow: Shape<Schema.Constraint, Schema.Constraint, unknown>
  readonly input: unknown
  readonly expected: Expected
  /** Submitted twice at once, over two connections. */
  readonly twice: boolean
  /** Cancelled so many milliseconds after it was accepted. It may have ended by then. */
  readonly cancelAfter: number | undefined
}

/** How a run must end; any of the tags where it is open which of several failures comes first. */
export type Expected = { readonly ok: Json } | { readonly fail: ReadonlySet<string> }

interface Drawn {
  readonly flow: Shape<any, any, any>
  readonly input: unknown
  readonly expected: Expected
}

const Input = Schema.Struct({ n: Schema.Int, ms: Schema.Int })

const chains = [2, 4, 7].map((length) =>
  Flow.make(`chain${length}`, { input: Input }, ({ ms, n }) => {
    let last = Work.step({ n, ms })
    for (let i = 1; i < length; i++) last = Work.step({ n: last, ms })
    return last
  })
)

const chords = [2, 8, 20].map((width) =>
  Flow.make(`chord${width}`, { input: Input }, ({ ms, n }) =>
    Work.sum(Flow.all(Array.from({ length: width }, () => Work.step({ n, ms }))))
  )
)

const Fan = Schema.Struct({ n: Schema.Int, count: Schema.Int, ms: Schema.Int })

const fans = [undefined, 2].map((concurrency) =>
  Flow.make(concurrency === undefined ? "fan" : "narrow", { input: Fan }, ({ count, ms, n }) =>
    Work.sum(
      Flow.forEach(Work.split({ n, count }), (element) => Work.step({ n: Work.step({ n: element, ms }), ms: 0 }), {
        concurrency
      })
    )
  )
)

const retried = Flow.make(
  "retried",
  { input: Schema.Struct({ n: Schema.Int, failures: Schema.Int }) },
  ({ failures, n }) => Work.step({ n: Work.flaky({ n, failures }), ms: 1 })
)

const caught = Flow.make("caught", { input: Input }, ({ ms, n }) =>
  Work.step({ n: Flow.catchTag(Work.refuse({ n, ms }), "Refused", (error) => Work.step({ n: error.n, ms })), ms: 0 })
)

/** One node. */
const single = Flow.make("single", { input: Input }, ({ ms, n }) => Work.step({ n, ms }))
/** They fail, and are then retried by their submitter. */
const recovered = [
  Flow.make("fragile", { input: Input }, ({ ms, n }) => Work.fragile({ n, ms })),
  Flow.make("fragile3", { input: Input }, ({ ms, n }) =>
    Work.step({ n: Work.fragile({ n: Work.step({ n, ms }), ms }), ms })
  )
]

const poison = Flow.make("poison", { input: Input }, ({ ms, n }) => Work.crash({ n, ms }))

const times = <A>(count: number, value: A, next: (value: A) => A): A =>
  count === 0 ? value : times(count - 1, next(value), next)

const expressions = new Map<number, { readonly expression: Expression.Expression; readonly flow: Drawn["flow"] }>()

/** Made once, as flows that are used again and again are. */
const expressionOf = (seed: number) => {
  let known = expressions.get(seed)
  if (known === undefined) {
    const expression = Expression.generate(new Random(seed))
    expressions.set(seed, (known = { expression, flow: Expression.define(expression) }))
  }
  return known
}

const draw: { readonly [shape: string]: (random: Random) => Drawn } = {
  chain: (random) => {
    const which = random.below(chains.length)
    const [n, ms] = [random.below(1_000), random.pick([0, 10, 100, 400])]
    return { flow: chains[which]!, input: { n, ms }, expected: { ok: times([2, 4, 7][which]!, n, Work.stepValue) } }
  },
  single: (random) => {
    const [n, ms] = [random.below(1_000), random.pick([0, 10, 100, 400])]
    return { flow: single, input: { n, ms }, expected: { ok: Work.stepValue(n) } }
  },
  recovered: (random) => {
    const which = random.below(recovered.length)
    const [n, ms] = [random.below(1_000), random.pick([0, 10, 100, 400])]
    return { flow: recovered[which]!, input: { n, ms }, expected: { ok: times([1, 3][which]!, n, Work.stepValue) } }
  },
  chord: (random) => {
    const which = random.below(chords.length)
    const [n, ms] = [random.below(1_000), random.pick([0, 20, 150, 500])]
    return {
      flow: chords[which]!,
      input: { n, ms },
      expected: { ok: Work.sumValue(Array.from({ length: [2, 8, 20][which]! }, () => Work.stepValue(n))) }
    }
  },
  forEach: (random) => {
    const [n, count, ms] = [random.below(1_000), random.pick([0, 1, 5, 12]), random.pick([0, 20, 150, 500])]
    const values = Work.splitValue(n, count).map((element) => Work.stepValue(Work.stepValue(element)))
    return { flow: random.pick(fans), input: { n, count, ms }, expected: { ok: Work.sumValue(values) } }
  },
  retried: (random) => {
    const [n, failures] = [random.below(1_000), random.pick([0, 1, 2, 3, 4])]
    const expected = failures === 4 ? { fail: new Set(["Refused"]) } : { ok: Work.stepValue(Work.stepValue(n)) }
    return { flow: retried, input: { n, failures }, expected }
  },
  caught: (random) => {
    const [n, ms] = [random.below(1_000), random.pick([0, 20, 150, 500])]
    return { flow: caught, input: { n, ms }, expected: { ok: Work.stepValue(Work.stepValue(n)) } }
  },
  slow: (random) => {
    const [n, ms] = [random.below(1_000), random.between(300, 900)]
    return { flow: chains[0]!, input: { n, ms }, expected: { ok: Work.stepValue(Work.stepValue(n)) } }
  },
  random: (random) => {
    for (;;) {
      const { expression, flow } = expressionOf(random.below(400))
      const input = [1, 2].slice(random.below(3))
      try {
        const { outcome } = Expression.evaluate(expression, input)
        return { flow, input, expected: outcome }
      } catch (error) {
        if (!(error instanceof Expression.Ambiguous)) throw error
      }
    }
  }
}

const weights = { single: 6, recovered: 3, chain: 6, chord: 4, forEach: 4, retried: 3, caught: 3, slow: 3, random: 5 }
const shapes = Object.entries(weights).flatMap(([shape, weight]) => Array.from({ length: weight }, () => shape))

export type ShapeName = keyof typeof weights

/** The first so many jobs of a seed, all of the shape if one is given; `poisons` of them kill who runs them. */
export const make = (seed: number, count: number, poisons: number, only: ShapeName | undefined): ReadonlyArray<Job> => {
  const random = new Random(seed)
  return Array.from({ length: count }, (_, i) => {
    if (poisons > 0 && i % Math.ceil(count / poisons) === 5) {
      return {
        id: `run${i}`,
        shape: "poison",
        flow: poison as Job["flow"],
        input: { n: 1, ms: 0 },
        expected: { fail: new Set(["PoisonPill"]) },
        twice: false,
        cancelAfter: undefined
      }
    }
    const shape = only ?? random.pick(shapes)
    return {
      id: `run${i}`,
      shape,
      ...draw[shape]!(random),
      twice: random.chance(0.1),
      cancelAfter: random.chance(shape === "slow" ? 0.5 : 0.06) ? random.below(shape === "slow" ? 600 : 60) : undefined
    }
  })
}

/** Runs with at least so many nodes that are ready at once. */
export const rollCall = (nodes: number): ReadonlyArray<Job> =>
  Array.from({ length: Math.ceil(nodes / 20) }, (_, i) => ({
    id: `roll${i}`,
    shape: "roll call",
    flow: chords[2]!,
    input: { n: i, ms: 300 },
    expected: { ok: Work.sumValue(Array.from({ length: 20 }, () => Work.stepValue(i))) },
    twice: false,
    cancelAfter: undefined
  }))

import * as Flow from "@arpeggio/core/Flow"
import * as Plan from "@arpeggio/core/Plan"
import * as Task from "@arpeggio/core/Task"
import { describe, expect, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { url: Schema.String }) {}

const Nothing = Schema.Struct({})
const Url = Schema.Struct({ url: Schema.String })
const ping = Task.make("ping", { input: Nothing, output: Schema.Int })
const fetch = Task.make("fetch", {
  input: Url,
  output: Schema.Struct({ text: Schema.String, tags: Schema.Array(Schema.String) }),
  error: NotFound
})
const count = Task.make("count", { input: Schema.Struct({ text: Schema.String }), output: Schema.Int })
const pair = Task.make("pair", {
  input: Schema.Struct({ both: Schema.Tuple([Schema.Int, Schema.Int]), note: Schema.optionalKey(Schema.String) }),
  output: Schema.Int
})
const anything = Task.make("anything", { input: Schema.Unknown, output: Schema.Int })
const lookup = Task.make("lookup", {
  input: Schema.Struct({ table: Schema.Record(Schema.String, Schema.Int) }),
  output: Schema.Int
})
const stamp = Task.make("stamp", { input: Nothing, output: Schema.Struct({ at: Schema.DateFromMillis }) })
const show = Task.make("show", { input: Schema.Struct({ at: Schema.Date }), output: Schema.String })

/** What the types would refuse. */
const untyped = (value: unknown): never => value as never

const problems = (shape: Plan.Compilable): ReadonlyArray<string> => {
  const compiled = Plan.compile(shape)
  return Result.isSuccess(compiled) ? [] : compiled.failure.problems.map(({ message, step }) => `${step}: ${message}`)
}

type Body = Parameters<typeof Flow.make<"f", typeof Nothing, Schema.Constraint, unknown>>[2]
const flow = (body: Body) => Flow.make("f", { input: Nothing }, body)

const outside = ping({})

const cases: ReadonlyArray<readonly [name: string, shape: Plan.Compilable, problems: ReadonlyArray<string>]> = [
  [
    "a step that nothing uses",
    flow(() => {
      fetch({ url: "a" })
      return ping({})
    }),
    ["fetch: Nothing uses it. Return it, or order it with `Flow.after`, or remove it."]
  ],
  [
    "a step used only by an annotation that nothing uses",
    flow(() => {
      Flow.after(fetch({ url: "a" }), ping({}))
      return ping({})
    }),
    ["fetch: Nothing uses it. Return it, or order it with `Flow.after`, or remove it."]
  ],
  [
    "a literal that does not fit",
    flow(() => count({ text: untyped(1) })),
    ["count: input.text does not fit its schema: Expected string."]
  ],
  [
    "a literal that is no JSON",
    flow(() => anything({ call: () => 1 })),
    ["anything: input does not fit its schema: Expected JSON value."]
  ],
  [
    "a literal that holds itself",
    flow(() => {
      const self: Record<string, unknown> = {}
      self["self"] = self
      return anything(self)
    }),
    ["anything: input does not fit its schema: Expected JSON value."]
  ],
  [
    "a field that is missing, and one that the schema has not",
    flow(() => count(untyped({ texts: "a" }))),
    [
      "count: input.texts is not a field of the schema, which has text. Leave it out, or add it to the schema.",
      "count: input.text is missing. Give it a value or a ref, or make it optional in the schema."
    ]
  ],
  [
    "elements too few and too many beside refs",
    flow(() => {
      const n = ping({})
      return Flow.all([pair({ both: untyped([n]) }), pair({ both: untyped([n, n, n]) })])
    }),
    [
      "pair: input.both[1] is missing. Give it a value or a ref.",
      "pair#2: input.both has 3 elements, and the schema takes 2."
    ]
  ],
  [
    "a ref inside a part that is one leaf",
    flow(() => lookup({ table: untyped({ a: ping({}) }) })),
    [
      "lookup: input.table holds a ref, but its schema has no fields or elements that a ref could stand in for. Give a ref for all of it: compute it in a task, or make it with `Flow.all`."
    ]
  ],
  [
    "equal types with JSON that can't meet",
    flow(() => show({ at: stamp({}).at })),
    [
      "show: input.at gets a number from stamp (at at), and needs a string. The two schemas are written differently in JSON: use the same one on both ends, or convert in a task."
    ]
  ],
  [
    "JSON that can't meet, deep in arrays and unions, or because a required key is never written",
    flow(() => {
      const times = Task.make("times", {
        input: Nothing,
        output: Schema.Struct({ list: Schema.Array(Schema.NullOr(Schema.Struct({ at: Schema.DateFromMillis }))) })
      })
      const read = Task.make("read", {
        input: Schema.Struct({ list: Schema.Array(Schema.Struct({ at: Schema.Date })) }),
        output: Schema.Int
      })
      const all = times({})
      return Flow.all([read(untyped(all)), count(untyped(all))])
    }),
    [
      "read: input.list[*].at gets a number from times, and needs a string. The two schemas are written differently in JSON: use the same one on both ends, or convert in a task.",
      "count: input.text gets nothing from times, and needs a string. The two schemas are written differently in JSON: use the same one on both ends, or convert in a task."
    ]
  ],
  [
    "a ref made outside of any flow",
    flow(() => Flow.all([outside, ping({})])),
    ["all: ping was made outside of any flow. Call it in the body of the flow that uses it."]
  ],
  [
    "refs that leave their region: an element's, a handler's, another flow's",
    flow(() => {
      let element: unknown
      let handled: unknown
      let inlined: unknown
      const each = Flow.forEach(fetch({ url: "a" }).tags, (text) => (element = count({ text })) as typeof outside)
      const caught = Flow.catchTag(fetch({ url: "b" }).text, "NotFound", () => (handled = ping({})) as typeof outside)
      const inner = Flow.make("inner", { input: Nothing }, () => (inlined = ping({})) as typeof outside)
      return Flow.all(untyped([each, caught, inner({}), element, handled, inlined]))
    }),
    [
      "all: count is used outside of the forEach it was made in (each). Return it from there, and use what the forEach gives.",
      "all: ping is used outside of the handler it was made in (NotFound). Return it from there, and use what the catch gives.",
      "all: ping#2 is used outside of the flow it was made in (inner). Return it from there, and use what the flow gives."
    ]
  ],
  [
    "a parameter that leaves its region",
    flow(() => {
      let leaked: unknown
      const each = Flow.forEach(fetch({ url: "a" }).tags, (text, index) => {
        leaked = [text, index]
        return count({ text })
      })
      const [text, index] = leaked as [never, never]
      return Flow.all([each, count({ text }), pair({ both: [index, 1] })])
    }),
    [
      "count#2: the element of each is used outside of the forEach it was made in (each). Return it from there, and use what the forEach gives.",
      "pair: the position in each is used outside of the forEach it was made in (each). Return it from there, and use what the forEach gives."
    ]
  ],
  [
    "a callback that throws, and one that returns no ref",
    flow(() => {
      const thrown = Flow.catchTag(fetch({ url: "a" }).text, "NotFound", () => {
        throw new Error("oops")
      })
      const forgotten = Flow.forEach(fetch({ url: "a" }).tags, (text) => untyped(void count({ text })))
      return Flow.all([thrown, forgotten])
    }),
    [
      "catch: The callback threw Error: oops. It must only make steps and return a ref.",
      "each: The callback returned no ref. Return what a step gave, or make one with `Flow.succeed` or `Flow.all`."
    ]
  ],
  [
    "a flow's own body that returns nothing",
    flow(() => untyped(undefined)),
    ["f: The callback returned no ref. Return what a step gave, or make one with `Flow.succeed` or `Flow.all`."]
  ],
  [
    "steps that wait for each other",
    flow(() => {
      const first = ping({})
      const second = anything(first)
      const third = anything(second)
      return Flow.after(first, third)
    }),
    ["ping: It waits for itself: ping ← anything#2 ← anything ← ping. Remove one of the `Flow.after` on the way."]
  ],
  [
    "a step that waits for itself",
    flow(() => {
      const first = ping({})
      return Flow.after(first, first)
    }),
    ["ping: It waits for itself: ping ← ping. Remove one of the `Flow.after` on the way."]
  ],
  [
    "an order that would reach into a region",
    flow(() => {
      const first = ping({})
      const each = Flow.forEach(fetch({ url: "a" }).tags, (text) => {
        const inside = count({ text })
        return Flow.after(first, inside)
      })
      return each
    }),
    [
      "ping: count is used outside of the forEach it was made in (each). Return it from there, and use what the forEach gives."
    ]
  ],
  [
    "a policy on what is no call",
    flow(() => Flow.all([ping({}), ping({})]).pipe(Flow.withPolicy({ priority: 1 }))),
    ["all: A policy is for the call of a task or of a flow. Set it on the calls this is made of."]
  ],
  [
    "two contracts under one key",
    flow(() => {
      const other = Task.make("ping", { input: Nothing, output: Schema.String })
      return Flow.all([ping({}), other({})])
    }),
    ["ping#2: Another task with other schemas has the key ping. A key names one contract: rename one of the two."]
  ]
]

describe("compile", () => {
  it.each(cases)("reports %s", (_, shape, expected) => {
    expect(problems(shape)).toEqual(expected)
  })

  it("reports a flow that contains itself, once", () => {
    const loop: Plan.Compilable & ((input: object) => typeof outside) = Flow.make("loop", { input: Nothing }, (input) =>
      loop(input)
    ) as never
    expect(problems(loop)).toEqual([
      "loop: Flow loop is called inside itself, and a flow can't contain itself: its graph would have no end. Give another flow another key, or go over a list with `Flow.forEach`."
    ])
  })

  it("reports a problem a step was made with, and nothing that follows from it", () => {
    const shape = flow(() =>
      Flow.forEach(untyped([{ a: 1 }]), (item: unknown) => anything((item as { a: { b: never } }).a.b))
    )
    expect(problems(shape)).toEqual([
      "each: `Flow.forEach` goes over a ref to an array. For an array of values or of refs, call the step on each and join the refs with `Flow.all`."
    ])
  })

  it("reports everything at once, with the place where it was written", () => {
    const compiled = Plan.compile(
      flow(() => {
        fetch({ url: untyped(1) })
        return count(untyped({}))
      })
    )
    const error = Result.isFailure(compiled) ? compiled.failure : undefined
    expect(error?.problems.map(({ step }) => step)).toEqual(["fetch", "count", "fetch"])
    expect(error?.problems.every(({ site }) => /compileProblems\.test\.ts:\d+:\d+$/.test(site ?? ""))).toBe(true)
    expect(error?.message).toMatch(/^Flow f has 3 problems:\n {2}fetch: input\.url does not fit/)
  })

  it("allows JSON that overlaps: narrower, wider, optional", () => {
    const Wide = Schema.Struct({
      n: Schema.Number,
      s: Schema.String,
      u: Schema.Union([Schema.Int, Schema.String]),
      o: Schema.optionalKey(Schema.Int)
    })
    const Narrow = Schema.Struct({
      n: Schema.Int,
      s: Schema.Literal("a"),
      u: Schema.String,
      o: Schema.optionalKey(Schema.Int)
    })
    const wide = Task.make("wide", { input: Wide, output: Wide })
    const narrow = Task.make("narrow", { input: Narrow, output: Narrow })
    const shape = Flow.make("f", { input: Narrow }, (input) => narrow(untyped(wide(narrow(input)))))
    expect(problems(shape)).toEqual([])
  })
})

import * as Flow from "@arpeggio/core/Flow"
import * as Plan from "@arpeggio/core/Plan"
import * as Task from "@arpeggio/core/Task"
import { describe, expect, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { planText } from "./fixture/planText.ts"

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { url: Schema.String }) {}
class Corrupt extends Schema.TaggedError<Corrupt>()("Corrupt", { at: Schema.Int }) {}

const Url = Schema.Struct({ url: Schema.String })
const Image = Schema.Struct({
  path: Schema.String,
  size: Schema.Tuple([Schema.Int, Schema.Int]),
  widths: Schema.Array(Schema.Int),
  title: Schema.optionalKey(Schema.String)
})
const fetch = Task.make("fetch", { input: Url, output: Image, error: Schema.Union([NotFound, Corrupt]) })
const resize = Task.make("resize", {
  input: Schema.Struct({ image: Image, width: Schema.Int }),
  output: Image
})
const ping = Task.make("ping", { input: Schema.Struct({}), output: Schema.Int })
const tell = Task.make("tell", {
  input: Schema.Struct({ text: Schema.String, title: Schema.optionalKey(Schema.String) }),
  output: Schema.Int
})
const sum = Task.make("sum", { input: Schema.Array(Schema.Int), output: Schema.Int })

const Nothing = Schema.Struct({})
const flow = Flow.make

/** Compiles, checks that the plan is valid as a document that came from elsewhere, and gives its text. */
const compiled = (shape: Plan.Compilable): ReadonlyArray<string> => {
  const { plan } = Result.getOrThrow(Plan.compile(shape))
  const document: unknown = JSON.parse(JSON.stringify(plan))
  expect(Result.getOrThrow(Plan.validate(document))).toEqual(plan)
  return planText(plan)
}

interface Case {
  readonly name: string
  readonly shape: Plan.Compilable
  readonly text: ReadonlyArray<string>
}

const cases: ReadonlyArray<Case> = [
  {
    name: "a task alone is a plan of one node, which takes the run's input as it is",
    shape: fetch,
    text: ["fetch: Task all() $", "exit fetch"]
  },
  {
    name: "a flow is its body; a value that several use is one node",
    shape: flow("f", { input: Url }, ({ url }) => {
      const image = fetch({ url })
      return Flow.all([resize({ image, width: 1 }), resize({ image, width: image.size[0] })])
    }),
    text: [
      "fetch: Task all() { url: $.url }",
      "resize: Task all(fetch) { image: fetch, width: 1 }",
      "resize#2: Task all(fetch) { image: fetch, width: fetch.size.0 }",
      "all: value all(resize, resize#2) [resize, resize#2]",
      "exit all"
    ]
  },
  {
    name: "a part of a value is the result through an exit",
    shape: flow("f", { input: Url }, (input) => fetch(input).path),
    text: ["fetch: Task all() $", "exit: exit all(fetch) fetch.path", "exit exit"]
  },
  {
    name: "a literal with refs in it is written where it is used, and left out where it is absent",
    shape: flow("f", { input: Url }, ({ url }) => {
      const image = fetch({ url })
      const text = Flow.succeed(tell.input, { text: image.path })
      return Flow.all([tell(text), tell({ text: text.text, title: image.title }), tell({ ...text })])
    }),
    text: [
      "fetch: Task all() { url: $.url }",
      "tell: Task all(fetch) { text: fetch.path }",
      "tell#2: Task all(fetch) { text: fetch.path, title: fetch.title }",
      "tell#3: Task all(fetch) { text: fetch.path }",
      "all: value all(tell, tell#2, tell#3) [tell, tell#2, tell#3]",
      "exit all"
    ]
  },
  {
    name: "a literal alone is the value of an exit",
    shape: flow("f", { input: Nothing }, () => Flow.succeed("done")),
    text: ['exit: exit all() "done"', "exit exit"]
  },
  {
    name: "the input itself is the value of an exit",
    shape: flow("f", { input: Url }, ({ url }) => Flow.all({ url })),
    text: ["all: value all() { url: $.url }", "exit all"]
  },
  {
    name: "a flow in a flow is its steps, with the argument for its input",
    shape: flow("outer", { input: Url }, ({ url }) => {
      const inner = flow("inner", { input: Schema.Struct({ image: Image, width: Schema.Int }) }, ({ image, width }) =>
        tell({ text: image.path, title: resize({ image, width }).path })
      )
      return Flow.all([
        inner({ image: fetch({ url }), width: 7 }),
        inner({ image: { path: "p", size: [1, 2], widths: [] }, width: 8 })
      ])
    }),
    text: [
      "fetch: Task all() { url: $.url }",
      "resize: Task all(fetch) { image: fetch, width: 7 }",
      "tell: Task all(fetch, resize) { text: fetch.path, title: resize.path }",
      'resize#2: Task all() {"image":{"path":"p","size":[1,2],"widths":[]},"width":8}',
      'tell#2: Task all(resize#2) { text: "p", title: resize#2.path }',
      "all: value all(tell, tell#2) [tell, tell#2]",
      "exit all"
    ]
  },
  {
    name: "settled waits for all at a gate, then fails with the first in order",
    shape: flow("f", { input: Nothing }, () => Flow.all([ping({}), ping({})], { mode: "settled" })),
    text: [
      "ping: Task all() {}",
      "ping#2: Task all() {}",
      "all.settled: merge settled(ping settled, ping#2 settled)",
      "all: value all(ping, ping#2) gate all.settled [ping, ping#2]",
      "exit all"
    ]
  },
  {
    name: "all of nothing is the empty array, in every mode",
    shape: flow("f", { input: Nothing }, () =>
      Flow.all([Flow.all([]), Flow.all([], { mode: "settled" }), Flow.all([], { mode: "result" })])
    ),
    text: [
      "all: value all() []",
      "all#2: value all() []",
      "all#3: value all() []",
      "all#4: value all(all, all#2, all#3) [all, all#2, all#3]",
      "exit all#4"
    ]
  },
  {
    name: "a result is the value or the declared error, in the JSON of its schema",
    shape: flow("f", { input: Url }, (input) => Flow.result(fetch(input).path)),
    text: [
      "fetch: Task all() $",
      'result: value any(fetch, fetch failure(declared)) <{ _tag: "Success", success: fetch.path } | { _tag: "Failure", failure: error(fetch) }>',
      "exit result"
    ]
  },
  {
    name: "results of several are joined as they are",
    shape: flow("f", { input: Nothing }, () => Flow.all({ a: ping({}), b: Flow.succeed(1) }, { mode: "result" })),
    text: [
      "ping: Task all() {}",
      'all.result: value any(ping, ping failure(declared)) <{ _tag: "Success", success: ping } | { _tag: "Failure", failure: error(ping) }>',
      "all.result.of: value all() 1",
      'all.result#2: value any(all.result.of, all.result.of failure(declared)) <{ _tag: "Success", success: all.result.of } | { _tag: "Failure", failure: error(all.result.of) }>',
      "all: value all(all.result, all.result#2) { a: all.result, b: all.result#2 }",
      "exit all"
    ]
  },
  {
    name: "a handler is gated by its entry, but where what it joins over already is",
    shape: flow("f", { input: Url }, (input) => {
      const outer = ping({})
      return Flow.catchTag(fetch(input).path, "NotFound", ({ url }) => {
        const image = fetch({ url })
        const small = resize({ image, width: 1 })
        return tell({ text: small.path }).pipe(Flow.after(outer))
      })
    }),
    text: [
      "ping: Task all() {}",
      "fetch: Task all() $",
      "catch.entry: entry all(fetch failure(NotFound))",
      "fetch#2: Task all() gate catch.entry { url: error(fetch).url }",
      "resize: Task all(fetch#2) { image: fetch#2, width: 1 }",
      "tell: Task all(resize, ping) gate catch.entry { text: resize.path }",
      "catch: merge any(fetch, tell) <fetch.path | tell>",
      "exit catch"
    ]
  },
  {
    name: "a handler's literal, outer value or part is its exit",
    shape: flow("f", { input: Url }, (input) => {
      const outer = fetch({ url: "other" })
      return fetch(input).pipe(Flow.catchTags({ NotFound: () => outer, Corrupt: ({ at }) => at }))
    }),
    text: [
      'fetch: Task all() {"url":"other"}',
      "fetch#2: Task all() $",
      "catch.entry: entry all(fetch#2 failure(NotFound))",
      "catch.exit: exit all(fetch) gate catch.entry fetch",
      "catch.entry#2: entry all(fetch#2 failure(Corrupt))",
      "catch.exit#2: exit all() gate catch.entry#2 error(fetch#2).at",
      "catch: merge any(fetch#2, catch.exit, catch.exit#2) <fetch#2 | catch.exit | catch.exit#2>",
      "exit catch"
    ]
  },
  {
    name: "catch takes every declared error; settled joins in a handler keep their gate",
    shape: flow("f", { input: Url }, (input) =>
      fetch(input).path.pipe(
        Flow.catch(() => {
          const both = Flow.all([ping({}), ping({})], { mode: "settled" })
          return sum(both)
        })
      )
    ),
    text: [
      "fetch: Task all() $",
      "catch.entry: entry all(fetch failure(declared))",
      "ping: Task all() gate catch.entry {}",
      "ping#2: Task all() gate catch.entry {}",
      "all.settled: merge settled(ping settled, ping#2 settled) gate catch.entry",
      "all: value all(ping, ping#2) gate all.settled [ping, ping#2]",
      "sum: Task all(all) all",
      "catch: merge any(fetch, sum) <fetch.path | sum>",
      "exit catch"
    ]
  },
  {
    name: "what is caught, if it is several values, is made one node first",
    shape: flow("f", { input: Url }, (input) => {
      const text = Flow.succeed(tell.input, { text: fetch(input).path })
      return Flow.catchTag(text, "NotFound", () => Flow.succeed("none"))
    }),
    text: [
      "fetch: Task all() $",
      "catch.of: value all(fetch) { text: fetch.path }",
      "catch.entry: entry all(catch.of failure(NotFound))",
      'catch.exit: exit all() gate catch.entry "none"',
      "catch: merge any(catch.of, catch.exit) <catch.of | catch.exit>",
      "exit catch"
    ]
  },
  {
    name: "a forEach over a task's value is decided by that task",
    shape: flow("f", { input: Url }, (input) =>
      fetch(input).widths.pipe(Flow.forEach((width, index) => sum([width, index]), { concurrency: 2 }))
    ),
    text: [
      "fetch: Task all() $ decides each.fork by .widths",
      "each.fork: Fork all(fetch)",
      "each: Collect all() gate each.fork",
      "sum: Task all() [item(each), index(each)]",
      "each over each.fork, released by each.fork, 2 at once: sum; exit sum",
      "exit each"
    ]
  },
  {
    name: "a forEach over the input is decided by the submission; a release waits for what its body uses from outside",
    shape: flow("f", { input: Schema.Struct({ url: Schema.String, widths: Schema.Array(Schema.Int) }) }, (input) => {
      const image = fetch({ url: input.url })
      return Flow.forEach(input.widths, (width) => resize({ image, width }).path)
    }),
    text: [
      "fetch: Task all() { url: $.url }",
      "each.fork: Fork all()",
      "each.release: release settled(fetch settled) gate each.fork",
      "each: Collect all() gate each.release",
      "resize: Task all(fetch) { image: fetch, width: item(each) }",
      "each.exit: exit all(resize) resize.path",
      "each over each.fork, released by each.release: resize, each.exit; exit each.exit",
      "submission decides each.fork by $.widths",
      "exit each"
    ]
  },
  {
    name: "a forEach over a literal is decided by the submission, over anything else by a piece of work",
    shape: flow("f", { input: Nothing }, () => {
      const numbers = Flow.forEach(Flow.succeed(Schema.Array(Schema.Int), [1, 2]), (n) => sum([n]))
      return Flow.forEach(numbers, (n) => sum([n, n]))
    }),
    text: [
      "each.fork: Fork all()",
      "each: Collect all() gate each.fork",
      "each#2.fork: Decide all(each) each",
      "each#2: Collect all() gate each#2.fork",
      "sum: Task all() [item(each)]",
      "sum#2: Task all() [item(each#2), item(each#2)]",
      "each over each.fork, released by each.fork: sum; exit sum",
      "each#2 over each#2.fork, released by each#2.fork: sum#2; exit sum#2",
      "submission decides each.fork by [1,2]",
      "exit each#2"
    ]
  },
  {
    name: "a forEach in a forEach captures through both, and is decided by work where it is over an element",
    shape: flow("f", { input: Url }, (input) => {
      const outer = ping({})
      const matrix = Flow.succeed(Schema.Array(Schema.Array(Schema.Int)), [[1], [2]])
      return Flow.all([
        Flow.forEach(matrix, (row) => {
          const near = ping({})
          return Flow.forEach(row, (n) => sum([n, near, outer]))
        }),
        fetch(input)
      ])
    }),
    text: [
      "ping: Task all() {}",
      "each.fork: Fork all()",
      "each.release: release settled(ping settled) gate each.fork",
      "each: Collect all() gate each.release",
      "fetch: Task all() $",
      "all: value all(each, fetch) [each, fetch]",
      "ping#2: Task all() {}",
      "each#2.fork: Decide all() item(each)",
      "each#2.release: release settled(ping#2 settled, ping settled) gate each#2.fork",
      "each#2: Collect all() gate each#2.release",
      "sum: Task all(ping#2, ping) [item(each#2), ping#2, ping]",
      "each over each.fork, released by each.release: ping#2, each#2.fork, each#2.release, each#2; exit each#2",
      "each#2 over each#2.fork, released by each#2.release: sum; exit sum",
      "submission decides each.fork by [[1],[2]]",
      "exit all"
    ]
  },
  {
    name: "in a body, also a forEach over a literal or the input is decided by work: the submission decides in the flow only",
    shape: flow("f", { input: Schema.Array(Schema.Int) }, (numbers) =>
      Flow.forEach(numbers, () => Flow.forEach(numbers, (n) => sum([n])))
    ),
    text: [
      "each.fork: Fork all()",
      "each: Collect all() gate each.fork",
      "each#2.fork: Decide all() $",
      "each#2: Collect all() gate each#2.fork",
      "sum: Task all() [item(each#2)]",
      "each over each.fork, released by each.fork: each#2.fork, each#2; exit each#2",
      "each#2 over each#2.fork, released by each#2.fork: sum; exit sum",
      "submission decides each.fork by $",
      "exit each"
    ]
  },
  {
    name: "a forEach in a handler is gated with it, and an outer value is not decided by its task",
    shape: flow("f", { input: Url }, (input) => {
      const image = fetch({ url: "other" })
      return Flow.catch(
        Flow.forEach(fetch(input).widths, (n) => sum([n])),
        () => Flow.forEach(image.widths, (n) => sum([n]))
      )
    }),
    text: [
      'fetch: Task all() {"url":"other"}',
      "fetch#2: Task all() $ decides each.fork by .widths",
      "each.fork: Fork all(fetch#2)",
      "each: Collect all() gate each.fork",
      "catch.entry: entry all(each failure(declared))",
      "each#2.fork: Decide all(fetch) gate catch.entry fetch.widths",
      "each#2: Collect all() gate each#2.fork",
      "catch: merge any(each, each#2) <each | each#2>",
      "sum: Task all() [item(each)]",
      "sum#2: Task all() [item(each#2)]",
      "each over each.fork, released by each.fork: sum; exit sum",
      "each#2 over each#2.fork, released by each#2.fork: sum#2; exit sum#2",
      "exit catch"
    ]
  },
  {
    name: "a catch in a forEach has its entry in the body, and an error caught outside is known there",
    shape: flow("f", { input: Schema.Array(Schema.String) }, (urls) =>
      Flow.catchTag(fetch({ url: "index" }).path, "NotFound", (missing) => {
        const all = Flow.forEach(urls, (url) =>
          Flow.catchTag(fetch({ url }).path, "NotFound", () => Flow.succeed(Schema.String, missing.url))
        )
        return Flow.all([all])
      })
    ),
    text: [
      'fetch: Task all() {"url":"index"}',
      "catch.entry: entry all(fetch failure(NotFound))",
      "each.fork: Fork all() gate catch.entry",
      "each: Collect all() gate each.fork",
      "all: value all(each) [each]",
      "catch: merge any(fetch, all) <fetch.path | all>",
      "fetch#2: Task all() { url: item(each) }",
      "catch#2.entry: entry all(fetch#2 failure(NotFound))",
      "catch#2.exit: exit all() gate catch#2.entry error(fetch).url",
      "catch#2: merge any(fetch#2, catch#2.exit) <fetch#2.path | catch#2.exit>",
      "each over each.fork, released by each.fork: fetch#2, catch#2.entry, catch#2.exit, catch#2; exit catch#2",
      "submission decides each.fork by $",
      "exit catch"
    ]
  },
  {
    name: "what an inlined flow waits for is no failure that its handlers could catch: they are gated by its entry",
    shape: flow("f", { input: Nothing }, () => {
      const inner = flow("inner", { input: Nothing }, () => {
        const image = fetch({ url: "a" })
        return Flow.all([Flow.result(image), Flow.catchTag(image.path, "NotFound", () => Flow.succeed("none"))])
      })
      return Flow.after(inner({}), ping({}))
    }),
    text: [
      "inner.entry: entry all(ping)",
      'fetch: Task all() gate inner.entry {"url":"a"}',
      'result: value any(fetch, fetch failure(NotFound|Corrupt)) gate inner.entry <{ _tag: "Success", success: fetch } | { _tag: "Failure", failure: error(fetch) }>',
      "catch.entry: entry all(fetch failure(NotFound)) gate inner.entry",
      'catch.exit: exit all() gate catch.entry "none"',
      "catch: merge any(fetch, catch.exit) gate inner.entry <fetch.path | catch.exit>",
      "all: value all(result, catch) [result, catch]",
      "ping: Task all() {}",
      "exit all"
    ]
  },
  {
    name: "after adds edges without values: to a task, a fork, a pass, an inlined flow's entry, or the gate of a choice",
    shape: flow("f", { input: Url }, (input) => {
      const first = ping({})
      const inner = flow("inner", { input: Url }, (url) => {
        const image = fetch(url)
        return resize({ image, width: 1 }).path
      })
      return Flow.all([
        Flow.after(tell({ text: "a" }), first),
        Flow.after(
          Flow.forEach(Flow.succeed(Schema.Array(Schema.Int), [1]), (n) => sum([n])),
          first
        ),
        Flow.after(Flow.all([Flow.succeed(1)]), first),
        Flow.after(inner(input), first),
        Flow.after(Flow.result(ping({})), first, first),
        Flow.after(input.url, first)
      ])
    }),
    text: [
      "ping: Task all() {}",
      'tell: Task all(ping) {"text":"a"}',
      "each.fork: Fork all(ping)",
      "each: Collect all() gate each.fork",
      "all: value all(ping) [1]",
      "inner.entry: entry all(ping)",
      "fetch: Task all() gate inner.entry $",
      "resize: Task all(fetch) { image: fetch, width: 1 }",
      "inner.exit: exit all(resize) resize.path",
      "ping#2: Task all() {}",
      'result: value any(ping#2, ping#2 failure(declared)) gate result.after <{ _tag: "Success", success: ping#2 } | { _tag: "Failure", failure: error(ping#2) }>',
      "after: value all(ping) $.url",
      "all#2: value all(tell, each, all, inner.exit, result, after) [tell, each, all, inner.exit, result, after]",
      "result.after: entry all(ping)",
      "sum: Task all() [item(each)]",
      "each over each.fork, released by each.fork: sum; exit sum",
      "submission decides each.fork by [1]",
      "exit all#2"
    ]
  }
]

describe("compile", () => {
  it.each(cases)("$name", ({ shape, text }) => {
    expect(compiled(shape)).toEqual(text)
  })

  it("gives a call the task's policy, over it that of the flows around it, innermost last, and over all its own", () => {
    const work = Task.make("work", { input: Nothing, output: Schema.Int, timeout: 1_000, queue: "task", priority: 9 })
    const inner = flow("inner", { input: Nothing }, () =>
      Flow.all([work({}), work({}).pipe(Flow.withPolicy({ priority: 0 }))])
    )
    const outer = flow("outer", { input: Nothing }, () =>
      inner({}).pipe(Flow.withPolicy({ queue: "inner", priority: 3 }))
    )
    const root = flow("root", { input: Nothing }, () => outer({}).pipe(Flow.withPolicy({ queue: "outer", expires: 5 })))
    const { plan } = Result.getOrThrow(Plan.compile(root))
    expect(plan.nodes.flatMap((node) => (node._tag === "Task" ? [node.policy] : []))).toEqual([
      { timeout: 1_000, queue: "inner", priority: 3, expires: 5 },
      { timeout: 1_000, queue: "inner", priority: 0, expires: 5 }
    ])
  })

  it("encodes each literal by its own schema, in the JSON of its codec", () => {
    const Input = Schema.Struct({
      at: Schema.Date,
      tags: Schema.ReadonlySet(Schema.String),
      nested: Schema.Array(Schema.Struct({ n: Schema.Number, at: Schema.DateFromMillis }))
    })
    const task = Task.make("task", { input: Input, output: Schema.Int })
    const shape = flow("f", { input: Schema.Struct({ n: Schema.Number }) }, ({ n }) =>
      task({
        at: new Date(0),
        tags: new Set(["a"]),
        nested: [
          { n, at: new Date(1) },
          { n: Number.NaN, at: new Date(2) }
        ]
      })
    )
    expect(compiled(shape)).toEqual([
      'task: Task all() { at: "1970-01-01T00:00:00.000Z", tags: ["a"], nested: [{ n: $.n, at: 1 }, {"n":"NaN","at":2}] }',
      "exit task"
    ])
  })

  it("records the regions that were written, the flow's own first", () => {
    const inner = flow("inner", { input: Url }, (input) => fetch(input))
    const shape = flow("outer", { input: Url }, (input) =>
      Flow.forEach(inner(input).widths, (n) => sum([n]).pipe(Flow.catchTag("Defect", () => ping({}))))
    )
    const { plan } = Result.getOrThrow(Plan.compile(shape))
    expect(plan.regions).toEqual([
      { kind: "flow", label: "outer" },
      { kind: "flow", label: "inner", parent: 0 },
      { kind: "forEach", label: "each", parent: 0 },
      { kind: "catch", label: "Defect", parent: 2 }
    ])
    const region = (id: string) => plan.nodes.find((node) => node.id === id)?.region
    expect(["fetch", "each", "sum", "ping"].map(region)).toEqual([1, 0, 2, 3])
  })

  it("gives the schemas beside the plan, for who encodes and decodes", () => {
    const shape = flow("f", { input: Url }, (input) => fetch(input).path)
    const compiled = Result.getOrThrow(Plan.compile(shape))
    expect(compiled.input).toBe(Url)
    expect(compiled.output).toBe(Schema.String)
    expect([...compiled.tasks]).toMatchObject([["fetch", { key: "fetch", output: Image }]])
    expect(compiled.plan.tasks["fetch"]?.output).toMatchObject({ type: "object", required: ["path", "size", "widths"] })
  })

  it("compiles a definition once, and equal definitions to equal plans", () => {
    const make = () => flow("f", { input: Url }, (input) => fetch(input))
    const one = make()
    expect(Plan.compile(one)).toBe(Plan.compile(one))
    const [a, b] = [Plan.compile(one), Plan.compile(make())].map(Result.getOrThrow)
    expect(a).not.toBe(b)
    expect(a!.hash).toBe(b!.hash)
  })

  it("takes a definition apart in time that grows with its size", () => {
    const chain = (length: number) =>
      flow("chain", { input: Schema.Array(Schema.Int) }, (numbers) => {
        let last = sum(numbers)
        for (let i = 1; i < length; i++) last = sum([last])
        return last
      })
    const { plan } = Result.getOrThrow(Plan.compile(chain(3_000)))
    expect(plan.nodes.length).toBe(3_000)
    expect(plan.nodes[2_999]).toMatchObject({ id: "sum#3000", edges: [{ from: 2_998 }] })
    expect(Plan.criticalPath(plan).length).toBe(3_000)
  })
})

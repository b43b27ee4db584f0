import * as Definition from "@arpeggio/core/definition/Definition"
import * as Errors from "@arpeggio/core/definition/Errors"
import * as Origin from "@arpeggio/core/definition/Origin"
import * as Region from "@arpeggio/core/definition/Region"
import type { Catch, ForEach, Inline } from "@arpeggio/core/definition/Step"
import { Defect, TimedOut } from "@arpeggio/core/Failure"
import * as Flow from "@arpeggio/core/Flow"
import * as Task from "@arpeggio/core/Task"
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { url: Schema.String }) {}
class Corrupt extends Schema.TaggedError<Corrupt>()("Corrupt", {}) {}
class Full extends Schema.TaggedError<Full>()("Full", {}) {}

const Url = Schema.Struct({ url: Schema.String })
const load = Task.make("load", { input: Url, output: Schema.String, error: Schema.Union([NotFound, Corrupt]) })
const store = Task.make("store", { input: Schema.Struct({ text: Schema.String }), output: Url, error: Full })
const words = Task.make("words", { input: Schema.Struct({ text: Schema.String }), output: Schema.Array(Schema.String) })

/** Runs the callback as a flow's body. */
const inFlow = (body: () => unknown) => {
  const region = Region.run({ kind: "flow", label: "test", parameter: Schema.Void }, body)
  assert.isUndefined(region.defect)
  return region
}
const schemaOf = (u: unknown) => Origin.of(u)?.schema
const tagsOf = (region: Region.Region) => region.steps.map((step) => step._tag)
const problems = (region: Region.Region) => region.steps.flatMap((step) => step.problem ?? [])
const errorsOf = (region: Region.Region) => new Set(Errors.of(region.result))
type Outcome = Schema.Result<Schema.Constraint, Schema.Constraint>
const load1 = () => load({ url: "a" })

describe("Flow", () => {
  describe("make", () => {
    it("does not run its body when it is made", () => {
      let ran = 0
      const flow = Flow.make("f", { input: Url }, (input) => {
        ran++
        return load(input)
      })
      assert.strictEqual(ran, 0)
      inFlow(() => Flow.all([flow({ url: "a" }), flow({ url: "b" })]))
      assert.strictEqual(ran, 2)
    })

    it("becomes a region of the flow it is called in, with the schema of its value", () => {
      const flow = Flow.make("inner", { input: Url }, (input) => store({ text: load(input) }))
      const region = inFlow(() => flow({ url: "a" }))
      const step = region.steps[0] as Inline
      assert.deepStrictEqual(tagsOf(region), ["Inline"])
      assert.deepStrictEqual(tagsOf(step.body), ["Call", "Call"])
      assert.strictEqual(step.body.parent, region)
      assert.strictEqual(schemaOf(region.result), Url)
      assert.deepStrictEqual(Object.keys(region.result as object), ["url"])
    })

    it("is a definition whose body can be run elsewhere", () => {
      const flow = Flow.make("f", { input: Url }, load)
      const definition = Definition.of(flow)
      assert.strictEqual(definition?.kind, "flow")
      assert.strictEqual(definition?.input, Url)
      assert.deepStrictEqual(tagsOf(inFlow(() => definition?.body({ url: "a" }))), ["Call"])
      assert.isUndefined(Definition.of(() => 1))
    })

    it("says so when a flow contains itself, also over another, and comes to an end", () => {
      const a: Flow.Flow<"a", typeof Url, typeof Schema.String, unknown> = Flow.make("a", { input: Url }, (x) =>
        b(x)
      ) as never
      const b = Flow.make("b", { input: Url }, (x) => a(x))
      const region = inFlow(() => a({ url: "a" }))
      const inner = ((region.steps[0] as Inline).body.steps[0] as Inline).body.steps[0]
      assert.match(inner?.problem ?? "", /Flow a is called inside itself/)
    })

    it("keeps what its body throws on its region, and closes the region", () => {
      const boom = new Error("boom")
      const flow = Flow.make("f", { input: Url }, () => {
        throw boom
      })
      const region = inFlow(() => flow({ url: "a" }))
      assert.strictEqual((region.steps[0] as Inline).body.defect, boom)
      assert.isUndefined(Region.current())
    })
  })

  describe("all", () => {
    it("gives a tuple of an array or an iterable, a struct of a struct", () => {
      const region = inFlow(() => {
        const refs = [load1(), words({ text: "a" })] as const
        return [Flow.all(refs), Flow.all(new Set(refs)), Flow.all({ text: refs[0], words: refs[1] })]
      })
      const [tuple, set, struct] = (region.result as ReadonlyArray<unknown>).map(schemaOf)
      assert.deepStrictEqual((tuple as Schema.Tuple<[]>).elements, [Schema.String, words.output] as never)
      assert.deepStrictEqual((set as Schema.Tuple<[]>).elements, [Schema.String, words.output] as never)
      assert.deepStrictEqual((struct as Schema.Struct<{}>).fields, { text: Schema.String, words: words.output })
    })

    it("gives results, with the errors that can reach each, when asked to", () => {
      const region = inFlow(() => Flow.all([load1(), Flow.succeed(1)], { mode: "result" }))
      const [first, second] = (schemaOf(region.result) as Schema.Tuple<[Outcome, Outcome]>).elements
      assert.deepStrictEqual((first.failure as Schema.Union<[]>).members, [NotFound, Corrupt] as never)
      assert.strictEqual(second.failure, Schema.Never)
      assert.strictEqual(errorsOf(region).size, 0)
    })

    it("says so when it is given no refs to join", () => {
      assert.match(problems(inFlow(() => Flow.all(3 as never)))[0] ?? "", /`Flow.all` takes refs/)
      assert.match(problems(inFlow(() => Flow.all(store({ text: "a" }) as never)))[0] ?? "", /`Flow.all` takes refs/)
    })
  })

  describe("forEach", () => {
    it("runs its body once, in a region with the element and its position", () => {
      const given: Array<unknown> = []
      const region = inFlow(() =>
        words({ text: "a" }).pipe(
          Flow.forEach(
            (...refs) => {
              given.push(...refs)
              return store({ text: refs[0] })
            },
            { concurrency: 2 }
          )
        )
      )
      const step = region.steps[1] as ForEach
      assert.strictEqual(step.concurrency, 2)
      assert.deepStrictEqual(
        given.map(Origin.of).map((origin) => origin?.source._tag),
        ["Parameter", "Index"]
      )
      assert.strictEqual(schemaOf(given[0]), Schema.String)
      assert.deepStrictEqual(tagsOf(step.body), ["Call"])
      assert.strictEqual((schemaOf(region.result) as Schema.$Array<typeof Url>).value, Url)
    })

    it("goes over the members of a join", () => {
      const region = inFlow(() =>
        Flow.forEach(Flow.all([store({ text: "a" })].map((x) => x)), ({ url }) => load({ url }))
      )
      const step = region.steps[2] as ForEach
      assert.strictEqual(step.body.parameter, Url)
      assert.deepStrictEqual(problems(region), [])
    })

    it("does nothing over a join of nothing", () => {
      const none: ReadonlyArray<ReturnType<typeof load1>> = []
      const region = inFlow(() => Flow.forEach(Flow.all(none), (text) => store({ text })))
      assert.deepStrictEqual(tagsOf(region), ["All"])
    })

    it("says so when it is not over an array, or with a bound that is none", () => {
      assert.match(problems(inFlow(() => Flow.forEach(load1() as never, () => load1())))[0] ?? "", /ref to an array/)
      const bound = inFlow(() => Flow.forEach(words({ text: "a" }), () => load1(), { concurrency: 0 }))
      assert.match(problems(bound)[0] ?? "", /`concurrency` is 0/)
    })
  })

  describe("catching", () => {
    const errorGiven = (tag: string | ReadonlyArray<string>) => {
      let given: unknown
      const region = inFlow(() =>
        Flow.catchTag(load1(), tag as "NotFound", (error) => {
          given = error
          return Flow.succeed("")
        })
      )
      return { given, region }
    }

    it("gives the handler the error of the tag by its schema, and takes it from what can fail", () => {
      const { given, region } = errorGiven("NotFound")
      assert.strictEqual(schemaOf(given), NotFound)
      assert.deepStrictEqual(Object.keys(given as object), ["_tag", "url"])
      assert.deepStrictEqual(errorsOf(region), new Set([Corrupt]))
    })

    it("gives one of several errors with the fields they share", () => {
      const { given } = errorGiven(["NotFound", "Corrupt"])
      assert.deepStrictEqual(Object.keys(given as object), ["_tag"])
    })

    it("catches the failures that any step can have by their tags", () => {
      const { given, region } = errorGiven(["TimedOut", "Defect"])
      assert.deepStrictEqual((schemaOf(given) as Schema.Union<[]>).members, [TimedOut, Defect] as never)
      assert.deepStrictEqual(errorsOf(region), new Set([NotFound, Corrupt]))
    })

    it("adds the errors of its handlers, and those of what is passed through to it", () => {
      const region = inFlow(() => {
        const stored = store({ text: load1() })
        return Flow.catchTags(stored, {
          NotFound: ({ url }) => store({ text: url }),
          Full: () => Flow.succeed(Url, { url: "" })
        })
      })
      assert.deepStrictEqual(errorsOf(region), new Set([Corrupt, Full]))
      const step = region.steps.at(-1) as Catch
      assert.deepStrictEqual(
        step.cases.map(({ tags }) => tags),
        [["NotFound"], ["Full"]]
      )
      assert.deepStrictEqual(
        step.cases.map(({ body }) => tagsOf(body)),
        [["Call"], ["Literal"]]
      )
    })

    it("leaves no declared error after catch and result", () => {
      assert.strictEqual(errorsOf(inFlow(() => Flow.catch(load1(), () => Flow.succeed("")))).size, 0)
      assert.strictEqual(errorsOf(inFlow(() => Flow.result(load1()))).size, 0)
    })

    it("takes for every declared error, in a flow that is called with what can fail otherwise, those declared inside", () => {
      const inner = Flow.make("inner", { input: Schema.Struct({ text: Schema.String }) }, (input) =>
        Flow.result(store(input))
      )
      const region = inFlow(() => inner({ text: load1() }))
      const { body } = region.steps[1] as Inline
      const [stored] = body.steps
      assert.deepStrictEqual(Errors.declared(Origin.ofStep(stored!), body), ["Full"])
      assert.strictEqual(Errors.declared(Origin.ofStep(stored!), region), "declared")
    })

    it("says so when nothing fails with the tag", () => {
      assert.match(
        problems(errorGiven("Full").region)[0] ?? "",
        /Nothing here fails with "Full". It can fail with NotFound, Corrupt, /
      )
    })

    it("knows the errors of a chain of any length", () => {
      const region = inFlow(() => {
        let ref = store({ text: load1() })
        for (let i = 0; i < 20_000; i++) ref = store({ text: ref.url })
        return ref
      })
      assert.deepStrictEqual(errorsOf(region), new Set([NotFound, Corrupt, Full]))
    })

    it("does not go round in a literal that contains itself", () => {
      const cyclic: { self?: unknown; text: string } = { text: "" }
      cyclic.self = cyclic
      assert.deepStrictEqual(errorsOf(inFlow(() => store(cyclic as { text: string }))), new Set([Full]))
    })
  })

  it("orders, in both forms", () => {
    const region = inFlow(() => {
      const dep = load1()
      return [Flow.after(words({ text: "a" }), dep, dep), words({ text: "b" }).pipe(Flow.after(dep))]
    })
    assert.deepStrictEqual(
      region.steps.flatMap((step) => (step._tag === "After" ? step.deps.length : [])),
      [2, 1]
    )
    assert.deepStrictEqual(
      errorsOf({ ...region, result: (region.result as ReadonlyArray<unknown>)[1] }),
      new Set([NotFound, Corrupt])
    )
  })

  it("keeps a policy that can't be as a problem", () => {
    const region = inFlow(() => load1().pipe(Flow.withPolicy({ priority: 99, expires: "1 hour" })))
    assert.match(problems(region)[0] ?? "", /`priority` is 99/)
    assert.deepStrictEqual(region.steps[1]?._tag === "WithPolicy" ? region.steps[1].policy : undefined, {
      expires: 3_600_000
    })
  })

  it("never throws on what types would refuse", () => {
    const u = undefined as never
    const region = inFlow(() => {
      load(u)
      store(null as never)
      Flow.succeed(Symbol.iterator as never)
      Flow.all(u)
      Flow.all([u])
      Flow.forEach(u, u)
      Flow.catchTag(u, u, u)
      Flow.catchTags(u, { NotFound: u } as never)
      Flow.catch(u, u)
      Flow.result(u)
      Flow.after(u, u)
      Flow.withPolicy(u, {})
      Flow.withPolicy(load1(), u)
      Flow.make(u, { input: Url }, u)(u)
    })
    assert.isUndefined(region.defect)
    assert.isUndefined(Region.current())
  })
})

import { assert, describe, it } from "@effect/vitest"
import type { Ended } from "@arpeggio/core/Broker"
import type { Json, Node, Plan, Template } from "@arpeggio/core/Plan"
import { fromId, parse, toId } from "@arpeggio/core/plan/Address"
import { cachedParse, fill, prepare } from "@arpeggio/core/plan/Values"
import type { Place } from "@arpeggio/core/plan/Values"

const own = { region: 0, join: "all", edges: [] } as const
const task = (id: string, input: Template = { literal: null }): Node => ({ _tag: "Task", id, ...own, task: id, input })
const pass = (id: string, value: Template): Node => ({ _tag: "Pass", id, ...own, role: "value", value })

/**
 * ```
 *  0 load   1 decide(load.list)   2 each   3 merge(from)   4 exit
 *  body 1, per element of load.list: 5 inner task   6 exit { item, index, inner }
 * ```
 */
const plan: Plan = {
  version: 1,
  flow: "sample",
  nodes: [
    task("load"),
    { _tag: "Decide", id: "each.decide", ...own, of: { node: 0, path: ["list"] } },
    { _tag: "Collect", id: "each", ...own, body: 1 },
    pass("merge", { from: [{ node: 0, path: ["name"] }, { literal: "other" }] }),
    pass("exit", { struct: { all: { node: 2, path: [] }, merged: { node: 3, path: [] } } }),
    task("inner"),
    pass("each.exit", {
      struct: {
        item: { item: 1, path: [] },
        index: { index: 1 },
        inner: { node: 5, path: [] },
        outer: { node: 0, path: ["name"] }
      }
    })
  ],
  bodies: [
    { _tag: "Root", first: 0, count: 5, exit: 4 },
    { _tag: "Each", first: 5, count: 2, exit: 6, parent: 0, fork: 1, release: 1, collect: 2 }
  ],
  regions: [{ kind: "flow", label: "sample" }],
  decides: [],
  tasks: {},
  input: {},
  output: {}
}
const prepared = prepare(plan)

const value = (json: Json): Ended => ({ _tag: "Succeeded", value: JSON.stringify(json) })
const load = value({ name: "n", list: ["a", "b"], gone: {} })
const recorded = new Map<string, Ended>([
  ["0", load],
  ["2", { _tag: "Succeeded", count: 2 }],
  ["3", { _tag: "Succeeded", from: 0 }],
  ["2.0.5", value(10)],
  ["2.1.5", value(11)]
])

const place = (ends: ReadonlyMap<string, Ended> = recorded, more: Partial<Place> = {}): Place => ({
  frame: [],
  input: JSON.stringify({ deep: [{ x: 1 }], __proto__x: 1 }),
  items: [],
  ends,
  ...more
})
const filled = (template: Template, at: Place = place()) => {
  const result = fill(template, prepared, at)
  return result._tag === "Filled" ? result.value : result
}

describe("Values", () => {
  describe("a template", () => {
    const cases: ReadonlyArray<readonly [string, Template, Json]> = [
      ["a literal", { literal: { a: [1] } }, { a: [1] }],
      ["the run's input, at a path", { input: ["deep", 0, "x"] }, 1],
      ["the value of a task, at a path", { node: 0, path: ["list", 1] }, "b"],
      ["a struct, without the keys that are absent", { struct: { a: { input: ["no"] }, b: { literal: 1 } } }, { b: 1 }],
      ["a tuple, where what is absent is null", { tuple: [{ input: ["no"] }, { literal: 1 }] }, [null, 1]],
      ["null for what is absent as a whole", { node: 0, path: ["gone", "further"] }, null],
      ["nothing of an object's prototype", { input: ["constructor"] }, null],
      ["the value of a pass, by the edge that fired", { node: 3, path: [] }, "n"],
      [
        "the values of all instances in order, with elements and positions of each",
        { node: 2, path: [] },
        [
          { item: "a", index: 0, inner: 10, outer: "n" },
          { item: "b", index: 1, inner: 11, outer: "n" }
        ]
      ],
      [
        "the same by the body",
        { instances: 1 },
        [
          { item: "a", index: 0, inner: 10, outer: "n" },
          { item: "b", index: 1, inner: 11, outer: "n" }
        ]
      ]
    ]
    for (const [what, template, expected] of cases) {
      it(`gives ${what}`, () => assert.deepStrictEqual(filled(template), expected))
    }

    it("sees from inside an instance its own element, its position, its body and what is around it", () => {
      const inside = place(recorded, { frame: [[2, 1]], items: [`"b"`] })
      const template: Template = {
        tuple: [{ item: 1, path: [] }, { index: 1 }, { node: 5, path: [] }, { node: 0, path: ["name"] }]
      }
      assert.deepStrictEqual(filled(template, inside), ["b", 1, 11, "n"])
    })

    it("gives the error of the failure that reached a node", () => {
      const failed = { tag: "NotFound", declared: true, error: `{"_tag":"NotFound","url":"u"}` }
      const ends = new Map<string, Ended>([["3", { _tag: "Failed", failed, cause: "0" }]])
      assert.strictEqual(filled({ error: 3, path: ["url"] }, place(ends)), "u")
    })

    it("keeps a field named __proto__ a field", () => {
      const struct = JSON.parse(`{"__proto__":{"literal":{"polluted":true}}}`)
      const result = filled({ struct })
      assert.deepStrictEqual(Object.keys(result as object), ["__proto__"])
      assert.isUndefined((result as { polluted?: boolean }).polluted)
    })
  })

  describe("what is not at hand", () => {
    it("is listed, all of one round at once and each once", () => {
      const template: Template = {
        tuple: [
          { node: 0, path: [] },
          { node: 0, path: ["name"] },
          { node: 5, path: [] }
        ]
      }
      const inside = place(new Map(), { frame: [[2, 0]], items: ["1"] })
      assert.deepStrictEqual(filled(template, inside), { _tag: "Missing", read: ["0", "2.0.5"] })
    })

    it("may point on to more when it has been read", () => {
      const exit: Template = { node: 4, path: [] }
      const ends = new Map<string, Ended>()
      const rounds: Array<ReadonlyArray<string>> = []
      for (;;) {
        const result = fill(exit, prepared, place(ends))
        if (result._tag === "Filled") break
        rounds.push(result.read)
        for (const address of result.read) ends.set(address, recorded.get(address)!)
      }
      assert.deepStrictEqual(rounds, [
        ["2", "3"],
        ["0", "2.0.5", "2.1.5"]
      ])
    })
  })

  describe("a parser with a memory", () => {
    const large = (letter: string) => JSON.stringify(letter.repeat(1_000))

    it("parses a large value once while it remembers it", () => {
      const parse = cachedParse(10_000)
      const list = JSON.stringify(Array.from({ length: 1_000 }, (_, i) => i))
      assert.strictEqual(parse(list), parse(list))
    })

    it("forgets the oldest first when there is more than its limit", () => {
      const parse = cachedParse(2_500)
      const list = JSON.stringify(Array.from({ length: 500 }, () => 7))
      const first = parse(list)
      parse(large("a"))
      assert.strictEqual(parse(list), first)
      parse(large("b"))
      assert.notStrictEqual(parse(list), first)
      assert.deepStrictEqual(parse(list), first)
    })
  })

  describe("an address", () => {
    it("is an odd number of numbers, with dots between", () => {
      assert.deepStrictEqual(parse("12"), { frame: [], node: 12 })
      assert.deepStrictEqual(parse("7.3.12"), { frame: [[7, 3]], node: 12 })
      assert.deepStrictEqual(parse("7.3.8.0.9"), {
        frame: [
          [7, 3],
          [8, 0]
        ],
        node: 9
      })
      for (const wrong of ["", ".", "1.", ".1", "1.2", "1..3", "-1", "1.5e3.2", "each[3].x", " 1"])
        assert.isUndefined(parse(wrong), wrong)
    })
  })

  describe("a readable id", () => {
    it("is found again as the address it was made from", () => {
      for (const address of ["0", "3", "2.1.5", "2.0.6"]) assert.strictEqual(fromId(plan, toId(plan, address)), address)
    })

    it("is no address when the plan has no such node", () => {
      assert.isUndefined(fromId(plan, "nobody"))
      assert.isUndefined(fromId(plan, "load[3].inner2"))
    })
  })
})

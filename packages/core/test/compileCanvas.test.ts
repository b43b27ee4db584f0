import * as Canvas from "@arpeggio/core/Canvas"
import * as Flow from "@arpeggio/core/Flow"
import * as Plan from "@arpeggio/core/Plan"
import * as Task from "@arpeggio/core/Task"
import { describe, expect, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { planText } from "./fixture/planText.ts"

const N = Schema.Struct({ n: Schema.Int })
const task = <K extends string>(key: K) => Task.make(key, { input: N, output: N })
const [a, b, c, d, e] = [task("a"), task("b"), task("c"), task("d"), task("e")]
const sum = Task.make("sum", { input: Schema.Array(N), output: N })

type Step = Plan.Compilable

const text = (shape: Plan.Compilable) => planText(Result.getOrThrow(Plan.compile(shape)).plan)
/** A chain whose members are known to fit by who calls it. */
const chain = (...members: ReadonlyArray<unknown>): Step =>
  (Canvas.chain as (...m: typeof members) => never)(...members)

/** All ways to put brackets around neighbours. */
const bracketings = (steps: ReadonlyArray<Step>): ReadonlyArray<Step> =>
  steps.length === 1
    ? steps
    : steps.flatMap((_, cut) =>
        cut === 0
          ? []
          : bracketings(steps.slice(0, cut)).flatMap((left) =>
              bracketings(steps.slice(cut)).map((right) => chain(left, right))
            )
      )

describe("canvases as plans", () => {
  it("give one plan for a chain, however its members are bracketed", () => {
    const all = bracketings([a, b, c, d, e])
    expect(all.length).toBe(14)
    for (const shape of [...all, chain(a, b, c, d, e)]) {
      expect(text(shape)).toEqual([
        "a: Task all() $",
        "b: Task all(a) a",
        "c: Task all(b) b",
        "d: Task all(c) c",
        "e: Task all(d) d",
        "exit e"
      ])
    }
  })

  it("give the member's own plan for a chain of one", () => {
    expect(text(Canvas.chain(a))).toEqual(text(a))
  })

  it("give a list for a group of any size, in the order of declaration", () => {
    expect(text(Canvas.group([b, a]))).toEqual([
      "b: Task all() $",
      "a: Task all() $",
      "all: value all(b, a) [b, a]",
      "exit all"
    ])
    expect(text(Canvas.group([a]))).toEqual(["a: Task all() $", "all: value all(a) [a]", "exit all"])
    expect(text(Canvas.group([]))).toEqual(["all: value all() []", "exit all"])
    expect(text(Canvas.group({ x: a, y: b }))).toContain("all: value all(a, b) { x: a, y: b }")
  })

  it("keep the nesting of groups", () => {
    expect(text(Canvas.group([a, Canvas.group([b, Canvas.group([c])])]))).toEqual([
      "a: Task all() $",
      "b: Task all() $",
      "c: Task all() $",
      "all: value all(c) [c]",
      "all#2: value all(b, all) [b, all]",
      "all#3: value all(a, all#2) [a, all#2]",
      "exit all#3"
    ])
  })

  it("give one plan for a group before a step and for the chord of both; a chain as header is one member", () => {
    const chord = text(Canvas.chord([a, b], sum))
    expect(text(Canvas.chain(Canvas.group([a, b]), sum))).toEqual(chord)
    expect(text(Canvas.chord(Canvas.group([a, b]), sum))).toEqual(chord)
    expect(text(Canvas.chord(Canvas.chain(a, b), sum))).toEqual([
      "a: Task all() $",
      "b: Task all(a) a",
      "all: value all(b) [b]",
      "sum: Task all(all) all",
      "exit sum"
    ])
  })

  it("give what is given at the call to the first of a chain and to every member of a group", () => {
    const shape = Flow.make("f", { input: N }, (input) =>
      Flow.all([Canvas.chain(a, b)(input), Canvas.group([a, Canvas.chain(b, c)])({ n: 7 })])
    )
    expect(text(shape)).toEqual([
      "a: Task all() $",
      "b: Task all(a) a",
      'a#2: Task all() {"n":7}',
      'b#2: Task all() {"n":7}',
      "c: Task all(b#2) b#2",
      "all: value all(a#2, c) [a#2, c]",
      "all#2: value all(b, all) [b, all]",
      "exit all#2"
    ])
  })

  it("stay as they are when they are compiled or built upon", () => {
    const start = Canvas.chain(a, b)
    const before = text(start)
    text(Canvas.chain(start, c))
    text(Canvas.group([start, start]))
    expect(text(start)).toEqual(before)
    expect(Plan.compile(start)).toBe(Plan.compile(start))
  })

  it("map over elements with the step for a body", () => {
    expect(text(Canvas.map(Canvas.chain(a, b)))).toEqual([
      "each.fork: Fork all()",
      "each: Collect all() gate each.fork",
      "a: Task all() item(each)",
      "b: Task all(a) a",
      "each over each.fork, released by each.fork: a, b; exit b",
      "submission decides each.fork by $",
      "exit each"
    ])
  })
})

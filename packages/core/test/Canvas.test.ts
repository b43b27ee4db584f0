import * as Canvas from "@arpeggio/core/Canvas"
import * as Client from "@arpeggio/core/Client"
import * as Region from "@arpeggio/core/definition/Region"
import * as Flow from "@arpeggio/core/Flow"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import type { Shape } from "@arpeggio/core/Step"
import * as Task from "@arpeggio/core/Task"
import * as Worker from "@arpeggio/core/Worker"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

class Boom extends Schema.TaggedError<Boom>()("Boom", {}) {}

const Numbers = Schema.Array(Schema.Number)
const id = Task.make("id", { input: Schema.Number, output: Schema.Number })
const add = Task.make("add", {
  input: Schema.Struct({ x: Schema.Number, y: Schema.Number }),
  output: Schema.Struct({ x: Schema.Number })
})
const sum = Task.make("sum", { input: Numbers, output: Schema.Number })
const echo = Task.make("echo", { input: Schema.Struct({ text: Schema.String }), output: Schema.Void })
const fail = Task.make("fail", { input: Schema.Number, output: Schema.Number, error: Boom })

/** What `echo` was told, and when `id` ran, in order. */
const log: Array<unknown> = []
const handlers = Layer.mergeAll(
  id.toLayer((n) =>
    Effect.sync(() => {
      log.push(n)
      return n
    })
  ),
  add.toLayer(({ x, y }) => Effect.succeed({ x: x + y })),
  sum.toLayer((numbers) => Effect.succeed(numbers.reduce((a, b) => a + b, 0))),
  echo.toLayer(({ text }) => Effect.sync(() => void log.push(text))),
  fail.toLayer(() => new Boom())
)
const layer = Layer.suspend(() => {
  log.length = 0
  return Worker.layer({ tasks: [id, add, sum, echo, fail] }).pipe(
    Layer.provide(handlers),
    Layer.provideMerge(MemoryBroker.layer())
  )
})

const run = <I extends Schema.Constraint, S extends Schema.Constraint, E>(canvas: Shape<I, S, E>, input: I["Type"]) =>
  Effect.gen(function* () {
    return yield* (yield* Client.submit(canvas, input)).await
  }).pipe(Effect.provide(layer))

const problem = (canvas: unknown): string => {
  const region = Region.run({ kind: "flow", label: "test", parameter: Schema.Void }, () =>
    (canvas as (x: unknown) => unknown)(1)
  )
  assert.isUndefined(region.defect)
  return region.steps.flatMap((step) => step.problem ?? []).join(" ")
}

const inc = add.with({ y: 1 })

describe("Canvas", () => {
  it.effect("gives a chain's member the value of the one before, and the input to the first", () =>
    Effect.gen(function* () {
      const chain = Canvas.chain(
        inc,
        inc,
        Canvas.chain(inc, (value) => id(value.x))
      )
      assert.strictEqual(yield* run(chain, { x: 1 }), 4)
    })
  )

  it.effect("gives a group's input to all members, in declaration order, nesting kept", () =>
    Effect.gen(function* () {
      const group = Canvas.group([id, Canvas.group([id]), Canvas.chain(id, id)])
      assert.deepStrictEqual(yield* run(group, 7), [7, [7], 7])
      assert.deepStrictEqual(yield* run(Canvas.group({ b: id, a: id }), 7), { b: 7, a: 7 })
    })
  )

  it.effect("gives an empty list for an empty group, wherever it stands", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run(Canvas.group([]), {}), [])
      assert.strictEqual(yield* run(Canvas.chain(id, Canvas.group([]), sum), 1), 0)
      assert.deepStrictEqual(log, [1])
      assert.strictEqual(yield* run(Canvas.chord([], sum), {}), 0)
    })
  )

  it.effect("merges the inputs of a group's members, and gives each its own fields", () =>
    Effect.gen(function* () {
      const group = Canvas.group([inc, add.with({ x: 10 }), echo.with({ text: "hello" })])
      assert.deepStrictEqual(yield* run(group, { x: 1, y: 2 }), [{ x: 2 }, { x: 12 }, undefined])
      const flow = Flow.make("f", { input: Schema.Struct({ n: Schema.Number }) }, ({ n }) => group({ x: n, y: 2 }))
      assert.deepStrictEqual(yield* run(flow, { n: 1 }), [{ x: 2 }, { x: 12 }, undefined])
    })
  )

  it.effect("gives a chord's body all values; a chain as header is one member", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* run(Canvas.chord([id, id, id], sum), 5), 15)
      assert.strictEqual(yield* run(Canvas.chord(Canvas.chain(id, id), sum), 5), 5)
      assert.strictEqual(yield* run(Canvas.chord(Canvas.group([id, id]), sum), 5), 10)
      assert.strictEqual(
        yield* run(
          Canvas.chord(
            [1, 2, 3].map((x) => Canvas.chain(add.with({ x, y: x }), ({ x }) => id(x))),
            sum
          ),
          {}
        ),
        12
      )
    })
  )

  it.effect("fails as its members fail, and runs nothing after", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Effect.flip(run(Canvas.chain(id, fail, id), 1)), new Boom())
      assert.deepStrictEqual(log, [1])
      assert.deepStrictEqual(yield* Effect.flip(run(Canvas.chord([id, fail], sum), 1)), new Boom())
    })
  )

  it.effect("runs a step that is bound whole after what came before, without its value", () =>
    Effect.gen(function* () {
      const chain = Canvas.chain(id, echo.with({ text: "a" }), echo.with({ text: "b" }), inc.with({ x: 40 }))
      assert.deepStrictEqual(yield* run(chain, 1), { x: 41 })
      assert.deepStrictEqual(log, [1, "a", "b"])
    })
  )

  it.effect("lets the call win over what is bound", () =>
    Effect.gen(function* () {
      const flow = Flow.make("f", { input: Schema.Void }, () => inc({ x: 1, y: 5 } as { x: number }))
      assert.deepStrictEqual(yield* run(flow, undefined), { x: 6 })
    })
  )

  it.effect("maps a step over an array, and starmaps it over tuples", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run(Canvas.map(id), [3, 1, 2]), [3, 1, 2])
      assert.deepStrictEqual(yield* run(Canvas.map(id), []), [])
      assert.deepStrictEqual(
        yield* run(Canvas.starmap(add, ["y", "x"]), [
          [1, 2],
          [3, 4]
        ]),
        [{ x: 3 }, { x: 7 }]
      )
    })
  )

  it.effect("cuts a list into chunks whose calls run one after the other", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* run(Canvas.chunks(id, [1, 2, 3, 4, 5], 2), {}), [[1, 2], [3, 4], [5]])
      assert.deepStrictEqual(yield* run(Canvas.chunks(id, [5, 4, 3, 2, 1], 9), {}), [[5, 4, 3, 2, 1]])
      assert.deepStrictEqual(log, [5, 4, 3, 2, 1])
      assert.deepStrictEqual(yield* run(Canvas.chunks(id, [], 2), {}), [])
      const later = Canvas.chain(echo, Canvas.chunks(id, [1], 1), (chunks) => sum(chunks.at(0)))
      assert.strictEqual(yield* run(later, { text: "first" }), 1)
      assert.deepStrictEqual(log, ["first", 1])
    })
  )

  it("has a key that says what it is made of", () => {
    const chain = Canvas.chain(id, Canvas.group([id, sum as never]), sum)
    assert.strictEqual(chain.key, "chain(id, group(id, sum), sum)")
    assert.strictEqual(Canvas.chord({ a: id }, ({ a }) => id(a)).key, "chord(group(id), …)")
    assert.strictEqual(inc.key, "add.with(y)")
    assert.strictEqual(Canvas.map(id).key, "map(id)")
    const long = Canvas.group(Array.from({ length: 200 }, () => id))
    assert.strictEqual(long.key, "group(id, 198 more, id)")
  })

  it("takes chains of two hundred members, from a list too", () => {
    const members = Array.from({ length: 200 }, () => id)
    const chain = (Canvas.chain as (...members: ReadonlyArray<unknown>) => (x: number) => unknown)(...members)
    const region = Region.run({ kind: "flow", label: "test", parameter: Schema.Void }, () => chain(1))
    assert.strictEqual(region.steps.length, 200)
  })

  it("keeps what types would refuse as a problem of its step", () => {
    const untyped = Canvas as unknown as Record<
      "chain" | "group" | "chord" | "map" | "starmap" | "chunks",
      (...args: ReadonlyArray<unknown>) => unknown
    >
    assert.match(problem(untyped.chain()), /A chain of nothing/)
    assert.match(problem(untyped.chain(() => 1)), /A chain begins with a step/)
    assert.match(problem(untyped.chain(id, 3)), /steps and of functions/)
    assert.match(problem(untyped.group([id, () => 1])), /A group is made of steps/)
    assert.match(problem(untyped.group([id, add])), /take different inputs/)
    assert.match(problem(untyped.chord([id], 3)), /body of a chord/)
    assert.match(problem(untyped.chord(3, sum)), /A group is made of steps/)
    assert.match(problem(untyped.map(3)), /`Canvas.map` takes a step/)
    assert.match(problem(untyped.starmap(add, ["z"])), /no field "z"/)
    assert.match(problem(untyped.chunks(id, 3, 1)), /cuts a list/)
    assert.match(problem(untyped.chunks(id, [1], 0)), /size of a chunk is 0/)
  })
})

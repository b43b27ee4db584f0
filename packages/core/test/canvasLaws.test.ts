/**
 * Random canvases, run on the memory broker, against what they mean. A canvas is a tree; its meaning is a function of ten
 * lines. The name of a failing one is its shape, and its seed makes it again.
 */
import * as Canvas from "@arpeggio/core/Canvas"
import * as Client from "@arpeggio/core/Client"
import * as Flow from "@arpeggio/core/Flow"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import type { Step } from "@arpeggio/core/Step"
import * as Task from "@arpeggio/core/Task"
import * as Worker from "@arpeggio/core/Worker"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

type Json = Schema.Json
class Boom extends Schema.TaggedError<Boom>()("Boom", { at: Schema.Json }) {}

type Tree =
  | { readonly kind: "inc" | "flaky" | "fail" | "wrap" | "unwrap" }
  | { readonly kind: "chain" | "group"; readonly members: ReadonlyArray<Tree> }
  | { readonly kind: "chord"; readonly header: ReadonlyArray<Tree>; readonly body: Tree }
  | { readonly kind: "caught" | "spread"; readonly of: Tree }

// ---- what it means ----------------------------------------------------------------------------------------------------

const first = (json: Json): Json => (Array.isArray(json) ? (json[0] ?? null) : json)
const increment = (json: Json): Json =>
  Array.isArray(json) ? json.map(increment) : typeof json === "number" ? json + 1 : json

type Outcome = Result.Result<Json, "Boom">

/** Of an outcome, since a failure flows along until something catches it. */
const meaning = (tree: Tree, x: Outcome): Outcome => {
  switch (tree.kind) {
    case "inc":
    case "flaky":
      return Result.map(x, increment)
    case "fail":
      return Result.fail("Boom")
    case "wrap":
      return Result.map(x, (json) => [json])
    case "unwrap":
      return Result.map(x, first)
    case "chain":
      return tree.members.reduce((outcome, next) => meaning(next, outcome), x)
    case "group":
      // An empty one still comes after what is before it.
      return tree.members.length === 0
        ? Result.map(x, () => [])
        : Result.all(tree.members.map((member) => meaning(member, x)))
    case "chord":
      return meaning(tree.body, meaning({ kind: "group", members: tree.header }, x))
    case "caught":
      return Result.orElse(meaning(tree.of, Result.map(x, increment)), () => Result.succeed("caught"))
    case "spread":
      return Result.flatMap(x, () => Result.all([x, x].map((each) => meaning(tree.of, each))))
  }
}

// ---- what is written --------------------------------------------------------------------------------------------------

const task = <K extends string>(key: K, retry?: Task.Retry<"Boom">) =>
  Task.make(key, { input: Schema.Json, output: Schema.Json, error: Boom, retry })
const tasks = {
  inc: task("inc"),
  flaky: task("flaky", { attempts: 2, base: 0 }),
  fail: task("fail"),
  wrap: task("wrap"),
  unwrap: task("unwrap")
}
type Any = Step<Schema.Codec<Json>, Schema.Codec<Json>, Boom>

/** Shapes are random, so what fits is not known to the types. */
const untyped = Canvas as unknown as {
  readonly chain: (...members: ReadonlyArray<Any>) => Any
  readonly group: (members: ReadonlyArray<Any>) => Any
  readonly chord: (header: ReadonlyArray<Any>, body: Any) => Any
}

const written = (tree: Tree): Any => {
  switch (tree.kind) {
    case "chain":
      return untyped.chain(...tree.members.map(written))
    case "group":
      return untyped.group(tree.members.map(written))
    case "chord":
      return untyped.chord(tree.header.map(written), written(tree.body))
    case "caught": {
      // With a step that declares the error; without one there is nothing to catch.
      const of = untyped.chain(tasks.inc as unknown as Any, written(tree.of))
      const caught = (x: never) => Flow.catchTag(of(x), "Boom", () => Flow.succeed(Schema.Json, "caught"))
      return Flow.make("caught", { input: Schema.Json }, caught as never) as unknown as Any
    }
    case "spread": {
      const of = written(tree.of)
      const spread = (x: never) => Flow.forEach(Flow.all([x, x].map((each) => each)), (each) => of(each))
      return Flow.make("spread", { input: Schema.Json }, spread as never) as unknown as Any
    }
    default:
      return tasks[tree.kind] as unknown as Any
  }
}

// ---- random trees -----------------------------------------------------------------------------------------------------

/** Numbers from 0 to below 1, the same ones for a seed. */
const random = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

const tree = (next: () => number, depth: number, inside: ReadonlyArray<string> = []): Tree => {
  const below = (n: number) => Math.floor(next() * n)
  const many = (from: number) => Array.from({ length: from + below(4) }, () => tree(next, depth - 1, inside))
  const leaves = ["inc", "inc", "inc", "inc", "flaky", "wrap", "unwrap", "fail"] as const
  const nodes = ["chain", "group", "chord", "caught", "spread"] as const
  const kind = depth === 0 ? "leaf" : ([...nodes, "leaf"] as const)[below(6)]!
  switch (kind) {
    case "chain":
      return { kind, members: many(1) }
    case "group":
      return { kind, members: many(0) }
    case "chord":
      return { kind, header: many(0), body: tree(next, depth - 1, inside) }
    case "caught":
    case "spread":
      // A flow can't contain itself, and these two have one key each.
      return inside.includes(kind) ? { kind: "inc" } : { kind, of: tree(next, depth - 1, [...inside, kind]) }
    default:
      return { kind: leaves[below(leaves.length)]! }
  }
}

const shape = (tree: Tree): string => {
  if ("members" in tree) return `${tree.kind}(${tree.members.map(shape).join(", ")})`
  if ("header" in tree) return `chord([${tree.header.map(shape).join(", ")}], ${shape(tree.body)})`
  return "of" in tree ? `${tree.kind}(${shape(tree.of)})` : tree.kind
}

const tried = new Set<string>()
const handlers = Layer.mergeAll(
  tasks.inc.toLayer((x) => Effect.succeed(increment(x))),
  tasks.flaky.toLayer((x, { idempotencyKey }) => {
    if (tried.has(idempotencyKey)) return Effect.succeed(increment(x))
    tried.add(idempotencyKey)
    return new Boom({ at: x })
  }),
  tasks.fail.toLayer((at) => new Boom({ at })),
  tasks.wrap.toLayer((x) => Effect.succeed([x])),
  tasks.unwrap.toLayer((x) => Effect.succeed(first(x)))
)
const layer = Worker.layer({ tasks: Object.values(tasks) }).pipe(
  Layer.provide(handlers),
  Layer.provideMerge(MemoryBroker.layer())
)

/** A canvas of flows only would be that flow; the step before makes it a flow of steps. */
const canvasOf = (made: Tree): Any => untyped.chain(tasks.inc as unknown as Any, written(made))

describe("a random canvas", () => {
  // All at once, since a retry waits for the clock.
  it.live(
    "gives what it means, on the memory broker",
    () =>
      Effect.gen(function* () {
        const seeds = Array.from({ length: 300 }, (_, i) => i + 1)
        const trees = seeds.map((seed) => tree(random(seed), 4))
        const runs = yield* Effect.forEach(seeds, (seed, i) => Client.submit(canvasOf(trees[i]!), seed))
        for (const [i, run] of runs.entries()) {
          const outcome = yield* Effect.result(run.await)
          const found = Result.mapError(outcome, (error) => error._tag)
          const expected = meaning(trees[i]!, Result.succeed(seeds[i]! + 1))
          assert.deepStrictEqual(found, expected, `seed ${seeds[i]}: ${shape(trees[i]!)}`)
        }
      }).pipe(Effect.provide(layer)),
    60_000
  )
})

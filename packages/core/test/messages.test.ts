import { assert, beforeAll, describe, it } from "@effect/vitest"
import { typeCheck } from "./fixture/typeCheck.ts"

const prelude = `
import * as Canvas from "@arpeggio/core/Canvas"
import * as Flow from "@arpeggio/core/Flow"
import * as Task from "@arpeggio/core/Task"
import * as Worker from "@arpeggio/core/Worker"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { url: Schema.String }) {}
const Image = Schema.Struct({ path: Schema.String, width: Schema.Int })
const load = Task.make("image.load", { input: Schema.Struct({ url: Schema.String }), output: Image, error: NotFound })
const resize = Task.make("resize", { input: Schema.Struct({ image: Image, width: Schema.Int }), output: Image })
const image = load({ url: "a" })
`

/** A wrong line, and what has to be in its message. */
const cases: ReadonlyArray<readonly [name: string, line: string, gist: ReadonlyArray<RegExp>]> = [
  [
    "a value of another type, at its field",
    `load({ url: 3 })`,
    [/^Type 'number' is not assignable to type 'string \| RefTo<string, unknown>'/]
  ],
  [
    "a ref of another type, at its field",
    `resize({ image, width: image.path })`,
    [/^Type 'Ref<String, NotFound>' is not assignable to type 'number \| RefTo<number, unknown>'/]
  ],
  [
    "a ref deep inside",
    `resize({ image: { path: image.width, width: 1 }, width: 1 })`,
    [/^Type 'Ref<Int, NotFound>' is not assignable to type 'string \| RefTo<string, unknown>'/]
  ],
  [
    "a field that the input does not have, by its name",
    `resize({ image, width: 1, height: 2 })`,
    [/NoSuchField<"height">/]
  ],
  ["a field that a ref does not have", `image.heigth`, [/Property 'heigth' does not exist on type 'Ref<Struct</]],
  ["a field that is missing", `resize({ image })`, [/Property 'width' is missing/]],
  [
    "a tag that can't be caught, with those that can",
    `Flow.catchTag(image, "NotFoud", () => image)`,
    [/'"NotFoud"' is not assignable/, /"NotFound"/, /"TimedOut"/]
  ],
  [
    "a tag that can't be caught, with the one that was meant",
    `Flow.catchTags(image, { NotFoud: () => image })`,
    [/Did you mean to write 'NotFound'\?/]
  ],
  [
    "a field that an error does not have",
    `Flow.catchTag(image, "NotFound", (e) => load({ url: e.uri }))`,
    [/Property 'uri' does not exist/]
  ],
  [
    "a body that gives no ref",
    `Flow.make("f", { input: Image }, () => {})`,
    [/Type 'void' is not assignable to type 'RefBase</]
  ],
  [
    "a chain that does not fit",
    `Canvas.chain(load, resize)`,
    [/Type 'Ref<Struct<\{ readonly path: String; readonly width: Int; \}>, NotFound>' is not assignable/, /image/]
  ],
  [
    "a handler that fails with something else",
    `load.toLayer(() => Effect.fail("oops"))`,
    [/Type 'string' is not assignable to type 'NotFound'/]
  ],
  [
    "a handler that gives something else",
    `load.toLayer(async () => 1)`,
    [/Type 'number' is not assignable to type '\{ readonly path: string/]
  ],
  [
    "a missing handler, by the key of its task",
    `Effect.runFork(Layer.launch(Worker.layer({ tasks: [load, resize] }).pipe(Layer.provide(load.toLayer(async () => image as never)), Layer.provide(MemoryBroker.layer()))))`,
    [/Handler<"resize">/]
  ]
]

const lines = prelude.split("\n").length

describe("messages of the type checker", () => {
  let messages: ReadonlyMap<number, string>
  beforeAll(() => {
    messages = typeCheck([prelude, ...cases.map(([, line]) => line)].join("\n")).messages
  }, 60_000)

  it("are there for the wrong lines only", () => {
    assert.deepStrictEqual(
      [...messages.keys()].toSorted((a, b) => a - b),
      cases.map((_, i) => lines + i + 1)
    )
  })

  for (const [i, [name, , gist]] of cases.entries()) {
    it(`say the gist of ${name}`, () => {
      for (const part of gist) assert.match(messages.get(lines + i + 1) ?? "", part)
    })
  }
})

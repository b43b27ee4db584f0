import * as Origin from "@arpeggio/core/definition/Origin"
import * as Region from "@arpeggio/core/definition/Region"
import * as Flow from "@arpeggio/core/Flow"
import { isRef } from "@arpeggio/core/Ref"
import type { Ref } from "@arpeggio/core/Ref"
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"

class Size extends Schema.Class<Size>("Size")({ width: Schema.Int, height: Schema.Int }) {}
const Image = Schema.Struct({
  path: Schema.String,
  size: Size,
  origin: Schema.Tuple([Schema.Int, Schema.String]),
  tags: Schema.Array(Schema.Struct({ name: Schema.String })),
  note: Schema.optional(Schema.String)
})

/** The ref that a flow over this schema is given. */
const parameter = <S extends Schema.Constraint>(schema: S): Ref<S> => {
  const region = Region.run({ kind: "flow", label: "test", parameter: schema }, () => undefined)
  return Origin.ofParameter(region) as unknown as Ref<S>
}

const pathOf = (u: unknown) => Origin.of(u)?.path
const schemaOf = (u: unknown) => Origin.of(u)?.schema

describe("Ref", () => {
  it("has the fields of its schema, each a ref with its path and schema", () => {
    const image = parameter(Image)
    assert.deepStrictEqual(Object.keys(image), ["path", "size", "origin", "tags", "note"])
    assert.deepStrictEqual(pathOf(image.size.width), ["size", "width"])
    assert.strictEqual(schemaOf(image.size), Size)
    assert.strictEqual(schemaOf(image.size.width), Schema.Int)
  })

  it("has the fields of a tagged error", () => {
    class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { url: Schema.String }) {}
    assert.deepStrictEqual(Object.keys(parameter(NotFound)), ["_tag", "url"])
  })

  it("answers an array by position, a tuple as an array of refs", () => {
    const image = parameter(Image)
    assert.deepStrictEqual(pathOf(image.tags.at(2).name), ["tags", 2, "name"])
    const [x, name] = image.origin
    assert.deepStrictEqual(
      [pathOf(x), pathOf(name)],
      [
        ["origin", 0],
        ["origin", 1]
      ]
    )
    assert.strictEqual(image.origin.length, 2)
    assert.deepStrictEqual([...image.origin].map(schemaOf), [Schema.Int, Schema.String])
  })

  it("gives an optional field as its type or undefined", () => {
    const members = (schemaOf(parameter(Image).note) as Schema.UndefinedOr<typeof Schema.String>).members
    assert.deepStrictEqual(
      members.map((member) => member.ast._tag),
      ["String", "Undefined"]
    )
  })

  it("gives the fields that all members of a union share", () => {
    const Shape = Schema.Union([
      Schema.Struct({ kind: Schema.Literal("a"), n: Schema.Int, x: Schema.String }),
      Schema.Struct({ kind: Schema.Literal("b"), n: Schema.Int })
    ])
    const ref: object = parameter(Shape)
    assert.deepStrictEqual(Object.keys(ref), ["kind", "n"])
  })

  it("has nothing where the schema has no structure", () => {
    const opaque = [
      Schema.String,
      Schema.Record(Schema.String, Schema.Int),
      Schema.Option(Image),
      Schema.DateFromString
    ]
    for (const schema of opaque) assert.deepStrictEqual(Reflect.ownKeys(parameter(schema)), [])
  })

  it("can be destructured and spread into the refs of its fields, which make a value and no ref", () => {
    const image = parameter(Image)
    const { path, ...others } = image
    assert.deepStrictEqual(pathOf(path), ["path"])
    assert.deepStrictEqual(Object.keys(others), ["size", "origin", "tags", "note"])
    const copy = { ...image }
    assert.isFalse(isRef(copy))
    assert.strictEqual(copy.path, image.path)
  })

  it("has no then, so that awaiting it gives the ref, whatever its schema says", async () => {
    const image = parameter(Image)
    assert.isFalse("then" in image)
    assert.strictEqual(await image, image)
    const odd = parameter(Schema.Struct(Object.fromEntries(["then"].map((name) => [name, Schema.String]))))
    assert.isTrue("then" in odd)
    assert.strictEqual(await odd, odd)
  })

  it("can't be changed", () => {
    const image = parameter(Image)
    assert.throws(() => Object.assign(image, { path: 1 }))
    assert.throws(() => Object.assign(image.origin, [1]))
    assert.throws(() => Object.defineProperty(image, "x", { value: 1 }))
  })

  it("keeps names that mean something to JavaScript as plain fields", () => {
    const fields = JSON.parse(
      '["__proto__", "constructor", "hasOwnProperty", "toString", "at", "pipe", "then"]'
    ) as Array<string>
    const schema = Schema.Struct(Object.fromEntries(fields.map((name) => [name, Schema.Int])))
    const ref = parameter(schema) as unknown as Record<string, unknown>
    for (const name of Object.keys(schema.fields)) assert.deepStrictEqual(pathOf(ref[name]), [name])
    assert.isUndefined((parameter(Image) as unknown as Record<string, unknown>)["constructor"])
    assert.isUndefined((parameter(Image) as unknown as Record<string, unknown>)["__proto__"])
  })

  it("is told apart from every value that looks like one", () => {
    assert.isTrue(isRef(parameter(Schema.String)))
    const forged = JSON.parse(
      '{ "~arpeggio/Ref": { "path": [] }, "source": { "_tag": "Step" }, "path": [] }'
    ) as unknown
    for (const value of [forged, null, undefined, 1, "x", {}, [], () => 1]) assert.isFalse(isRef(value))
  })

  it("can be piped, unless its schema has a field of that name", () => {
    assert.strictEqual(
      parameter(Image).pipe((image) => schemaOf(image.path)),
      Schema.String
    )
    assert.deepStrictEqual(pathOf(parameter(Schema.Struct({ pipe: Schema.Int })).pipe), ["pipe"])
  })

  it("makes a string of itself only as a problem of the flow that tries", () => {
    const region = Region.run({ kind: "flow", label: "test", parameter: Schema.String }, (region) =>
      Flow.succeed(`hello ${String(Origin.ofParameter(region))}`)
    )
    assert.isUndefined(region.defect)
    assert.match(region.steps[0]?.problem ?? "", /turned into a string/)
    assert.match(region.steps[0]?.site ?? "", /Ref\.test\.ts:\d+:\d+$/)
  })
})

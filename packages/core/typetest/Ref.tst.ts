import type * as Schema from "effect/Schema"
import type { Ref, RefTo, Value } from "@arpeggio/core/Ref"
import { fetchImage, measure, resize } from "./contracts.ts"
import type { NotFound, Size } from "./contracts.ts"
import { expectType } from "./Expect.ts"

const image = fetchImage({ url: "a" })

// Parts follow the schema, and carry the errors of the whole.
expectType<Ref<typeof Schema.String, NotFound>>()(image.path)
expectType<Ref<typeof Schema.Int, NotFound>>()(image.size.width)
expectType<Ref<Schema.UndefinedOr<typeof Schema.String>, NotFound>>()(image.note)
expectType<Size>()(null! as Value<typeof image.size>)
declare const sizes: Ref<Schema.$Array<typeof Size>, NotFound>
expectType<Ref<typeof Size, NotFound>>()(sizes.at(3))

// A tuple is destructured, a struct rested and spread, without a trace of the ref.
const [x, name] = image.origin
expectType<Ref<typeof Schema.Int, NotFound>>()(x)
expectType<Ref<typeof Schema.String, NotFound>>()(name)
const { note, ...others } = image
expectType<"origin" | "path" | "size">()(null! as keyof typeof others)
resize({ image: { ...image, path: "b" }, width: 1 })
resize({ image: others, width: x, label: note })

// What a class adds to its fields is not recorded.
// @ts-expect-error area is a getter
image.size.area
// @ts-expect-error there is no such field
image.sise
// @ts-expect-error a ref is no promise
image.then

// A ref is covariant in its value and in its errors.
const wider: RefTo<unknown, unknown> = image
const narrower: RefTo<{ readonly path: string }, NotFound | Error> = image
// @ts-expect-error NotFound is still there
const safe: RefTo<unknown> = image

// A field named `pipe` is the field.
declare const pipes: Ref<Schema.Struct<{ readonly pipe: typeof Schema.Int }>>
expectType<Ref<typeof Schema.Int>>()(pipes.pipe)

// A value, a ref or a mixture, where the schema has structure.
measure({ path: image.path, size: { width: 1, height: image.size.height }, origin: [x, "b"] })
measure({ path: "a", size: image.size, origin: image.origin, note: image.path })
// @ts-expect-error a string is no number
measure({ path: "a", size: { width: "1", height: 2 }, origin: [1, "b"] })
// @ts-expect-error a position of another type
measure({ path: "a", size: image.size, origin: [image.path, "b"] })
// @ts-expect-error a field that is not there, deep inside
measure({ path: "a", size: { width: 1, height: 2, depth: 3 }, origin: [1, "b"] })
// @ts-expect-error a field too many
fetchImage({ url: "a", urk: "b" })
// @ts-expect-error a field too few
fetchImage({})
// @ts-expect-error a ref of another type
measure(image.size)

export { narrower, safe, wider }

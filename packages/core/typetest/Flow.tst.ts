import * as Flow from "@arpeggio/core/Flow"
import type { Expired, TimedOut } from "@arpeggio/core/Failure"
import type { Error, Ref, RefTo, Value } from "@arpeggio/core/Ref"
import * as Schema from "effect/Schema"
import { fetchImage, Image, publish, resize } from "./contracts.ts"
import type { Corrupt, NotFound } from "./contracts.ts"
import { expectType } from "./Expect.ts"

const image = fetchImage({ url: "a" })
const small = resize({ image, width: 1 })

// A flow is a step with the errors of its body.
export const thumbnails = Flow.make(
  "thumbnails",
  { input: Schema.Struct({ url: Schema.String, widths: Schema.Array(Schema.Int) }) },
  ({ url, widths }) => {
    const image = fetchImage({ url })
    const sizes = Flow.forEach(widths, (width, index) => {
      expectType<Ref<typeof Schema.Int>>()(width)
      expectType<Ref<typeof Schema.Int>>()(index)
      return resize({ image, width })
    })
    return publish({ original: image, sizes })
  }
)
expectType<
  Flow.Flow<
    "thumbnails",
    Schema.Struct<{ readonly url: typeof Schema.String; readonly widths: Schema.$Array<typeof Schema.Int> }>,
    typeof Schema.String,
    Corrupt | NotFound
  >
>()(thumbnails)
expectType<Ref<typeof Schema.String, Corrupt | NotFound>>()(thumbnails({ url: "a", widths: [1] }))
// @ts-expect-error a flow gives a ref
Flow.make("nothing", { input: Image }, () => {})
// @ts-expect-error and not a struct of refs
Flow.make("struct", { input: Image }, (image) => ({ image }))
// @ts-expect-error the value is not of the schema that is promised
Flow.make("promised", { input: Image, output: Schema.String }, (image) => image)

// succeed
expectType<Ref<Schema.Literal<"a">>>()(Flow.succeed("a"))
expectType<Ref<typeof Schema.Null>>()(Flow.succeed(null))
expectType<Ref<Schema.$Array<typeof Image>, NotFound>>()(Flow.succeed(Schema.Array(Image), [image]))
// @ts-expect-error not of the schema
Flow.succeed(Schema.Int, "a")

// all
expectType<Ref<Schema.Tuple<readonly [typeof Image, Schema.Literal<1>]>, NotFound>>()(
  Flow.all([image, Flow.succeed(1)])
)
expectType<Ref<Schema.Struct<{ readonly a: typeof Image; readonly b: Schema.Literal<1> }>, NotFound>>()(
  Flow.all({ a: image, b: Flow.succeed(1) })
)
expectType<Ref<Schema.$Array<typeof Image>, NotFound>>()(Flow.all(["a", "b"].map((url) => fetchImage({ url }))))
expectType<Ref<Schema.$Array<typeof Image>, NotFound>>()(Flow.all(new Set([image])))
expectType<Ref<Schema.Tuple<readonly []>>>()(Flow.all([]))
expectType<Ref<Schema.Tuple<readonly [typeof Image, typeof Image]>, Corrupt | NotFound>>()(
  Flow.all([image, small], { mode: "settled" })
)
expectType<Ref<Schema.Tuple<readonly [Schema.Result<typeof Image, Schema.Codec<NotFound>>]>>>()(
  Flow.all([image], { mode: "result" })
)
// @ts-expect-error a value is no ref
Flow.all([image, 1])
// @ts-expect-error no such mode
Flow.all([image], { mode: "first" })

// after
expectType<Ref<typeof Image, Corrupt | NotFound>>()(Flow.after(image, small))
expectType<Ref<typeof Image, Corrupt | NotFound>>()(image.pipe(Flow.after(small)))
// @ts-expect-error a value is no ref
Flow.after(image, 1)

// forEach
const images = Flow.all(["a"].map((url) => fetchImage({ url })))
expectType<Ref<Schema.$Array<typeof Schema.String>, NotFound>>()(Flow.forEach(images, (image) => image.path))
expectType<Ref<Schema.$Array<typeof Image>, Corrupt | NotFound>>()(
  images.pipe(Flow.forEach((image) => resize({ image, width: 1 }), { concurrency: 2 }))
)
// @ts-expect-error not over a struct
Flow.forEach(image, () => image)
// @ts-expect-error the body gives a ref
Flow.forEach(images, () => 1)

// catchTag takes errors away, and adds those of the handler.
expectType<Ref<typeof Image, NotFound>>()(Flow.catchTag(small, "Corrupt", () => image))
expectType<Ref<typeof Image, Corrupt>>()(small.pipe(Flow.catchTag("NotFound", ({ url }) => fallback(url))))
expectType<Ref<typeof Image>>()(Flow.catchTag(small, ["NotFound", "Corrupt"], () => other()))
expectType<Ref<typeof Image | Schema.Literal<"gone">>>()(Flow.catchTag(image, "NotFound", () => Flow.succeed("gone")))
// Failures of the engine are no declared errors, and can be caught by tag.
expectType<Ref<typeof Image, NotFound>>()(
  Flow.catchTag(image, "TimedOut", (error) => {
    expectType<TimedOut["after"]>()(null! as Value<typeof error.after>)
    return other()
  })
)
Flow.catchTag(image, ["TimedOut", "Expired"], (error) => {
  expectType<TimedOut | Expired>()(null! as Value<typeof error>)
  return other()
})
// @ts-expect-error it does not fail with that
Flow.catchTag(image, "Corrupt", () => other())
// @ts-expect-error for pipe neither
image.pipe(Flow.catchTag("Corrupt", () => other()))
// @ts-expect-error the error has no such field
Flow.catchTag(image, "NotFound", ({ uri }) => fallback(uri))

// catchTags
expectType<Ref<typeof Image>>()(
  Flow.catchTags(small, { NotFound: ({ url }) => fallback(url), Corrupt: ({ message }) => fallback(message) })
)
expectType<Ref<typeof Image, Corrupt>>()(small.pipe(Flow.catchTags({ NotFound: ({ url }) => fallback(url) })))
// @ts-expect-error it does not fail with that
Flow.catchTags(image, { Corrupt: () => other() })

// catch sees the declared errors, as one.
expectType<Ref<typeof Image>>()(
  Flow.catch(small, (error) => {
    expectType<"Corrupt" | "NotFound">()(null! as Value<typeof error._tag>)
    return other()
  })
)
expectType<Ref<typeof Image>>()(image.pipe(Flow.catch(({ url }) => fallback(url))))

// result
expectType<Ref<Schema.Result<typeof Image, Schema.Codec<NotFound>>>>()(Flow.result(image))
expectType<Ref<Schema.Result<typeof Image, Schema.Codec<NotFound>>>>()(image.pipe(Flow.result))

// withPolicy
expectType<Ref<typeof Image, NotFound>>()(
  Flow.withPolicy(image, { timeout: "5 seconds", retry: { except: ["NotFound"] } })
)
expectType<NotFound>()(null! as Error<ReturnType<typeof urgent>>)
const urgent = () => image.pipe(Flow.withPolicy({ priority: 0 }))
// @ts-expect-error no length of time
Flow.withPolicy(image, { timeout: "soon" })
// @ts-expect-error no such error
Flow.withPolicy(image, { retry: { except: ["Corrupt"] } })

declare function fallback(url: RefTo<string>): Ref<typeof Image>
declare function other(): Ref<typeof Image>

import * as Canvas from "@arpeggio/core/Canvas"
import * as Flow from "@arpeggio/core/Flow"
import type { Step } from "@arpeggio/core/Step"
import * as Task from "@arpeggio/core/Task"
import * as Schema from "effect/Schema"
import { add, fetchImage, Image, measure, notify, resize, sum } from "./contracts.ts"
import type { Corrupt, NotFound, Size } from "./contracts.ts"
import { expectType } from "./Expect.ts"

const Url = Schema.Struct({ url: Schema.String })
const thumb = Task.make("thumb", { input: Schema.Struct({ path: Schema.String }), output: Image })
const square = Task.make("square", { input: Schema.Number, output: Schema.Number })

// chain
expectType<Step<typeof Url, typeof Image, NotFound>>()(Canvas.chain(fetchImage))
expectType<Step<typeof Url, typeof Size, NotFound>>()(Canvas.chain(fetchImage, measure))
expectType<Step<typeof Url, typeof Image, Corrupt | NotFound>>()(
  Canvas.chain(fetchImage, (image) => resize.with({ width: 1 })({ image }), thumb)
)
expectType<Step<typeof Url, typeof Image, Corrupt | NotFound>>()(
  Canvas.chain(fetchImage, (image) => resize({ image, width: image.size.width }))
)
// A step that is bound whole follows anything, also what has no value.
expectType<Step<typeof Url, typeof Schema.Void, NotFound>>()(
  Canvas.chain(fetchImage, notify.with({ text: "a" }), notify.with({ text: "b" }))
)
// A chain in a chain is a member like any other.
expectType<Step<typeof Url, typeof Size, NotFound>>()(
  Canvas.chain(Canvas.chain(fetchImage, thumb), Canvas.chain(thumb, measure))
)
// @ts-expect-error nothing
Canvas.chain()
// @ts-expect-error the first member is a step
Canvas.chain((x) => x)
// @ts-expect-error an image is no number
Canvas.chain(fetchImage, square)
// @ts-expect-error a member gives a ref
Canvas.chain(fetchImage, () => 1)

// group
expectType<Canvas.Group<typeof Image, Schema.Tuple<readonly [typeof Size, typeof Size]>, never>>()(
  Canvas.group([measure, measure])
)
expectType<Canvas.Group<typeof Image, Schema.Struct<{ readonly a: typeof Size }>, never>>()(
  Canvas.group({ a: measure })
)
expectType<Canvas.Group<Schema.Struct<{}>, Schema.Tuple<readonly []>, never>>()(Canvas.group([]))
expectType<Canvas.Group<Schema.Struct<{}>, Schema.$Array<typeof Schema.Number>, never>>()(
  Canvas.group([1, 2].map((x) => add.with({ x, y: 1, z: 1 })))
)
// Its input has the fields of all members.
const both = Canvas.group([fetchImage, thumb])
expectType<{ readonly url: string; readonly path: string }>()(null! as Simple<(typeof both.input)["Type"]>)
Canvas.chain(both, ([image, small]) => Flow.all([measure(image), measure(small)]))
// A member that takes nothing goes with any other.
expectType<typeof Schema.Number>()(Canvas.group([square, add.with({ x: 1, y: 1, z: 1 })]).input)
// @ts-expect-error path is missing
both({ url: "a" })
// @ts-expect-error their inputs have nothing in common
Canvas.group([square, fetchImage])(1)
// @ts-expect-error members are steps
Canvas.group([() => 1])

// chord
expectType<Step<Schema.Struct<{}>, typeof Schema.Number, never>>()(
  Canvas.chord(
    [1, 2].map((x) => add.with({ x, y: 1, z: 1 })),
    sum
  )
)
expectType<Step<typeof Image, typeof Schema.Void, never>>()(
  Canvas.chord({ size: measure }, ({ size }) => notify.with({ text: "a" })(size))
)
// A chain as header is one member.
expectType<Step<typeof Url, typeof Size, NotFound>>()(
  Canvas.chord(Canvas.chain(fetchImage, thumb), ([image]) => measure(image))
)
// @ts-expect-error the body takes numbers
Canvas.chord([measure], sum)

// map, starmap, chunks
expectType<Step<Schema.$Array<typeof Image>, Schema.$Array<typeof Size>, never>>()(Canvas.map(measure))
expectType<
  Step<
    Schema.$Array<Schema.Tuple<readonly [typeof Schema.Number, typeof Schema.Number]>>,
    Schema.$Array<typeof Schema.Number>,
    never
  >
>()(Canvas.starmap(add, ["x", "y"]))
// @ts-expect-error y is missing
Canvas.starmap(add, ["x"])
// @ts-expect-error no such field
Canvas.starmap(add, ["x", "w"])
expectType<Step<Schema.Struct<{}>, Schema.$Array<Schema.$Array<typeof Schema.Number>>, never>>()(
  Canvas.chunks(square, [1, 2, 3], 2)
)
// @ts-expect-error of another type
Canvas.chunks(square, ["a"], 2)

type Simple<T> = { readonly [K in keyof T]: T[K] }

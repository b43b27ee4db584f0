/** Tasks that the type tests share. */
import * as Schema from "effect/Schema"
import * as Task from "@arpeggio/core/Task"

export class NotFound extends Schema.TaggedError<NotFound>()("NotFound", { url: Schema.String }) {}
export class Corrupt extends Schema.TaggedError<Corrupt>()("Corrupt", { at: Schema.Int, message: Schema.String }) {}

export class Size extends Schema.Class<Size>("Size")({ width: Schema.Int, height: Schema.Int }) {
  get area() {
    return this.width * this.height
  }
}
export const Image = Schema.Struct({
  path: Schema.String,
  size: Size,
  note: Schema.optionalKey(Schema.String),
  origin: Schema.Tuple([Schema.Int, Schema.String])
})

export const fetchImage = Task.make("image.fetch", {
  input: Schema.Struct({ url: Schema.String }),
  output: Image,
  error: NotFound
})
export const resize = Task.make("image.resize", {
  input: Schema.Struct({ image: Image, width: Schema.Int, label: Schema.optional(Schema.String) }),
  output: Image,
  error: Corrupt
})
export const publish = Task.make("publish", {
  input: Schema.Struct({ original: Image, sizes: Schema.Array(Image) }),
  output: Schema.String
})
export const measure = Task.make("measure", { input: Image, output: Size })
export const notify = Task.make("notify", { input: Schema.Struct({ text: Schema.String }), output: Schema.Void })
export const add = Task.make("add", {
  input: Schema.Struct({ x: Schema.Number, y: Schema.Number, z: Schema.optional(Schema.Number) }),
  output: Schema.Number
})
export const sum = Task.make("sum", { input: Schema.Array(Schema.Number), output: Schema.Number })

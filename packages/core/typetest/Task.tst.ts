import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import type * as Scope from "effect/Scope"
import { Attempt } from "@arpeggio/core/Attempt"
import type { Handler } from "@arpeggio/core/Handler"
import type { Ref } from "@arpeggio/core/Ref"
import type { Step } from "@arpeggio/core/Step"
import * as Task from "@arpeggio/core/Task"
import { add, Corrupt, fetchImage, NotFound, notify, resize } from "./contracts.ts"
import type { Image } from "./contracts.ts"
import { expectType } from "./Expect.ts"

class Http extends Context.Service<Http, { readonly get: (url: string) => Effect.Effect<typeof Image.Type> }>()(
  "Http"
) {}

// A call fails with what its task declares and with what its refs can fail with.
const image = fetchImage({ url: "a" })
expectType<Ref<typeof Image, NotFound>>()(image)
expectType<Ref<typeof Image, Corrupt | NotFound>>()(resize({ image, width: 1 }))
expectType<Ref<typeof Image, Corrupt | NotFound>>()(resize({ image: { ...literal(), path: image.path }, width: 1 }))

// `.with` takes fields away, and its refs' errors along.
expectType<
  Step<
    Schema.Struct<{ readonly y: typeof Schema.Number; readonly z: Schema.optional<typeof Schema.Number> }>,
    typeof Schema.Number,
    never
  >
>()(add.with({ x: 1 }))
expectType<Step<Schema.Struct<{}>, typeof Schema.Void, NotFound>>()(notify.with({ text: image.path }))
// @ts-expect-error of another type
add.with({ x: "1" })
// @ts-expect-error no such field
add.with({ w: 1 })
// @ts-expect-error x is bound, y is missing
add.with({ x: 1 })({ z: 1 })

// A layer of handlers needs their services, not what the worker gives.
const effects = fetchImage.toLayer(({ url }) =>
  Effect.gen(function* () {
    const attempt = yield* Attempt
    yield* Effect.addFinalizer(() => Effect.void)
    if (attempt.number > 3) return yield* new NotFound({ url })
    return yield* (yield* Http).get(url)
  })
)
expectType<Layer.Layer<Handler<"image.fetch">, never, Http>>()(effects)
expectType<Layer.Layer<Handler<"add">>>()(add.toLayer(async ({ x, y }, { signal }) => (signal.aborted ? x : y)))
expectType<Layer.Layer<Handler<"add">>>()(add.toLayer(({ x, y }) => Effect.succeed(x + y)))

// @ts-expect-error the value is no image
fetchImage.toLayer(() => Effect.succeed(3))
// @ts-expect-error Corrupt is not declared
fetchImage.toLayer(() => Effect.fail(new Corrupt({ at: 1, message: "" })))
// @ts-expect-error the promise is of another type
fetchImage.toLayer(async () => 3)
// @ts-expect-error what is thrown away
fetchImage.toLayer(({ uri }) => Effect.die(uri))

// `except` names errors of the task.
Task.make("a", {
  input: Schema.Void,
  output: Schema.Void,
  error: Schema.Union([NotFound, Corrupt]),
  retry: { except: ["Corrupt"] }
})
// @ts-expect-error no such error
Task.make("a", { input: Schema.Void, output: Schema.Void, error: NotFound, retry: { except: ["Corrupt"] } })

// Schemas that need services can't be compiled anywhere.
const Secret = Schema.String.pipe(
  Schema.decodeTo(Schema.String, {
    decode: SchemaGetter.transformEffect((key: string) => Http.use((http) => Effect.as(http.get(key), key))),
    encode: SchemaGetter.transform((value: string) => value)
  })
)
// @ts-expect-error it needs Http
Task.make("a", { input: Secret, output: Schema.Void })

declare function literal(): typeof Image.Type
export type { Scope }

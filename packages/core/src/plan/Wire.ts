/**
 * How the values of a schema travel: as the JSON that `Schema.toCodecJson` gives them. Made once per schema, since
 * making a codec costs more than using it a thousand times.
 */
import * as Cause from "effect/Cause"
import type * as Exit from "effect/Exit"
import { memoize } from "effect/Function"
import * as Schema from "effect/Schema"
import type { Json } from "./Document.ts"

export type Decode = (json: unknown) => Exit.Exit<unknown, Schema.SchemaError>
export type Encode = (value: unknown) => Exit.Exit<Json, Schema.SchemaError>

// Definitions keep their schemas untyped; that they need no services was checked where they were given.
const codec = (schema: Schema.Constraint) => Schema.toCodecJson(schema as Schema.Codec<unknown>)

export const decoder: (schema: Schema.Constraint) => Decode = memoize((schema) =>
  Schema.decodeUnknownExit(codec(schema))
)

export const encoder: (schema: Schema.Constraint) => Encode = memoize((schema) =>
  Schema.encodeUnknownExit(codec(schema) as Schema.Codec<unknown, Json>)
)

/** Why a value does not fit, with the path, in a line or two. */
export const issueOf = (cause: Cause.Cause<unknown>): string => {
  const error = Cause.squash(cause)
  return error instanceof Error ? error.message : String(error)
}

/**
 * The JSON schema of what a schema's values are on the wire. Made once per schema.
 */
import * as Schema from "effect/Schema"
import type { Json } from "../plan/Document.ts"

/** A JSON schema as data; `true` allows anything, `false` nothing. */
export type JsonSchema = boolean | { readonly [key: string]: unknown }

/** A JSON schema and what its `$ref`s point to. */
export interface Shape {
  readonly schema: JsonSchema
  readonly definitions: { readonly [name: string]: JsonSchema }
}

const memo = <A>(make: (schema: Schema.Constraint) => A): ((schema: Schema.Constraint) => A) => {
  const made = new WeakMap<object, A>()
  return (schema) => {
    const known = made.get(schema.ast)
    if (known !== undefined) return known
    const value = make(schema)
    made.set(schema.ast, value)
    return value
  }
}

/** What a producer writes and a consumer reads; closed, so that a key that is not named is one that is never written. */
export const shape: (schema: Schema.Constraint) => Shape = memo((schema) =>
  Schema.toJsonSchemaDocument(schema, { onExcessProperty: "error" })
)

/** The JSON schema that a plan carries, its definitions inside. */
export const contract: (schema: Schema.Constraint) => Json = memo((schema) => {
  const { schema: own, definitions } = Schema.toJsonSchemaDocument(schema)
  const document = Object.keys(definitions).length === 0 ? own : { ...own, $defs: definitions }
  // A JSON schema is JSON; going through text drops what a custom schema may have added that is not.
  return JSON.parse(JSON.stringify(document))
})

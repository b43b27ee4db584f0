/**
 * Where a schema has structure that a ref can enter: fields, positions, elements. Everything else is one leaf.
 */
import * as Schema from "effect/Schema"

type Schemas = Readonly<Record<string, Schema.Constraint>>

const has = (schema: object, key: string): schema is Readonly<Record<string, unknown>> =>
  key in schema && (schema as Readonly<Record<string, unknown>>)[key] !== undefined

/** The fields of a struct, a class or a tagged error. */
export const fields = (schema: Schema.Constraint): Schemas | undefined =>
  has(schema, "fields") ? (schema["fields"] as Schemas) : undefined

/** The members of a union, themselves not unions; a schema that is none is its only member. */
export const members = (schema: Schema.Constraint): ReadonlyArray<Schema.Constraint> =>
  schema.ast._tag === "Union" && schema.ast.encoding === undefined && has(schema, "members")
    ? (schema["members"] as ReadonlyArray<Schema.Constraint>).flatMap(members)
    : [schema]

/** One schema for values of any of these; of equal ones, the first. */
export const union = (schemas: ReadonlyArray<Schema.Constraint>): Schema.Constraint => {
  const distinct = [...new Set(schemas.flatMap(members))]
  return distinct.length === 0 ? Schema.Never : distinct.length === 1 ? distinct[0]! : Schema.Union(distinct)
}

/** An optional field as a value of its own: the schema, or undefined. */
const present = (schema: Schema.Constraint): Schema.Constraint => {
  if (schema.ast.context?.isOptional !== true || !has(schema, "schema")) return schema
  const inner = schema["schema"] as unknown as Schema.Constraint
  return members(inner).some((member) => member.ast._tag === "Undefined") ? inner : Schema.UndefinedOr(inner)
}

/** The names of the fields that every member of the schema has, symbols left out. */
export const fieldNames = (schema: Schema.Constraint): ReadonlyArray<string> => {
  const [first, ...rest] = members(schema)
  const own = first === undefined ? undefined : fields(first)
  if (own === undefined) return []
  return Object.keys(own).filter((name) => rest.every((member) => Object.hasOwn(fields(member) ?? {}, name)))
}

/** The schema of a field: of a union, what its members have there. */
export const field = (schema: Schema.Constraint, name: string): Schema.Constraint | undefined => {
  const found = members(schema).map((member) => {
    const own = fields(member)
    return own !== undefined && Object.hasOwn(own, name) ? present(own[name]!) : undefined
  })
  return found.every((f) => f !== undefined) ? union(found) : undefined
}

/** The positions of a tuple without a rest. */
export const positions = (schema: Schema.Constraint): ReadonlyArray<Schema.Constraint> | undefined =>
  schema.ast._tag === "Arrays" && schema.ast.rest.length === 0 && has(schema, "elements")
    ? (schema["elements"] as ReadonlyArray<Schema.Constraint>).map(present)
    : undefined

/** The element of an array. */
export const element = (schema: Schema.Constraint): Schema.Constraint | undefined =>
  schema.ast._tag === "Arrays" && schema.ast.encoding === undefined && has(schema, "value")
    ? (schema["value"] as unknown as Schema.Constraint)
    : undefined

/** The element of what can be gone over one by one: of an array its own, of a tuple any of its positions. */
export const elementOf = (schema: Schema.Constraint): Schema.Constraint | undefined => {
  const tuple = positions(schema)
  return tuple === undefined ? element(schema) : union(tuple)
}

/** The `_tag` of a tagged error or struct. */
export const tagOf = (schema: Schema.Constraint): string | undefined => {
  const ast = fields(schema)?.["_tag"]?.ast
  return ast?._tag === "Literal" && typeof ast.literal === "string" ? ast.literal : undefined
}

/** Whether an input schema takes nothing, and so anything. */
const isOpen = (schema: Schema.Constraint): boolean => {
  const own = fields(schema)
  return own !== undefined && Object.keys(own).length === 0
}

/** One schema for an input that goes to steps with these: theirs if it is one, or a struct of all their fields. */
export const merge = (schemas: ReadonlyArray<Schema.Constraint>): Schema.Constraint | undefined => {
  const distinct = [...new Set(schemas.filter((schema) => !isOpen(schema)))]
  if (distinct.length === 0) return Schema.Struct({})
  if (distinct.length === 1) return distinct[0]
  const structs = distinct.map(fields)
  if (!structs.every((struct) => struct !== undefined)) return undefined
  return Schema.Struct(Object.fromEntries(structs.toReversed().flatMap((struct) => Object.entries(struct))))
}

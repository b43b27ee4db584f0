/**
 * Values and refs, nested in each other, as a template. Refs may stand wherever the schema has structure: fields,
 * positions, elements. What is between them is a literal and is encoded now, each part by its own schema; a union, a
 * record, a transformed struct is one part, which is a literal as a whole or a ref as a whole.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Origin from "../definition/Origin.ts"
import * as Structure from "../definition/Structure.ts"
import type { Json, Path, Template } from "../plan/Document.ts"
import { inWords } from "./Problems.ts"
import * as Templates from "../plan/Template.ts"
import { mismatch } from "./Wires.ts"

/** How the step that reads the value sees the rest of the definition. */
export interface Reader {
  /** The template of a ref; nothing where it is known to be absent. */
  readonly read: (origin: Origin.Origin) => Template | undefined
  /** The readable id of what a ref points at. */
  readonly nameOf: (origin: Origin.Origin) => string
  readonly report: (message: string) => void
}

/** The template of a nested value. Nothing is an absent value, from a ref into what was left out. */
export const template = (
  reader: Reader,
  schema: Schema.Constraint,
  value: unknown,
  path: Path
): Template | undefined => {
  const origin = Origin.of(value)
  if (origin !== undefined) return reference(reader, schema, origin, path)
  const [ref] = Origin.inside(value)
  if (ref === undefined) {
    const encoded = encode(schema, value)
    if (Result.isSuccess(encoded)) return { literal: encoded.success }
  }
  const own = inner(schema)
  const fields = Structure.fields(own)
  if (fields !== undefined && Origin.isPlain(value))
    return checked(reader, own, path, struct(reader, fields, value, path))
  if (Array.isArray(value)) {
    const elements = elementsOf(own, value.length)
    if (elements !== undefined) return checked(reader, own, path, array(reader, elements, value, path))
  }
  if (ref !== undefined) {
    for (const origin of Origin.inside(value)) reader.read(origin)
    reader.report(
      `${inWords(path)} holds a ref, but its schema has no fields or elements that a ref could stand in for. Give a ref for all of it: compute it in a task, or make it with \`Flow.all\`.`
    )
    return { literal: null }
  }
  const encoded = encode(schema, value)
  if (Result.isFailure(encoded)) refuse(reader, path, encoded.failure)
  return { literal: null }
}

const reference = (
  reader: Reader,
  schema: Schema.Constraint,
  origin: Origin.Origin,
  path: Path
): Template | undefined => {
  const wire = mismatch(origin.schema, schema)
  if (wire !== undefined) {
    const at = [...path, ...wire.path]
    reader.report(
      `${inWords(at)} gets ${wire.produced} from ${reader.nameOf(origin)}, and needs ${wire.expected}. The two schemas are written differently in JSON: use the same one on both ends, or convert in a task.`
    )
  }
  return reader.read(origin)
}

const struct = (
  reader: Reader,
  fields: Readonly<Record<string, Schema.Constraint>>,
  value: Readonly<Record<string, unknown>>,
  path: Path
): Template | undefined => {
  const entries: Array<readonly [string, Template]> = []
  let complete = true
  for (const key of Object.keys(value)) {
    if (Object.hasOwn(fields, key)) continue
    complete = false
    const known = Object.keys(fields)
    reader.report(
      `${inWords([...path, key])} is not a field of the schema, which ${known.length === 0 ? "has none" : `has ${known.join(", ")}`}. Leave it out, or add it to the schema.`
    )
  }
  for (const key of Object.keys(fields)) {
    const field = fields[key]!
    const given = Object.hasOwn(value, key) ? value[key] : undefined
    if (given === undefined && isOptional(field)) continue
    if (!Object.hasOwn(value, key)) {
      complete = false
      reader.report(
        `${inWords([...path, key])} is missing. Give it a value or a ref, or make it optional in the schema.`
      )
      continue
    }
    const part = template(reader, field, given, [...path, key])
    if (part !== undefined) entries.push([key, part])
  }
  return complete ? Templates.struct(entries) : undefined
}

const array = (
  reader: Reader,
  elements: ReadonlyArray<Schema.Constraint>,
  value: ReadonlyArray<unknown>,
  path: Path
): Template | undefined => {
  if (value.length > elements.length) {
    reader.report(`${inWords(path)} has ${value.length} elements, and the schema takes ${elements.length}.`)
    return undefined
  }
  const parts = elements.map((element, i) => {
    if (i < value.length) return template(reader, element, value[i], [...path, i]) ?? { literal: null }
    if (!isOptional(element)) reader.report(`${inWords([...path, i])} is missing. Give it a value or a ref.`)
    return undefined
  })
  return Templates.tuple(parts.filter((part) => part !== undefined))
}

/** Checks that are on the whole, such as a filter on a struct, are tried where the whole is known. */
const checked = (reader: Reader, schema: Schema.Constraint, path: Path, whole: Template | undefined): Template => {
  if (whole === undefined) return { literal: null }
  if ("literal" in whole && schema.ast.checks !== undefined) {
    const decoded = attempt(() => codec(schema).decode(whole.literal))
    if (Result.isFailure(decoded)) refuse(reader, path, decoded.failure)
  }
  return whole
}

const refuse = (reader: Reader, path: Path, issue: string): void =>
  reader.report(`${inWords(path)} does not fit its schema: ${issue}.`)

// ---- literals ---------------------------------------------------------------------------------------------------------

type Attempt<A> = (value: unknown) => Result.Result<A, { readonly message: string }>
interface Codec {
  readonly encode: Attempt<Json>
  readonly decode: Attempt<unknown>
}
const codecs = new WeakMap<object, Codec>()

const codec = (schema: Schema.Constraint): Codec => {
  const known = codecs.get(schema.ast)
  if (known !== undefined) return known
  // The schemas of a contract need no services, which a `Schema.Constraint` does not say.
  const json = Schema.toCodecJson(schema as Schema.Codec<unknown>)
  const made: Codec = {
    encode: Schema.encodeUnknownResult(json, { onExcessProperty: "error" }),
    decode: Schema.decodeUnknownResult(json)
  }
  codecs.set(schema.ast, made)
  return made
}

const encode = (schema: Schema.Constraint, value: unknown): Result.Result<Json, string> =>
  attempt(() => codec(schema).encode(value))

/** A transformation of the user's own may throw, or be asynchronous, which is a defect here. */
const attempt = <A>(run: () => Result.Result<A, { readonly message: string }>): Result.Result<A, string> => {
  try {
    return Result.mapError(run(), (error) => error.message.replaceAll(/\n\s+at /g, " at "))
  } catch (defect) {
    return Result.fail(`it can't be encoded now (${defect instanceof Error ? defect.message : String(defect)})`)
  }
}

// ---- shapes of values and schemas ----------------------------------------------------------------------------------------

/** May be left out, of the value or at least of its JSON. */
const isOptional = (schema: Schema.Constraint): boolean =>
  schema.ast.context?.isOptional === true || Schema.toEncoded(schema).ast.context?.isOptional === true

/** The schema of a field that is there: `optionalKey` and the like only say that it may be left out. */
const inner = (schema: Schema.Constraint): Schema.Constraint => {
  const wrapped = (schema as { readonly schema?: Schema.Constraint }).schema
  return schema.ast.context !== undefined && wrapped !== undefined && wrapped.ast._tag === schema.ast._tag
    ? inner(wrapped)
    : schema
}

/** The schema of each element: as many as a tuple has, or as the value has. */
const elementsOf = (schema: Schema.Constraint, length: number): ReadonlyArray<Schema.Constraint> | undefined => {
  const element = Structure.element(schema)
  if (element !== undefined) return Array.from<Schema.Constraint>({ length }).fill(element)
  if (schema.ast._tag !== "Arrays" || schema.ast.rest.length > 0 || schema.ast.encoding !== undefined) return undefined
  return (schema as { readonly elements?: ReadonlyArray<Schema.Constraint> }).elements
}

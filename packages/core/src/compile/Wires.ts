/**
 * Two schemas of the same type may be written differently: a `DateFromMillis` is a number in JSON, a `Date` a string. An
 * edge between them type-checks and fails at run time, always. It is found here by comparing the JSON shapes: an edge is
 * wrong when they are **disjoint**, that is when at some path they have no JSON type in common, or the consumer requires
 * a key that the producer never writes. What merely overlaps is decoded at run time and may well fit.
 */
import type * as Schema from "effect/Schema"
import * as Structure from "../definition/Structure.ts"
import { shape } from "./JsonSchema.ts"
import type { Shape } from "./JsonSchema.ts"

/** Where two shapes can't meet, and what each side has there, in words. */
export interface Mismatch {
  readonly path: ReadonlyArray<string | number>
  readonly produced: string
  readonly expected: string
}

const compared = new WeakMap<object, WeakMap<object, Mismatch | null>>()

/** What makes it impossible to read with one schema what another wrote; nothing when it may work. */
export const mismatch = (producer: Schema.Constraint, consumer: Schema.Constraint): Mismatch | undefined => {
  if (producer.ast === consumer.ast) return undefined
  let row = compared.get(producer.ast)
  if (row === undefined) compared.set(producer.ast, (row = new WeakMap()))
  let found = row.get(consumer.ast)
  if (found === undefined) {
    found = parts(producer, consumer) ?? null
    row.set(consumer.ast, found)
  }
  return found ?? undefined
}

/**
 * Where both have the same structure their parts are compared, which are often the very same schemas: a flow makes many
 * tuples and structs of few parts. JSON schemas are made for what is left.
 */
const parts = (producer: Schema.Constraint, consumer: Schema.Constraint): Mismatch | undefined => {
  const written = Structure.fields(producer)
  const read = Structure.fields(consumer)
  if (written !== undefined && read !== undefined) {
    const keys = Object.keys(read)
    const plain = keys.every(
      (key) => Object.hasOwn(written, key) && !isOptional(written[key]!) && !isOptional(read[key]!)
    )
    if (plain) return first(keys, (key) => mismatch(written[key]!, read[key]!))
  }
  const element = Structure.element(consumer)
  if (element !== undefined) {
    const positions = Structure.positions(producer)
    if (positions !== undefined) return first([...positions.keys()], (i) => mismatch(positions[i]!, element))
    const produced = Structure.element(producer)
    if (produced !== undefined) return first(["*"], () => mismatch(produced, element))
  }
  return compare(shape(producer), shape(consumer))
}

const isOptional = (schema: Schema.Constraint): boolean => schema.ast.context?.isOptional === true

const first = <K extends string | number>(
  keys: ReadonlyArray<K>,
  compare: (key: K) => Mismatch | undefined
): Mismatch | undefined => {
  for (const key of keys) {
    const found = compare(key)
    if (found !== undefined) return { ...found, path: [key, ...found.path] }
  }
  return undefined
}

const compare = (producer: Shape, consumer: Shape): Mismatch | undefined =>
  new Comparison(producer.definitions, consumer.definitions).disjoint(producer.schema, consumer.schema, [])

type Node = { readonly [key: string]: unknown }
type Definitions = Shape["definitions"]

const jsonTypes = ["null", "boolean", "number", "string", "array", "object"] as const
type JsonType = (typeof jsonTypes)[number]

const isNode = (u: unknown): u is Node => typeof u === "object" && u !== null && !Array.isArray(u)
const asNode = (schema: unknown): Node => (schema === false ? { not: {} } : isNode(schema) ? schema : {})
const listOf = (u: unknown): ReadonlyArray<unknown> => (Array.isArray(u) ? u : [])

/** `{ not: {} }`: no value at all. */
const isNever = (node: Node): boolean => isNode(node["not"]) && Object.keys(node["not"]).length === 0

/** The values a schema is limited to, if it lists them. */
const valuesOf = (node: Node): ReadonlyArray<unknown> | undefined =>
  "const" in node ? [node["const"]] : Array.isArray(node["enum"]) ? node["enum"] : undefined

const typeOfValue = (value: unknown): JsonType =>
  value === null ? "null" : Array.isArray(value) ? "array" : (typeof value as JsonType)

const typesOf = (node: Node): ReadonlyArray<JsonType> => {
  const type = node["type"]
  const named = typeof type === "string" ? [type] : Array.isArray(type) ? type : undefined
  if (named !== undefined) return named.map((name) => (name === "integer" ? "number" : name))
  return valuesOf(node)?.map(typeOfValue) ?? jsonTypes
}

class Comparison {
  readonly producers: Definitions
  readonly consumers: Definitions
  /** Pairs compared; one still under comparison, met again in a recursive schema, is taken to overlap. */
  readonly seen = new Map<Node, Map<Node, Mismatch | undefined>>()

  constructor(producers: Definitions, consumers: Definitions) {
    this.producers = producers
    this.consumers = consumers
  }

  disjoint(producer: unknown, consumer: unknown, path: Mismatch["path"]): Mismatch | undefined {
    const left = resolve(asNode(producer), this.producers)
    const right = resolve(asNode(consumer), this.consumers)
    if (left === undefined || right === undefined) return undefined
    // A producer that never writes anything can't write anything wrong.
    if (isNever(left)) return undefined
    if (isNever(right)) return { path, produced: words(left, this.producers), expected: "nothing" }
    let row = this.seen.get(left)
    if (row === undefined) this.seen.set(left, (row = new Map()))
    if (row.has(right)) return row.get(right)
    row.set(right, undefined)
    const found = this.#unions(left, right, path) ?? this.#single(left, right, path)
    row.set(right, found)
    return found
  }

  /** Unions are disjoint when every pair of members is; a conjunction, when one of its parts is. */
  #unions(left: Node, right: Node, path: Mismatch["path"]): Mismatch | undefined {
    for (const part of listOf(left["allOf"])) {
      const found = this.disjoint(part, right, path)
      if (found !== undefined) return found
    }
    for (const part of listOf(right["allOf"])) {
      const found = this.disjoint(left, part, path)
      if (found !== undefined) return found
    }
    const lefts = alternatives(left)
    const rights = alternatives(right)
    if (lefts.length === 1 && rights.length === 1 && lefts[0] === left && rights[0] === right) return undefined
    const found: Array<Mismatch> = []
    for (const l of lefts) {
      for (const r of rights) {
        const pair = l === left && r === right ? this.#single(left, right, path) : this.disjoint(l, r, path)
        if (pair === undefined) return undefined
        found.push(pair)
      }
    }
    // Where one pair alone gets further than the others, that is where they were meant to meet.
    const deeper = found.filter((pair) => pair.path.length > path.length)
    if (deeper.length === 1) return deeper[0]
    return { path, produced: words(left, this.producers), expected: words(right, this.consumers) }
  }

  #single(left: Node, right: Node, path: Mismatch["path"]): Mismatch | undefined {
    if (alternatives(left)[0] !== left || alternatives(right)[0] !== right) return undefined
    const produced = typesOf(left)
    const expected = typesOf(right)
    const common = produced.filter((type) => expected.includes(type))
    const here = { path, produced: words(left, this.producers), expected: words(right, this.consumers) }
    if (common.length === 0) return here
    const written = valuesOf(left)
    const read = valuesOf(right)
    if (written !== undefined && read !== undefined && !written.some((value) => read.includes(value))) return here
    if (common.length > 1) return undefined
    if (common[0] === "object") return this.#objects(left, right, path)
    if (common[0] === "array") return this.#arrays(left, right, path)
    return undefined
  }

  #objects(left: Node, right: Node, path: Mismatch["path"]): Mismatch | undefined {
    const written = asNode(left["properties"])
    const read = asNode(right["properties"])
    const always = listOf(left["required"])
    const wanted = listOf(right["required"])
    for (const key of Object.keys(read)) {
      const producer = valueAt(left, written, key)
      if (producer === undefined) {
        if (!wanted.includes(key)) continue
        return { path: [...path, key], produced: "nothing", expected: words(asNode(read[key]), this.consumers) }
      }
      const required = always.includes(key) || wanted.includes(key)
      // An optional key that one side never has says nothing about the other.
      if (!required && isNever(asNode(read[key]))) continue
      const found = this.disjoint(producer, read[key], [...path, key])
      if (found !== undefined) return found
    }
    const rest = right["additionalProperties"]
    if (!isNode(rest)) return undefined
    for (const key of always) {
      if (typeof key !== "string" || Object.hasOwn(read, key) || !Object.hasOwn(written, key)) continue
      const found = this.disjoint(written[key], rest, [...path, key])
      if (found !== undefined) return found
    }
    return undefined
  }

  #arrays(left: Node, right: Node, path: Mismatch["path"]): Mismatch | undefined {
    const written = listOf(left["prefixItems"])
    const read = listOf(right["prefixItems"])
    const most = typeof left["maxItems"] === "number" ? left["maxItems"] : Infinity
    const least = typeof right["minItems"] === "number" ? right["minItems"] : 0
    if (most < least) {
      return { path, produced: `an array of at most ${most}`, expected: `an array of at least ${least}` }
    }
    for (let i = 0; i < Math.max(written.length, read.length); i++) {
      const producer = written[i] ?? left["items"]
      const consumer = read[i] ?? right["items"]
      if (producer === undefined || consumer === undefined) continue
      const found = this.disjoint(producer, consumer, [...path, i])
      if (found !== undefined) return found
    }
    if (left["items"] === undefined || right["items"] === undefined) return undefined
    return this.disjoint(left["items"], right["items"], [...path, "*"])
  }
}

/** The schema of a key the producer may write; nothing when it never does. */
const valueAt = (node: Node, properties: Node, key: string): unknown => {
  if (Object.hasOwn(properties, key)) return properties[key]
  const rest = node["additionalProperties"]
  if (rest === false) return undefined
  return isNode(rest) ? rest : {}
}

const alternatives = (node: Node): ReadonlyArray<unknown> => {
  const members = [...listOf(node["anyOf"]), ...listOf(node["oneOf"])]
  return members.length === 0 ? [node] : members
}

const resolve = (node: Node, definitions: Definitions): Node | undefined => {
  let resolved = node
  for (let depth = 0; typeof resolved["$ref"] === "string"; depth++) {
    const name = decodePointer(resolved["$ref"])
    if (depth > 32 || !Object.hasOwn(definitions, name)) return undefined
    resolved = asNode(definitions[name])
  }
  return resolved
}

const decodePointer = (ref: string): string =>
  decodeURIComponent(ref.replace(/^#\/(\$defs|definitions)\//, ""))
    .replaceAll("~1", "/")
    .replaceAll("~0", "~")

/** A schema in words: "a number", "a string or null". */
const words = (node: Node, definitions: Definitions): string => {
  const found = new Set<string>()
  const visit = (schema: unknown, depth: number): void => {
    const resolved = resolve(asNode(schema), definitions)
    if (resolved === undefined || depth > 4) return
    const members = alternatives(resolved)
    if (members[0] !== resolved) return members.forEach((member) => visit(member, depth + 1))
    if (isNever(resolved)) return
    const values = valuesOf(resolved)
    // How JSON writes the numbers it has no literals for; they go without saying.
    if (values?.every((value) => typeof value === "string" && notFinite.has(value))) return
    if (values !== undefined && values.length <= 3) values.forEach((value) => found.add(JSON.stringify(value)))
    else typesOf(resolved).forEach((type) => found.add(inWords[type]))
  }
  visit(node, 0)
  return found.size === 0 ? "nothing" : [...found].join(" or ")
}
const notFinite: ReadonlySet<string> = new Set(["Infinity", "-Infinity", "NaN"])
const inWords: Record<JsonType, string> = {
  null: "null",
  boolean: "a boolean",
  number: "a number",
  string: "a string",
  array: "an array",
  object: "an object"
}

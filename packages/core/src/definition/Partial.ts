/**
 * Steps with a part of their input filled: what `.with` makes.
 */
import * as Schema from "effect/Schema"
import * as Definition from "./Definition.ts"
import { after } from "./Joins.ts"
import * as Origin from "./Origin.ts"
import { fieldNames, fields } from "./Structure.ts"

type Call = (input: unknown) => unknown
type Record = Readonly<globalThis.Record<string, unknown>>

const isRecord = (u: unknown): u is Record => typeof u === "object" && u !== null && !Array.isArray(u)

/** What fills the open fields: by name from a ref to a struct, or from what the call gives. */
const fill = (open: ReadonlyArray<string>, input: unknown): Record => {
  const origin = Origin.of(input)
  if (origin === undefined) return isRecord(input) ? input : {}
  const given = fieldNames(origin.schema)
  const parts = input as Record
  return Object.fromEntries(open.filter((name) => given.includes(name)).map((name) => [name, parts[name]]))
}

/** The step with these fields bound. Refs among them belong to where they were made, as everywhere. */
const bind = (definition: Definition.Definition, bound: Record): unknown => {
  const all = fields(definition.input) ?? {}
  const open = Object.keys(all).filter((name) => !Object.hasOwn(bound, name))
  const input = Schema.Struct(Object.fromEntries(open.map((name) => [name, all[name]!])))
  const call: Call = (given) => {
    const filled = fill(open, given)
    const ref = definition.body({ ...bound, ...filled })
    const onlyOrders = Origin.of(given) !== undefined && Object.keys(filled).length === 0
    return onlyOrders ? after(ref, [given]) : ref
  }
  const names = Object.keys(bound).join(", ")
  return define({
    kind: "canvas",
    key: `${definition.key}.with(${names})`,
    input,
    problem: definition.problem,
    body: call
  })
}

/** A definition as a callable step with its key, its input schema, `.with`, and what else it shows. */
export const define = (
  definition: Definition.Definition,
  properties: object = {},
  call: Call = (input) => definition.body(input)
): unknown =>
  Definition.attach(call, definition, {
    key: definition.key,
    input: definition.input,
    with: (bound: Record) => bind({ ...definition, body: call }, bound),
    ...properties
  })

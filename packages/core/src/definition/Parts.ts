/**
 * Canvases at run time: functions made of functions. One that can't be made is still a step, with a problem.
 */
import * as Schema from "effect/Schema"
import * as Callbacks from "./Callbacks.ts"
import * as Definition from "./Definition.ts"
import * as Joins from "./Joins.ts"
import * as Origin from "./Origin.ts"
import { define } from "./Partial.ts"
import * as Step from "./Step.ts"
import { field, fields, merge } from "./Structure.ts"

type Call = (input: unknown) => unknown
type Members = ReadonlyArray<unknown> | { readonly [name: string]: unknown }

const isCall = (u: unknown): u is Call => typeof u === "function"

/** Of what is a step: its definition, and how to call it. */
interface Callable extends Definition.Definition {
  readonly call: Call
}

const callable = (u: unknown): Callable | undefined => {
  const definition = Definition.of(u)
  return definition === undefined || !isCall(u) ? undefined : { ...definition, call: u }
}

const longest = 100

const keyOf = (u: unknown): string => {
  if (isCall(u)) return Definition.of(u)?.key ?? (u.name || "…")
  return typeof u === "object" && u !== null ? keyOfAll("", Object.values(u)) : "?"
}

/** A key that says what a canvas is made of: `chain(fetch, group(thumb, blur))`. */
const keyOfAll = (name: string, members: ReadonlyArray<unknown>): string => {
  const keys = members.map(keyOf)
  const all = `${name}(${keys.join(", ")})`
  return all.length <= longest || keys.length < 3
    ? all
    : `${name}(${keys[0]}, ${keys.length - 2} more, ${keys[keys.length - 1]})`
}

interface Canvas {
  readonly name: string
  /** What its key is made of. */
  readonly of: ReadonlyArray<unknown>
  readonly input: Schema.Constraint | undefined
  readonly problem: string | undefined
  readonly body: Call
  readonly properties?: object
}

const canvas = ({ body, input, name, of, problem, properties }: Canvas): unknown =>
  define(
    {
      kind: "canvas",
      key: keyOfAll(name, of),
      input: input ?? Schema.Struct({}),
      problem: undefined,
      body: problem === undefined ? body : () => broken(problem)
    },
    properties
  )

/** A step that is nothing but its problem. */
const broken = (problem: string): Origin.AnyRef =>
  Origin.ofStep(Step.make<Step.Literal>({ _tag: "Literal", value: null, output: Schema.Never, problem }))

/** Orders a ref after what a canvas without open input is given in a chain. */
const afterGiven = (ref: Origin.AnyRef, given: unknown): Origin.AnyRef =>
  Origin.of(given) === undefined ? ref : Joins.after(ref, [given])

// ---- chain ------------------------------------------------------------------------------------------------------------

export const chain = (members: ReadonlyArray<unknown>): unknown => {
  const first = callable(members[0])
  const rest = members.slice(1)
  const problem =
    members.length === 0
      ? "A chain of nothing has no value. Give it a step first."
      : first === undefined
        ? "A chain begins with a step: a task, a flow or a canvas. A function can follow, since its input is known then."
        : rest.every(isCall)
          ? undefined
          : "A chain is made of steps and of functions from a ref to a ref."
  const body: Call = (input) => rest.filter(isCall).reduce((value, next) => next(value), first?.call(input))
  return canvas({ name: "chain", of: members, input: first?.input, problem, body })
}

// ---- group and chord --------------------------------------------------------------------------------------------------

const notSteps = "A group is made of steps: tasks, flows and canvases, in an array or a struct."
const noInput =
  "The members of this group take different inputs that can't be given to all of them: structs, or the same schema, can. Bind what differs with `.with`."

/** What a member takes of the input: a struct that is given by its fields may have more than one of them needs. */
const share = (given: unknown, member: Callable): unknown => {
  const own = fields(member.input)
  if (own === undefined || Origin.of(given) !== undefined || typeof given !== "object" || given === null) return given
  return Object.fromEntries(Object.entries(given).filter(([name]) => Object.hasOwn(own, name)))
}

export const group = (members: Members): unknown => {
  const entries = Object.entries(members).map(([name, member]) => [name, callable(member)] as const)
  const steps = entries.flatMap(([, step]) => step ?? [])
  const input = merge(steps.map((step) => step.input))
  const problem = steps.length < entries.length ? notSteps : input === undefined ? noInput : undefined
  const body: Call = (given) => {
    const refs = entries.map(([name, step]) => [name, step?.call(share(given, step))] as const)
    const value = Joins.all(Array.isArray(members) ? refs.map(([, ref]) => ref) : Object.fromEntries(refs), "failFast")
    return steps.length === 0 ? afterGiven(value, given) : value
  }
  return canvas({ name: "group", of: Object.values(members), input, problem, body, properties: { members } })
}

/** A header is a group, or becomes one: a single step is its only member. */
const header = (u: unknown): unknown => {
  if (isCall(u)) return "members" in u ? u : group([u])
  return group(typeof u === "object" && u !== null ? (u as Members) : [u])
}

export const chord = (of: unknown, body: unknown): unknown => {
  const first = callable(header(of))
  const problem = isCall(body) ? undefined : "The body of a chord is a step, or a function from a ref to a ref."
  return canvas({
    name: "chord",
    of: [first?.call, body],
    input: first?.input,
    problem,
    body: (input) => (isCall(body) ? body(first?.call(input)) : undefined)
  })
}

// ---- map, starmap, chunks ---------------------------------------------------------------------------------------------

const notAStep = (name: string): string => `\`Canvas.${name}\` takes a step: a task, a flow or a canvas.`

export const map = (step: unknown): unknown => {
  const each = callable(step)
  return canvas({
    name: "map",
    of: [step],
    input: each === undefined ? undefined : Schema.Array(each.input),
    problem: each === undefined ? notAStep("map") : undefined,
    body: (list) => Callbacks.forEach(list, (item) => each?.call(item), undefined)
  })
}

export const starmap = (step: unknown, names: ReadonlyArray<string>): unknown => {
  const each = callable(step)
  const elements = names.map((name) => (each === undefined ? undefined : field(each.input, name)) ?? Schema.Never)
  const missing = names.filter((_, i) => elements[i] === Schema.Never)
  return canvas({
    name: "starmap",
    of: [step],
    input: Schema.Array(Schema.Tuple(elements)),
    problem:
      each === undefined
        ? notAStep("starmap")
        : missing.length > 0
          ? `The input of ${each.key} has no field ${missing.map((name) => JSON.stringify(name)).join(" and no field ")}.`
          : undefined,
    body: (list) =>
      Callbacks.forEach(
        list,
        (item) => each?.call(Object.fromEntries(names.map((name, i) => [name, (item as ReadonlyArray<unknown>)[i]]))),
        undefined
      )
  })
}

const chunked = (inputs: ReadonlyArray<unknown>, size: number): ReadonlyArray<ReadonlyArray<unknown>> =>
  Array.from({ length: Math.ceil(inputs.length / size) }, (_, i) => inputs.slice(i * size, (i + 1) * size))

export const chunks = (step: unknown, inputs: unknown, size: number): unknown => {
  const each = callable(step)
  const problem =
    each === undefined
      ? notAStep("chunks")
      : !Array.isArray(inputs) || Origin.of(inputs) !== undefined
        ? "`Canvas.chunks` cuts a list that is known when the flow is written. To go over an array that a run computes, use `Flow.forEach` with `concurrency`."
        : Number.isInteger(size) && size > 0
          ? undefined
          : `The size of a chunk is ${String(size)}; give a whole number from 1.`
  const lists = Schema.Array(Schema.Array(each?.input ?? Schema.Never))
  return canvas({
    name: "chunks",
    of: [step],
    input: undefined,
    problem,
    body: (given) => {
      const chunks = Joins.succeed(lists, chunked(inputs as ReadonlyArray<unknown>, size))
      const inOrder = (chunk: unknown) => Callbacks.forEach(chunk, (input) => each?.call(input), 1)
      return afterGiven(Callbacks.forEach(chunks, inOrder, undefined), given)
    }
  })
}

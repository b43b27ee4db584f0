/**
 * What a ref is while a flow is written: a pointer to a value that will be computed, and the schema of that value.
 *
 * A ref is a frozen object that answers the keys of its schema and nothing else: the fields of a struct, a class or a
 * tagged error; the positions of a tuple, which is an array of refs and can be destructured; `at(i)` of an array. Each
 * answer is a ref again, made when it is asked for. All else is opaque. `pipe` is there unless the schema has a field of
 * that name: keys of the schema win. No ref has a `then`, so awaiting one gives the ref.
 *
 * What a ref points at is kept beside it and not on it: no literal can pass for a ref, and no field name collides.
 */
import { pipeArguments } from "effect/Pipeable"
import * as Schema from "effect/Schema"
import type { Path } from "../plan/Document.ts"
import * as Region from "./Region.ts"
import * as Step from "./Step.ts"
import { element, field, fieldNames, positions } from "./Structure.ts"

/** What a ref points at: a path in the value of a source. */
export interface Origin {
  readonly source: Region.Source
  readonly path: Path
  /** The schema of the value at the path. */
  readonly schema: Schema.Constraint
}

/** Of `A` and `E` the public types take care; at run time a ref is an object. */
export type AnyRef = object

const origins = new WeakMap<object, Origin>()

/** What a value points at, if it is a ref. */
export const of = (u: unknown): Origin | undefined => (typeof u === "object" && u !== null ? origins.get(u) : undefined)

/** A struct as it is written in code; what a class makes is opaque. */
export const isPlain = (value: unknown): value is Readonly<Record<string, unknown>> => {
  if (typeof value !== "object" || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** What the refs in a value point at, in their order. The value may contain itself: that is a problem for who encodes it. */
export function* inside(value: unknown): Generator<Origin, void> {
  const seen = new Set<object>()
  const rest: Array<unknown> = [value]
  while (rest.length > 0) {
    const part = rest.pop()
    if (typeof part !== "object" || part === null || seen.has(part)) continue
    seen.add(part)
    const origin = of(part)
    if (origin !== undefined) yield origin
    else for (const inner of partsOf(part).toReversed()) rest.push(inner)
  }
}

const partsOf = (value: object): ReadonlyArray<unknown> =>
  Array.isArray(value) ? value : isPlain(value) ? Object.values(value) : []

/** A ref in a template string or in arithmetic is a value that is not there yet: a problem of the region, not a throw. */
const inString = (): string => {
  if (Region.current() !== undefined) {
    Step.make<Step.Literal>({
      _tag: "Literal",
      output: Schema.String,
      value: "",
      problem:
        "A ref was turned into a string, but its value is known only once a run has computed it. Pass the ref to a task that makes the string."
    })
  }
  return "[ref]"
}

const shared: PropertyDescriptorMap = {
  [Symbol.toPrimitive]: { value: inString },
  pipe: {
    value(this: unknown) {
      return pipeArguments(this, arguments)
    }
  }
}
const objectPrototype: object = Object.freeze(Object.create(null, shared))

const child = (origin: Origin, key: string | number, schema: Schema.Constraint): AnyRef =>
  ref({ source: origin.source, path: [...origin.path, key], schema })

/** A property that makes its ref when it is first read, and gives the same one from then on. */
const lazily = (make: () => AnyRef): PropertyDescriptor => {
  let made: AnyRef | undefined
  return { enumerable: true, configurable: true, get: () => (made ??= make()) }
}

/** The ref of an origin. */
export const ref = (origin: Origin): AnyRef => {
  const elements = positions(origin.schema)
  const self: object = elements === undefined ? Object.create(objectPrototype) : Object.defineProperties([], shared)
  const item = element(origin.schema)
  if (elements !== undefined) {
    elements.forEach((schema, i) =>
      Object.defineProperty(
        self,
        i,
        lazily(() => child(origin, i, schema))
      )
    )
  } else if (item !== undefined) {
    Object.defineProperty(self, "at", { value: (index: number) => child(origin, index, item) })
  } else {
    for (const name of fieldNames(origin.schema)) {
      const make = () => child(origin, name, field(origin.schema, name) ?? Schema.Unknown)
      Object.defineProperty(self, name, lazily(make))
    }
  }
  origins.set(self, origin)
  return Object.freeze(self)
}

/** The value of a step. */
export const ofStep = (step: Step.Step): AnyRef =>
  ref({ source: { _tag: "Step", step }, path: [], schema: step.output })

/** What a region's callback is given. */
export const ofParameter = (region: Region.Region): AnyRef =>
  ref({ source: { _tag: "Parameter", region }, path: [], schema: region.parameter })

/** The position of the element that a `forEach` body is given, from 0. */
export const ofIndex = (region: Region.Region): AnyRef =>
  ref({ source: { _tag: "Index", region }, path: [], schema: Schema.Int })

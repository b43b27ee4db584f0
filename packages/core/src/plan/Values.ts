/**
 * Values are put together from recorded ones when somebody needs them: a worker the input of an attempt, a client the
 * output of a run. Nothing is copied along edges; a template says where each part is, and passes are followed to the
 * tasks whose values they stand for.
 *
 * What is needed and not at hand is listed as addresses to read; with those ends added the same call gets further. A
 * pass may point on to what only its end tells, so there may be several rounds, as many as passes follow each other.
 */
import type { Address, Ended, Ends, Payload } from "../Broker.ts"
import { make as makeAddress } from "./Address.ts"
import type { Frame } from "./Address.ts"
import type { Json, Path, Plan, Template } from "./Document.ts"

/** A plan with what looking things up needs; made once per plan. */
export interface Prepared {
  readonly plan: Plan
  /** How many bodies are around each node: 0 in the flow itself. */
  readonly depths: ReadonlyArray<number>
  /** The same for each body; its own instance counts. */
  readonly bodyDepths: ReadonlyArray<number>
  /** Where the elements of each body come from, as seen from the body around it. */
  readonly elements: ReadonlyMap<number, Template>
}

export const prepare = (plan: Plan): Prepared => {
  const bodyDepths: Array<number> = []
  const depths: Array<number> = []
  plan.bodies.forEach((body, index) => {
    const depth = body._tag === "Root" ? 0 : bodyDepths[body.parent]! + 1
    bodyDepths[index] = depth
    for (let node = body.first; node < body.first + body.count; node++) depths[node] = depth
  })
  const forks = new Map<number, Template>()
  for (const { node, of } of plan.decides) forks.set(node, of)
  plan.nodes.forEach((node, index) => {
    if (node._tag === "Decide") forks.set(index, node.of)
    if (node._tag !== "Task") return
    for (const decision of node.decides ?? []) forks.set(decision.node, { node: index, path: decision.path })
  })
  const elements = new Map<number, Template>()
  plan.bodies.forEach((body, index) => {
    const source = body._tag === "Each" ? forks.get(body.fork) : undefined
    if (source !== undefined) elements.set(index, source)
  })
  return { plan, depths, bodyDepths, elements }
}

/** From where a template is read. */
export interface Place {
  /** The instances around the node. */
  readonly frame: Frame
  /** The run's input. */
  readonly input: Payload
  /** The elements of those instances, outermost first. */
  readonly items: ReadonlyArray<Payload>
  readonly ends: Ends
}

export type Filled =
  | { readonly _tag: "Filled"; readonly value: Json }
  /** These ends are needed and not at hand; each once. */
  | { readonly _tag: "Missing"; readonly read: ReadonlyArray<Address> }

/** The value of a template, seen from a place. `parse` reads a payload; give a caching one where large values are shared. */
export const fill = (
  template: Template,
  prepared: Prepared,
  place: Place,
  parse: (payload: Payload) => Json = JSON.parse
): Filled => {
  const reader = new Reader(prepared, place, parse)
  const value = reader.read(template, place.frame, -1)
  return reader.missing === undefined
    ? { _tag: "Filled", value: value ?? null }
    : { _tag: "Missing", read: [...reader.missing] }
}

/** The value of a run that succeeded: that of the flow's exit. */
export const fillOutput = (prepared: Prepared, input: Payload, ends: Ends): Filled =>
  fill({ node: prepared.plan.bodies[0].exit, path: [] }, prepared, { frame: [], input, items: [], ends })

/** Ends read on top of those that came with a delivery. */
export const withEnds = (ends: Ends, read: ReadonlyMap<Address, Ended>): Ends => ({
  get: (address) => read.get(address) ?? ends.get(address)
})

/**
 * A `parse` that keeps large values, up to `limit` characters of text in all, and forgets the oldest first. Small ones
 * are parsed again: that costs less than the book-keeping.
 */
export const cachedParse = (limit: number): ((payload: Payload) => Json) => {
  const worthKeeping = 512
  const kept = new Map<Payload, Json>()
  let size = 0
  return (payload) => {
    if (payload.length < worthKeeping || payload.length > limit) return JSON.parse(payload)
    const known = kept.get(payload)
    if (known !== undefined) return known
    const value: Json = JSON.parse(payload)
    kept.set(payload, value)
    size += payload.length
    for (const oldest of kept.keys()) {
      if (size <= limit) break
      kept.delete(oldest)
      size -= oldest.length
    }
    return value
  }
}

/** One filling. `undefined` is an absent value, also where something is missing. */
class Reader {
  readonly prepared: Prepared
  readonly place: Place
  readonly parse: (payload: Payload) => Json
  missing: Set<Address> | undefined
  /** Element arrays by body and instance, so that collecting n instances reads their array once. */
  #elements: Map<string, Json | undefined> | undefined

  constructor(prepared: Prepared, place: Place, parse: (payload: Payload) => Json) {
    this.prepared = prepared
    this.place = place
    this.parse = parse
  }

  /** `self` is the node whose template it is, for `from`. */
  read(template: Template, frame: Frame, self: number): Json | undefined {
    if ("node" in template) return at(this.#value(template.node, frame), template.path)
    if ("item" in template) return at(this.#item(template.item, frame), template.path)
    if ("struct" in template) {
      const struct: { [key: string]: Json } = {}
      for (const key of Object.keys(template.struct)) {
        const value = this.read(template.struct[key]!, frame, self)
        if (value !== undefined) set(struct, key, value)
      }
      return struct
    }
    if ("input" in template) return at(this.parse(this.place.input), template.input)
    if ("literal" in template) return template.literal
    if ("tuple" in template) return template.tuple.map((member) => this.read(member, frame, self) ?? null)
    if ("from" in template) {
      const end = this.#end(self, frame)
      const chosen = end?._tag === "Succeeded" ? template.from[end.from ?? -1] : undefined
      return chosen === undefined ? undefined : this.read(chosen, frame, self)
    }
    if ("error" in template) {
      const end = this.#end(template.error, frame)
      return end?._tag === "Failed" ? at(this.parse(end.failed.error), template.path) : undefined
    }
    if ("index" in template) return frame[this.prepared.bodyDepths[template.index]! - 1]?.[1]
    return this.#instances(template.instances, frame)
  }

  #value(node: number, frame: Frame): Json | undefined {
    const { plan, depths } = this.prepared
    const definition = plan.nodes[node]!
    const around = depths[node] === frame.length ? frame : frame.slice(0, depths[node])
    switch (definition._tag) {
      case "Task": {
        const end = this.#end(node, around)
        return end?._tag === "Succeeded" && end.value !== undefined ? this.parse(end.value) : undefined
      }
      case "Pass":
        return definition.value === undefined ? undefined : this.read(definition.value, around, node)
      case "Collect":
        return this.#instances(definition.body, around)
      case "Decide":
        return this.read(definition.of, around, node)
      case "Fork":
        return undefined
    }
  }

  #end(node: number, frame: Frame): Ended | undefined {
    const depth = this.prepared.depths[node]!
    const address = makeAddress(depth === frame.length ? frame : frame.slice(0, depth), node)
    const end = this.place.ends.get(address)
    if (end === undefined) (this.missing ??= new Set()).add(address)
    return end
  }

  #instances(index: number, frame: Frame): ReadonlyArray<Json> | undefined {
    const body = this.prepared.plan.bodies[index]!
    if (body._tag === "Root") return undefined
    const around = frame.slice(0, this.prepared.bodyDepths[body.parent])
    const end = this.#end(body.collect, around)
    if (end?._tag !== "Succeeded") return undefined
    const values: Array<Json> = []
    for (let i = 0; i < (end.count ?? 0); i++) {
      values.push(this.#value(body.exit, [...around, [body.collect, i]]) ?? null)
    }
    return values
  }

  #item(index: number, frame: Frame): Json | undefined {
    const depth = this.prepared.bodyDepths[index]!
    if (this.#isOwn(frame, depth)) return this.parse(this.place.items[depth - 1]!)
    // The element of another instance, met while its value is collected: it is in the array the body was made for.
    const source = this.prepared.elements.get(index)
    if (source === undefined) return undefined
    const around = frame.slice(0, depth - 1)
    const key = makeAddress(around, index)
    let elements = this.#elements?.get(key)
    if (elements === undefined) {
      elements = this.read(source, around, -1)
      ;(this.#elements ??= new Map()).set(key, elements)
    }
    return at(elements, [frame[depth - 1]![1]])
  }

  #isOwn(frame: Frame, depth: number): boolean {
    const own = this.place.frame
    if (own.length < depth) return false
    for (let i = 0; i < depth; i++) {
      if (frame[i] !== own[i] && (frame[i]![0] !== own[i]![0] || frame[i]![1] !== own[i]![1])) return false
    }
    return true
  }
}

/** What is at a path; `undefined` where the value has no such part of its own. */
export const at = (value: Json | undefined, path: Path): Json | undefined => {
  let part = value
  for (const key of path) {
    if (typeof part !== "object" || part === null || !Object.hasOwn(part, key)) return undefined
    part = (part as { readonly [key: string | number]: Json })[key]
  }
  return part
}

/** A plain assignment of the key `__proto__` would change the prototype instead. */
const set = (struct: { [key: string]: Json }, key: string, value: Json): void => {
  if (key === "__proto__") {
    Object.defineProperty(struct, key, { value, enumerable: true, configurable: true, writable: true })
  } else {
    struct[key] = value
  }
}

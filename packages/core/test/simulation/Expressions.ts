/**
 * Random flows in the shape of promise expressions, as plain data: what a user could have written, from which a real flow
 * is made and which a reference evaluates. Refs are shared, regions nest, and a region may use everything around it.
 */
import type { Random } from "./Random.ts"

/** The errors tasks declare. */
export type Tag = "A" | "B"
export const tags: ReadonlyArray<Tag> = ["A", "B"]

interface Fields {
  /** Unique in the flow, in the order of creation. */
  readonly id: number
  /** The region it is made in. */
  readonly region: Region
  readonly isArray: boolean
  /** The declared errors it can fail with. */
  readonly errors: ReadonlySet<Tag>
}

export interface Policy {
  readonly attempts: number
  readonly delay: number | undefined
  readonly expires: number | undefined
  readonly except: ReadonlyArray<Tag>
}

/** A task of its own for each call: its key says which call it is. */
export interface Call extends Fields {
  readonly _tag: "Call"
  readonly args: ReadonlyArray<Expression>
  readonly after: ReadonlyArray<Expression>
  readonly policy: Policy
}

export interface All extends Fields {
  readonly _tag: "All"
  readonly mode: "failFast" | "settled" | "result"
  readonly members: ReadonlyArray<Expression>
  readonly after: ReadonlyArray<Expression>
}

export interface Result extends Fields {
  readonly _tag: "Result"
  readonly of: Expression
}

export interface Catch extends Fields {
  readonly _tag: "Catch"
  readonly of: Expression
  readonly cases: ReadonlyArray<{ readonly tags: "declared" | ReadonlyArray<string>; readonly body: Region }>
}

export interface Each extends Fields {
  readonly _tag: "Each"
  readonly over: Expression
  readonly concurrency: number | undefined
  readonly body: Region
  readonly after: ReadonlyArray<Expression>
}

/** A value that is there without any work: it has no node. */
export type Leaf =
  | (Fields & { readonly _tag: "Literal"; readonly value: number | ReadonlyArray<number> })
  /** The array that the run is submitted with. */
  | (Fields & { readonly _tag: "Input" })
  /** The element a body is given, or its position. */
  | (Fields & { readonly _tag: "Item" | "Index" })
  /** The error a handler is given. */
  | (Fields & { readonly _tag: "Error" })

export type Expression = Call | All | Result | Catch | Each | Leaf

/** The extent of a callback. */
export interface Region {
  readonly kind: "flow" | "each" | "catch"
  readonly parent: Region | undefined
  /** How many `forEach` bodies it is in, itself counted. */
  readonly depth: number
  /** In the order of creation. */
  readonly steps: Array<Expression>
  /** What its callback is given. */
  readonly parameters: Array<Expression>
  result: Expression | undefined
}

export const isLeaf = (expression: Expression): expression is Leaf => {
  switch (expression._tag) {
    case "Call":
    case "All":
    case "Result":
    case "Catch":
    case "Each":
      return false
    default:
      return true
  }
}

/** What an expression uses itself, regions inside it left out. */
export const operands = (expression: Expression): ReadonlyArray<Expression> => {
  switch (expression._tag) {
    case "Call":
      return [...expression.args, ...expression.after]
    case "All":
      return [...expression.members, ...expression.after]
    case "Result":
    case "Catch":
      return [expression.of]
    case "Each":
      return [expression.over, ...expression.after]
    default:
      return []
  }
}

/** The regions an expression opens. */
export const regionsOf = (expression: Expression): ReadonlyArray<Region> => {
  if (expression._tag === "Each") return [expression.body]
  return expression._tag === "Catch" ? expression.cases.map(({ body }) => body) : []
}

// ---- generation -------------------------------------------------------------------------------------------------------

const none: ReadonlySet<Tag> = new Set()

export const make = (random: Random): Region => new Maker(random).flow(random.between(0, 3))

class Maker {
  readonly #random: Random
  #ids = 0
  /** So that a flow stays small, however its regions nest. */
  #left: number

  constructor(random: Random) {
    this.#random = random
    this.#left = random.between(5, 40)
  }

  flow(depth: number): Region {
    const region: Region = { kind: "flow", parent: undefined, depth: 0, steps: [], parameters: [], result: undefined }
    region.parameters.push({ ...this.#fields(region, true, none), _tag: "Input" })
    this.#fill(region, depth)
    return region
  }

  #fields(region: Region, isArray: boolean, errors: ReadonlySet<Tag>): Fields {
    return { id: this.#ids++, region, isArray, errors }
  }

  /** Makes the steps of a region. All of them are used: by each other, or by its result. */
  #fill(region: Region, depth: number): void {
    const random = this.#random
    const unused = new Set<Expression>()
    for (
      let count = region.kind === "flow" ? random.between(3, 8) : random.between(0, 4);
      count > 0 && this.#left > 0;
      count--
    ) {
      this.#left--
      const step = this.#step(region, depth)
      region.steps.push(step)
      for (const used of [step, ...inside(step)].flatMap(operands)) unused.delete(used)
      unused.add(step)
    }
    const [only, ...others] = unused
    if (only === undefined) region.result = this.#operand(region)
    else if (others.length === 0 && random.chance(0.8)) region.result = only
    else {
      const joins = this.#all(region, [...unused])
      region.steps.push(joins)
      region.result = joins
    }
  }

  #step(region: Region, depth: number): Expression {
    const kind = this.#random.below(depth > 0 ? 12 : 8)
    if (kind < 5) return this.#call(region)
    if (kind === 5) return this.#all(region, this.#operands(region, 0, 3))
    if (kind === 6) return this.#result(region)
    if (kind === 7) return depth > 0 ? this.#catch(region, 0) : this.#call(region)
    return kind < 10 ? this.#catch(region, depth - 1) : this.#each(region, depth - 1)
  }

  #call(region: Region): Call {
    const random = this.#random
    const args = this.#operands(region, 0, 3)
    const after = random.chance(0.15) ? this.#operands(region, 1, 2).filter((dep) => !isLeaf(dep)) : []
    const policy = {
      attempts: random.pick([1, 1, 1, 2, 3]),
      delay: random.chance(0.1) ? random.between(1, 1_000) : undefined,
      expires: random.chance(0.05) ? random.between(100, 2_000) : undefined,
      except: random.chance(0.1) ? [random.pick(tags)] : []
    }
    return {
      ...this.#fields(region, random.chance(0.3), errorsOf([...args, ...after], tags)),
      _tag: "Call",
      args,
      after,
      policy
    }
  }

  #all(region: Region, members: ReadonlyArray<Expression>): All {
    const mode = this.#random.pick(["failFast", "failFast", "settled", "result"] as const)
    const after = this.#random.chance(0.1) ? this.#operands(region, 1, 1).filter((dep) => !isLeaf(dep)) : []
    const errors = errorsOf(mode === "result" ? after : [...members, ...after])
    return { ...this.#fields(region, false, errors), _tag: "All", mode, members, after }
  }

  #result(region: Region): Result {
    return { ...this.#fields(region, false, none), _tag: "Result", of: this.#operand(region) }
  }

  #catch(region: Region, depth: number): Expression {
    const random = this.#random
    const of = this.#operand(region, (candidate) => candidate.errors.size > 0)
    if (of.errors.size === 0) return this.#call(region)
    const declared = [...of.errors]
    const whole = random.chance(0.4)
    const caught: ReadonlyArray<"declared" | ReadonlyArray<string>> = whole
      ? ["declared"]
      : random.chance(0.5)
        ? random.some([...declared, "PoisonPill", "Defect"], 0.5).map((tag) => [tag])
        : [random.some([...declared, "Defect"], 0.7)].filter((some) => some.length > 0)
    if (caught.length === 0) return this.#call(region)
    const cases = caught.map((tags) => {
      const body = open("catch", region, region.depth)
      body.parameters.push({ ...this.#fields(body, false, none), _tag: "Error" })
      this.#fill(body, depth)
      return { tags, body }
    })
    const left = whole ? [] : declared.filter((tag) => !caught.some((tags) => tags.includes(tag)))
    const errors = errorsOf(
      cases.map(({ body }) => body.result!),
      left
    )
    return { ...this.#fields(region, false, errors), _tag: "Catch", of, cases }
  }

  #each(region: Region, depth: number): Each {
    const random = this.#random
    const over = this.#operand(region, (candidate) => candidate.isArray)
    const body = open("each", region, region.depth + 1)
    body.parameters.push(
      { ...this.#fields(body, false, none), _tag: "Item" },
      { ...this.#fields(body, false, none), _tag: "Index" }
    )
    const array: Expression = over.isArray ? over : this.#literal(region, true)
    this.#fill(body, depth)
    const concurrency = random.chance(0.4) ? random.between(1, 2) : undefined
    const after = random.chance(0.1) ? this.#operands(region, 1, 1).filter((dep) => !isLeaf(dep)) : []
    const errors = errorsOf([array, body.result!, ...after])
    return { ...this.#fields(region, true, errors), _tag: "Each", over: array, concurrency, body, after }
  }

  #literal(region: Region, isArray: boolean): Expression {
    const random = this.#random
    const value = isArray ? Array.from({ length: random.below(4) }, () => random.below(100)) : random.below(100)
    return { ...this.#fields(region, isArray, none), _tag: "Literal", value }
  }

  #operands(region: Region, least: number, most: number): ReadonlyArray<Expression> {
    return Array.from({ length: this.#random.between(least, most) }, () => this.#operand(region))
  }

  /** Something that can be used in a region: made lately, made around it, or given. */
  #operand(region: Region, fits: (candidate: Expression) => boolean = () => true): Expression {
    const random = this.#random
    const visible: Array<Expression> = []
    for (let at: Region | undefined = region; at !== undefined; at = at.parent)
      visible.unshift(...at.parameters, ...at.steps)
    const fitting = visible.filter(fits)
    if (fitting.length === 0 || random.chance(0.05)) return this.#literal(region, random.chance(0.3))
    return fitting[fitting.length - 1 - Math.floor(random.next() ** 2 * fitting.length)]!
  }
}

const open = (kind: "each" | "catch", parent: Region, depth: number): Region => ({
  kind,
  parent,
  depth,
  steps: [],
  parameters: [],
  result: undefined
})

const errorsOf = (of: ReadonlyArray<Expression>, own: ReadonlyArray<Tag> = []): ReadonlySet<Tag> =>
  new Set([...of.flatMap(({ errors }) => [...errors]), ...own])

/** All expressions made in the regions of an expression, and these regions' results as if something used them. */
export const inside = (expression: Expression): ReadonlyArray<Expression> =>
  regionsOf(expression).flatMap((region) => region.steps.flatMap((step) => [step, ...inside(step)]))

/**
 * What a flow shall do, by the semantics of promises: an expression is a promise, a region a function that is called, and
 * time is the order in which outcomes were recorded. Knows nothing of nodes, edges and joins.
 *
 * Given how each call that was executed ended and when, it says which calls had to be executed, with which arguments, and
 * what the outcome of the flow is.
 */
import type { Json } from "../../src/plan/Document.ts"
import type { Call, Each, Expression, Region } from "./Expressions.ts"
import { inside, isLeaf, operands, regionsOf } from "./Expressions.ts"
import { wrong } from "./Wrong.ts"

/** How a call failed. */
export interface Cause {
  readonly tag: string
  readonly declared: boolean
  readonly error: Json
}

/** A promise: `at` counts outcomes. */
export type Settled =
  | { readonly _tag: "Ok"; readonly at: number; readonly value: Json }
  | { readonly _tag: "Failed"; readonly at: number; readonly cause: Cause }

export type Promised = Settled | { readonly _tag: "Pending" }

/** What was recorded. */
export interface Recorded {
  /** Of the call in the instance that the path names; nothing when it was not executed. */
  readonly call: (call: Call, path: Path) => { readonly outcome: Settled; readonly args: Json | undefined } | undefined
  /** Of the work that counts elements; nothing when no work is needed for it. */
  readonly fork: (each: Each, path: Path) => Promised | undefined
}

/** In which instance of each `forEach` around. */
export type Path = ReadonlyArray<number>

const pending: Promised = { _tag: "Pending" }

export class Reference {
  /** Calls that had to be executed. */
  readonly demanded = new Set<string>()
  /** Two failures competed that were recorded at once, or before a retry: either may have won. */
  isAmbiguous = false
  readonly #recorded: Recorded
  readonly #input: Json
  /** Whether nothing was retried, so that times can be compared. */
  readonly #isFirst: boolean
  readonly #values = new Map<string, Promised>()
  readonly #entered = new Map<Region, Map<string, number>>()
  readonly #parameters = new Map<string, Json>()

  constructor(recorded: Recorded, input: Json, isFirst: boolean) {
    this.#recorded = recorded
    this.#input = input
    this.#isFirst = isFirst
  }

  /** Calls the function: all its steps begin, and its result is one of them. */
  enter(region: Region, path: Path, at: number): Promised {
    const times = this.#entered.get(region) ?? new Map<string, number>()
    this.#entered.set(region, times.set(path.join("."), at))
    for (const step of region.steps) this.#value(step, path)
    return this.#seen(region.result!, region, path)
  }

  /** A promise as it is seen in a region: what was settled before the region was entered is settled when it is. */
  #seen(expression: Expression, region: Region, path: Path): Promised {
    const value = this.#value(expression, path)
    const since = this.#since(region, path)
    return value._tag === "Pending" || value.at >= since ? value : { ...value, at: since }
  }

  #since(region: Region, path: Path): number {
    return this.#entered.get(region)!.get(path.slice(0, region.depth).join("."))!
  }

  #value(expression: Expression, from: Path): Promised {
    const path = from.slice(0, expression.region.depth)
    const key = keyAt(expression, path)
    let value = this.#values.get(key)
    if (value === undefined) this.#values.set(key, (value = this.#evaluate(expression, path)))
    return value
  }

  #evaluate(expression: Expression, path: Path): Promised {
    const { region } = expression
    const see = (operand: Expression) => this.#seen(operand, region, path)
    const since = isLeaf(expression) ? 0 : this.#since(region, path)
    switch (expression._tag) {
      case "Literal":
        return { _tag: "Ok", at: 0, value: expression.value as Json }
      case "Input":
        return { _tag: "Ok", at: 0, value: this.#input }
      case "Item":
      case "Index":
      case "Error":
        return { _tag: "Ok", at: 0, value: this.#parameters.get(keyAt(expression, path))! }
      case "Call": {
        const args = this.#all([...expression.args, ...expression.after], region, path, since)
        if (args._tag !== "Ok") return args
        return this.#call(
          expression,
          path,
          args.at,
          (args.value as ReadonlyArray<Json>).slice(0, expression.args.length)
        )
      }
      case "All":
        return this.#join(expression, path, since)
      case "Result": {
        const of = see(expression.of)
        return of._tag === "Pending" ? of : resultOf(of)
      }
      case "Catch": {
        const of = see(expression.of)
        if (of._tag !== "Failed") return of
        const { cause } = of
        const taken = expression.cases.find(({ tags }) =>
          tags === "declared" ? cause.declared : tags.includes(cause.tag)
        )
        if (taken === undefined) return of
        this.#parameters.set(keyAt(taken.body.parameters[0]!, path), cause.error)
        return this.enter(taken.body, path, of.at)
      }
      case "Each":
        return this.#each(expression, path, since)
    }
  }

  #call(call: Call, path: Path, ready: number, args: Json): Promised {
    this.demanded.add(keyAt(call, path))
    const recorded = this.#recorded.call(call, path)
    if (recorded === undefined) return pending
    if (this.#isFirst && recorded.outcome.at <= ready) wrong(`${keyAt(call, path)} ended before it could start`)
    const [given, expected] = [JSON.stringify(recorded.args), JSON.stringify(args)]
    // What nobody ran, because it expired or killed its workers, was given nothing.
    if (given !== undefined && given !== expected && !this.isAmbiguous)
      wrong(`${keyAt(call, path)} was given ${given} and not ${expected}`)
    return recorded.outcome
  }

  /** `Promise.all`: fails with the first failure, and of those that were there already with the first in order. */
  #all(members: ReadonlyArray<Expression>, region: Region, path: Path, since: number): Promised {
    return this.#first(
      members.map((member) => this.#seen(member, region, path)),
      members.map((member) => this.#value(member, path)),
      since
    )
  }

  /** `raw` are the same promises, as they were settled. */
  #first(members: ReadonlyArray<Promised>, raw: ReadonlyArray<Promised>, since: number): Promised {
    let first: Settled | undefined
    for (const member of members)
      if (member._tag === "Failed" && (first === undefined || member.at < first.at)) first = member
    if (first === undefined) return together(members, since)
    const failed = members.flatMap((member, i) =>
      member._tag === "Failed" ? [{ member, raw: raw[i] as Settled }] : []
    )
    const rivals = failed.filter(({ member }) => !sameCause(member, first!))
    const isTie =
      rivals.some(({ member }) => member.at === first.at) &&
      failed.some(({ member, raw }) => member.at === first.at && raw.at === member.at)
    if (isTie || (!this.#isFirst && rivals.length > 0)) this.isAmbiguous = true
    return first
  }

  #join({ after, members, mode, region }: Extract<Expression, { _tag: "All" }>, path: Path, since: number): Promised {
    const see = (member: Expression) => this.#seen(member, region, path)
    if (mode === "failFast") {
      const all = this.#all([...members, ...after], region, path, since)
      return all._tag === "Ok" ? { ...all, value: (all.value as ReadonlyArray<Json>).slice(0, members.length) } : all
    }
    const seen = members.map((member) => {
      const value = see(member)
      return mode === "result" && value._tag !== "Pending" ? resultOf(value) : value
    })
    const deps = after.map(see)
    let value: Promised
    if (mode === "result") value = this.#first([...seen, ...deps], [...seen, ...deps], since)
    else {
      // Waits for all of its members, then it is too late for an order of time.
      const waited = seen.includes(pending)
        ? pending
        : { at: seen.reduce((latest, member) => Math.max(latest, (member as Settled).at), since) }
      if (waited === pending) return pending
      const { at } = waited as { readonly at: number }
      const late = [...seen, ...deps].map((member) =>
        member._tag === "Pending" || member.at > at ? member : { ...member, at }
      )
      if (!this.#isFirst && new Set(late.filter(({ _tag }) => _tag === "Failed")).size > 1) this.isAmbiguous = true
      value = this.#first(
        late,
        late.map((member) => (member._tag === "Pending" || member.at > at ? member : { ...member, at: -1 })),
        at
      )
    }
    return value._tag === "Ok"
      ? { ...value, value: (value.value as ReadonlyArray<Json>).slice(0, members.length) }
      : value
  }

  // ---- forEach --------------------------------------------------------------------------------------------------------

  #each(each: Each, path: Path, since: number): Promised {
    const over = this.#all([each.over, ...each.after], each.region, path, since)
    if (over._tag !== "Ok") return over
    const elements = (over.value as ReadonlyArray<Json>)[0] as ReadonlyArray<Json>
    const counted = this.#recorded.fork(each, path) ?? over
    if (counted._tag !== "Ok") return counted
    // Instances are made when all that they use from around them has settled.
    let start = counted.at
    for (const outer of captured(each)) {
      const value = this.#seen(outer, each.region, path)
      if (value._tag === "Pending") return pending
      start = Math.max(start, value.at)
    }
    return this.#instances(each, path, elements, start)
  }

  #instances(each: Each, path: Path, elements: ReadonlyArray<Json>, start: number): Promised {
    const { body, concurrency = Infinity } = each
    const ends: Array<Promised> = []
    const failedAt = () => Math.min(...ends.map((end) => (end._tag === "Failed" ? end.at : Infinity)))
    for (let i = 0; i < elements.length; i++) {
      // The i-th begins when so many of those before it have ended that there is room.
      const times = ends.flatMap((end) => (end._tag === "Pending" ? [] : [end.at])).sort((a, b) => a - b)
      const room = i < concurrency ? start : times[i - concurrency]
      if (room === undefined) {
        // One that an earlier generation made may be there without.
        if (!this.#isFirst) this.isAmbiguous = true
        break
      }
      if (failedAt() <= room && i >= concurrency) {
        // Whether the failure or the room came first is open when another one ended with it.
        if (times.filter((at) => at === room).length > 1) this.isAmbiguous = true
        break
      }
      const own = [...path, i]
      this.#parameters.set(keyAt(body.parameters[0]!, own), elements[i]!)
      this.#parameters.set(keyAt(body.parameters[1]!, own), i)
      ends.push(this.enter(body, own, room))
    }
    if (!this.#isFirst && concurrency !== Infinity && failedAt() < Infinity) this.isAmbiguous = true
    const isShort = ends.length < elements.length
    const end = this.#first(ends, ends, start)
    return isShort && end._tag === "Ok" ? pending : end
  }
}

const keyAt = (expression: Expression, path: Path): string =>
  `t${expression.id}@${path.slice(0, expression.region.depth).join(".")}`

const together = (members: ReadonlyArray<Promised>, since: number): Promised => {
  let at = since
  const values: Array<Json> = []
  for (const member of members) {
    if (member._tag !== "Ok") return pending
    at = Math.max(at, member.at)
    values.push(member.value)
  }
  return { _tag: "Ok", at, value: values }
}

const resultOf = (of: Settled): Settled => {
  if (of._tag === "Ok") return { ...of, value: { _tag: "Success", success: of.value } }
  return of.cause.declared ? { _tag: "Ok", at: of.at, value: { _tag: "Failure", failure: of.cause.error } } : of
}

const sameCause = (a: Promised, b: Promised): boolean =>
  a._tag === "Failed" && b._tag === "Failed" && a.cause === b.cause

const capturedBy = new WeakMap<Each, ReadonlyArray<Expression>>()

/** What is used in a body and made around it. */
const captured = (each: Each): ReadonlyArray<Expression> => {
  let found = capturedBy.get(each)
  if (found === undefined) {
    const used = new Set<Expression>()
    for (const step of inside(each)) for (const operand of [...operands(step), ...results(step)]) used.add(operand)
    for (const result of results(each)) used.add(result)
    found = [...used].filter((used) => !isLeaf(used) && used.region.depth <= each.region.depth)
    capturedBy.set(each, found)
  }
  return found
}

const results = (expression: Expression): ReadonlyArray<Expression> =>
  regionsOf(expression).map((region) => region.result!)

/**
 * What a plan will take, before anybody runs it: its longest chain, its width, and how long so many slots need for it.
 *
 * The estimate assumes that nothing fails, so handlers of errors don't run, and that each `forEach` has as many elements as
 * it is told. Durations are in whatever unit the caller has: seconds of a trace, or 1 per task where nothing is known.
 */
import type { Edge, Node, Plan } from "@arpeggio/core/Plan"
import { bodies } from "@arpeggio/core/plan/Bodies"

interface Assumptions {
  /** How long a call of a task takes; passes take no time. */
  readonly duration: (node: Node) => number
  /** How many elements each `forEach` has. */
  readonly elements: number
}

/** One call of a task, or a pass that only orders, in the unrolled plan. */
interface Unit {
  readonly node: number
  /** Passes need no slot and no time. */
  readonly isWork: boolean
  readonly duration: number
  /** Units that come before it, as positions in the list: all before its own. */
  readonly before: ReadonlyArray<number>
}

export interface Estimate {
  /** Calls of tasks. */
  readonly calls: number
  /** Tasks on the chain with the most tasks. */
  readonly depth: number
  /** The most tasks at one depth: how many could run at once if all took the same time. */
  readonly width: number
  /** The durations of all calls together. */
  readonly work: number
  /** The chain that takes longest: plan nodes, and how long it takes. No number of slots is faster. */
  readonly critical: { readonly nodes: ReadonlyArray<number>; readonly length: number }
  /** How long so many slots take when a free one always takes the call with the longest chain behind it. */
  readonly makespan: (slots: number) => number
}

export const estimate = (plan: Plan, assumptions: Assumptions): Estimate => {
  const units = unroll(plan, assumptions)
  const depths: Array<number> = []
  const begins: Array<number> = []
  const critical: Array<number> = []
  for (const [i, unit] of units.entries()) {
    const deepest = unit.before.reduce((most, j) => Math.max(most, depths[j]!), 0)
    depths[i] = deepest + (unit.isWork ? 1 : 0)
    const last = unit.before.reduce(
      (latest, j) => (ends(units, begins, j) > ends(units, begins, latest) ? j : latest),
      -1
    )
    critical[i] = last
    begins[i] = last === -1 ? 0 : ends(units, begins, last)
  }
  const work = units.filter((unit) => unit.isWork)
  const atDepth = new Map<number, number>()
  for (const [i, unit] of units.entries()) {
    if (unit.isWork) atDepth.set(depths[i]!, (atDepth.get(depths[i]!) ?? 0) + 1)
  }
  const end = units.reduce((latest, _, i) => (ends(units, begins, i) > ends(units, begins, latest) ? i : latest), -1)
  const chain: Array<number> = []
  for (let i = end; i !== -1; i = critical[i]!) if (units[i]!.isWork) chain.push(units[i]!.node)
  return {
    calls: work.length,
    depth: depths.reduce((most, depth) => Math.max(most, depth), 0),
    width: Array.from(atDepth.values()).reduce((most, n) => Math.max(most, n), 0),
    work: work.reduce((sum, unit) => sum + unit.duration, 0),
    critical: { nodes: chain.reverse(), length: end === -1 ? 0 : ends(units, begins, end) },
    makespan: (slots) => schedule(units, slots)
  }
}

/** When a unit ends; -1 is the beginning of all. */
const ends = (units: ReadonlyArray<Unit>, begins: ReadonlyArray<number>, i: number): number =>
  i === -1 ? -1 : begins[i]! + units[i]!.duration

/** What waits for a failure does not run, and neither does what only it leads to. */
const takenNodes = (plan: Plan): ReadonlyArray<boolean> => {
  const taken: Array<boolean> = []
  const fires = (edge: Edge) =>
    taken[edge.from]! && (edge.when === undefined || typeof edge.when === "string" || "branch" in edge.when)
  // Nodes of one body are neighbours but not in order, so go on until nothing changes.
  for (const i of plan.nodes.keys()) taken[i] = true
  for (let changed = true; changed;) {
    changed = false
    for (const [i, node] of plan.nodes.entries()) {
      const { gate, edges, join } = node
      const runs =
        (gate === undefined || fires(gate)) &&
        (join === "all" ? edges.every(fires) : edges.length === 0 || edges.some(fires))
      if (!runs && taken[i]) {
        taken[i] = false
        changed = true
      }
    }
  }
  return taken
}

/** The plan with every body as often as it is instantiated, each unit after all that come before it. */
const unroll = (plan: Plan, { duration, elements }: Assumptions): ReadonlyArray<Unit> => {
  const taken = takenNodes(plan)
  const bodyOf = bodies(plan)
  const units: Array<Unit> = []

  /** Adds the nodes of a body for one instance; `outer` finds the unit of a node of the bodies around it. */
  const add = (b: number, outer: (node: number) => number): ((node: number) => number) => {
    const body = plan.bodies[b]!
    const own = new Map<number, number>()
    const open = new Set<number>()
    const unitOf = (node: number): number => {
      if (bodyOf[node] !== b) return outer(node)
      const done = own.get(node)
      return done ?? place(node)
    }
    const place = (i: number): number => {
      const node = plan.nodes[i]!
      open.add(i)
      const before = incoming(node)
        .filter((from) => taken[from] && !open.has(from))
        .map(unitOf)
      if (body._tag === "Each") before.push(outer(body.release))
      if (node._tag === "Collect") before.push(...instances(node.body))
      open.delete(i)
      const isWork = node._tag === "Task" && taken[i]!
      own.set(i, units.length)
      units.push({ node: i, isWork, duration: isWork ? duration(node) : 0, before: Array.from(new Set(before)) })
      return units.length - 1
    }
    const instances = (inner: number): ReadonlyArray<number> =>
      Array.from({ length: elements }, () => add(inner, unitOf)(plan.bodies[inner]!.exit))
    for (let i = body.first; i < body.first + body.count; i++) if (taken[i]) unitOf(i)
    return unitOf
  }
  add(0, (node) => node)
  return units
}

const incoming = (node: Node): ReadonlyArray<number> =>
  [...(node.gate === undefined ? [] : [node.gate]), ...node.edges].map((edge) => edge.from)

/** List scheduling: whenever a slot is free, the ready call with the longest way to the end goes first. */
const schedule = (units: ReadonlyArray<Unit>, slots: number): number => {
  const after: ReadonlyArray<Array<number>> = units.map(() => [])
  for (const [i, unit] of units.entries()) for (const j of unit.before) after[j]!.push(i)
  const toEnd: Array<number> = []
  for (let i = units.length - 1; i >= 0; i--) {
    toEnd[i] = units[i]!.duration + after[i]!.reduce((most, j) => Math.max(most, toEnd[j]!), 0)
  }
  const waits = units.map((unit) => unit.before.length)
  const ready = new Heap((a, b) => toEnd[b]! - toEnd[a]! || a - b)
  const running = new Heap((a, b) => endsAt[a]! - endsAt[b]! || a - b)
  const endsAt: Array<number> = []
  let now = 0
  const finish = (i: number): void => {
    for (const j of after[i]!) {
      if (--waits[j]! > 0) continue
      if (units[j]!.isWork) ready.push(j)
      else passes.push(j)
    }
  }
  const passes = units.flatMap((unit, i) => (waits[i] === 0 && !unit.isWork ? [i] : []))
  for (const [i, unit] of units.entries()) if (waits[i] === 0 && unit.isWork) ready.push(i)
  for (;;) {
    for (let pass = passes.pop(); pass !== undefined; pass = passes.pop()) finish(pass)
    while (running.size < slots && ready.size > 0) {
      const i = ready.pop()!
      endsAt[i] = now + units[i]!.duration
      running.push(i)
    }
    const next = running.pop()
    if (next === undefined) return now
    now = endsAt[next]!
    finish(next)
  }
}

/** A binary heap of positions, the smallest by `compare` first. */
class Heap {
  readonly #items: Array<number> = []
  readonly #compare: (a: number, b: number) => number
  constructor(compare: (a: number, b: number) => number) {
    this.#compare = compare
  }
  get size(): number {
    return this.#items.length
  }
  push(item: number): void {
    const items = this.#items
    let i = items.push(item) - 1
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (this.#compare(items[parent]!, item) <= 0) break
      items[i] = items[parent]!
      i = parent
    }
    items[i] = item
  }
  pop(): number | undefined {
    const items = this.#items
    const first = items[0]
    const last = items.pop()
    if (last === undefined || items.length === 0) return first
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= items.length) break
      if (child + 1 < items.length && this.#compare(items[child + 1]!, items[child]!) < 0) child++
      if (this.#compare(last, items[child]!) <= 0) break
      items[i] = items[child]!
      i = child
    }
    items[i] = last
    return first
  }
}

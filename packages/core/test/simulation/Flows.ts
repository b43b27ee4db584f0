/**
 * Random flows, compiled as a user's are, with handlers that compute: what was executed, with which arguments, and how it
 * came out has to be what promises would have done.
 */
import type { Delivery, Outcome } from "../../src/Broker.ts"
import * as Inspect from "../../src/engine/inspect.ts"
import type { Cell, Run } from "../../src/engine/Store.ts"
import type { Json, Plan, Template } from "../../src/plan/Document.ts"
import * as Values from "../../src/plan/Values.ts"
import * as Expressions from "./Expressions.ts"
import * as FlowOf from "./FlowOf.ts"
import { hash, Random } from "./Random.ts"
import * as Reference from "./Reference.ts"
import type { Scenario, Subject, World } from "./World.ts"
import { wrong } from "./Wrong.ts"

/** Compiling costs more than running, so so many worlds in a row share a flow. */
const worldsPerFlow = 25

interface Compiled {
  readonly number: number
  readonly root: Expressions.Region
  readonly plan: Plan
  readonly prepared: Values.Prepared
  readonly hash: string
  /** By body: the expression it is of. */
  readonly eaches: ReadonlyArray<Expressions.Expression>
}

let latest: Compiled | undefined

const compiled = (number: number): Compiled => {
  if (latest?.number === number) return latest
  const root = Expressions.make(new Random(number))
  const { hash, plan } = FlowOf.compile(root)
  const all = root.steps.flatMap((step) => [step, ...Expressions.inside(step)])
  latest = {
    number,
    root,
    plan,
    hash,
    prepared: Values.prepare(plan),
    eaches: all.filter(({ _tag }) => _tag === "Each")
  }
  return latest
}

export const scenario = (random: Random, seed: number): Scenario => {
  const flow = compiled(Math.floor(seed / worldsPerFlow))
  const failures = random.pick([0, 0.1, 0.3, 0.6])
  /** The inputs of deliveries, by nonce. */
  const given = new Map<string, Json>()
  return {
    subjects: Array.from({ length: random.pick([1, 1, 1, 2]) }, (_, i) => subject(random, flow, `run${i}`)),
    tasks: Object.keys(flow.plan.tasks),
    begin: (delivery) => void given.set(delivery.nonce, inputOf(flow, delivery)),
    outcome: (delivery, isHealthy) => outcome(random, flow, delivery, isHealthy ? failures / 2 : failures, given),
    inOrder: random.chance(0.8),
    onEnd: (world, run) => {
      if (world.store.options.slice < 5_000) return
      new Comparison(world, flow, run, given).check()
    }
  }
}

const subject = (random: Random, { hash, plan, prepared }: Compiled, id: string): Subject => {
  const input = JSON.stringify({ xs: Array.from({ length: random.below(4) }, () => random.below(100)) })
  const place = { frame: [], input, items: [], ends: { get: () => undefined } }
  const elements = new Map(plan.decides.map(({ node, of }) => [node, split(filled(of, prepared, place))]))
  return { id, plan, hash, input, elements, onFailure: random.pick(["cancel", "finish"] as const) }
}

const split = (array: Json): ReadonlyArray<string> =>
  (array as ReadonlyArray<Json>).map((element) => JSON.stringify(element))

/** All that a template needs has ended by the time somebody needs it. */
const filled = (template: Template, prepared: Values.Prepared, place: Values.Place): Json => {
  const said = Values.fill(template, prepared, place)
  return said._tag === "Filled" ? said.value : wrong(`a value needs ${said.read.join(", ")}, which has not ended`)
}

// ---- handlers ---------------------------------------------------------------------------------------------------------

/** The arguments of a call, or the array that is counted. */
const inputOf = ({ plan, prepared }: Compiled, { ends, input, items, node: address }: Delivery): Json => {
  const { frame, node: number } = parse(address)
  const node = plan.nodes[number]!
  const place = { frame, input, items, ends }
  if (node._tag === "Decide") return filled(node.of, prepared, place)
  if (node._tag !== "Task") return wrong(`${address} is no work`)
  return (filled(node.input, prepared, place) as { readonly args: Json }).args
}

const outcome = (
  random: Random,
  { plan }: Compiled,
  { node: address, nonce }: Delivery,
  failures: number,
  given: ReadonlyMap<string, Json>
): Outcome => {
  const { node: number } = parse(address)
  const node = plan.nodes[number]!
  const args = given.get(nonce)!
  if (node._tag !== "Task") return { _tag: "Succeeded", elements: new Map([[number, split(args)]]) }
  const number32 = hash(`${node.task}(${JSON.stringify(args)})`)
  if (random.chance(failures)) {
    const tag = random.pick(["A", "A", "B", "B", "Defect"])
    const error = JSON.stringify({ _tag: tag, n: number32 % 1_000 })
    return { _tag: "Failed", failed: { tag, declared: tag !== "Defect", error }, retryable: random.chance(0.9) }
  }
  const isArray = JSON.stringify(plan.tasks[node.task]!.output).includes("array")
  const value = isArray
    ? Array.from({ length: number32 % 4 }, (_, i) => (number32 >>> (8 * i)) % 100)
    : number32 % 1_000
  const elements = new Map((node.decides ?? []).map(({ node, path }) => [node, split(Values.at(value, path)!)]))
  return { _tag: "Succeeded", value: JSON.stringify(value), elements }
}

const parse = (
  address: string
): { readonly frame: ReadonlyArray<readonly [number, number]>; readonly node: number } => {
  const numbers = address.split(".").map(Number)
  const frame: Array<readonly [number, number]> = []
  for (let i = 0; i + 1 < numbers.length; i += 2) frame.push([numbers[i]!, numbers[i + 1]!])
  return { frame, node: numbers[numbers.length - 1]! }
}

// ---- comparison -------------------------------------------------------------------------------------------------------

/** One generation of a run, and what promises would have done. */
class Comparison {
  readonly #world: World
  readonly #flow: Compiled
  readonly #run: Run
  readonly #given: ReadonlyMap<string, Json>
  /** By task and instance; a task is called in one place. */
  readonly #calls = new Map<string, Cell>()
  readonly #outcomes = new Map<Cell, Reference.Settled>()

  constructor(world: World, flow: Compiled, run: Run, given: ReadonlyMap<string, Json>) {
    this.#world = world
    this.#flow = flow
    this.#run = run
    this.#given = given
    for (const frame of world.engine.Store.frames(run)) {
      for (const cell of frame.cells) {
        const name = cell.node.task ?? (cell.node.work ? `fork ${cell.node.forks!.index}` : undefined)
        if (name !== undefined && (cell.phase === "succeeded" || cell.phase === "failed"))
          this.#calls.set(`${name}@${pathOf(cell)}`, cell)
      }
    }
  }

  check(): void {
    const run = this.#run
    const { root } = this.#flow
    const reference = new Reference.Reference(
      { call: (call, path) => this.#call(call, path), fork: (each, path) => this.#fork(each, path) },
      (JSON.parse(run.input) as { readonly xs: Json }).xs,
      run.generation === 1
    )
    const expected = reference.enter(root, [], 0)
    this.#world.count(reference.isAmbiguous ? "compared: ambiguous" : `compared: ${run.state}`)
    if (reference.isAmbiguous) return
    // A generation that was cut short still has what the one before had executed.
    for (const [name, cell] of run.generation === 1 || run.closing === undefined ? this.#calls : []) {
      if (cell.node.task !== undefined && !reference.demanded.has(name))
        wrong(`${run.id}: ${name} was executed, and nothing called it`)
    }
    // A retry leaves out what was cancelled and has no part in the outcome.
    if (run.closing === undefined && run.generation === 1) {
      for (const name of reference.demanded)
        if (!this.#calls.has(name)) wrong(`${run.id}: ${name} was called and never executed`)
    }
    if (run.state === "cancelled" && run.closing === "cancel") return
    if (expected._tag === "Pending") return wrong(`${run.id} is ${run.state}, and its outcome is still open`)
    const state = expected._tag === "Ok" ? "succeeded" : "failed"
    if (run.state !== state) wrong(`${run.id} is ${run.state} instead of ${state}`)
    const [is, shall] = expected._tag === "Ok" ? [this.#value(), expected.value] : [this.#failure(), expected.cause]
    if (JSON.stringify(is) !== JSON.stringify(shall))
      wrong(`${run.id} ${state} with ${JSON.stringify(is)} instead of ${JSON.stringify(shall)}`)
  }

  #value(): Json {
    const said = Values.fillOutput(this.#flow.prepared, this.#run.input, this.#world.engine.claim.endsOf(this.#run))
    return said._tag === "Filled" ? said.value : wrong(`the output needs ${said.read.join(", ")}, which has not ended`)
  }

  #failure(): Reference.Cause {
    const { failed } = Inspect.endOf(this.#run).failure!
    return { tag: failed.tag, declared: failed.declared, error: JSON.parse(failed.error) as Json }
  }

  #call(call: Expressions.Call, path: Reference.Path): ReturnType<Reference.Recorded["call"]> {
    const cell = this.#calls.get(`${FlowOf.keyOf(call)}@${path.join(".")}`)
    if (cell === undefined) return undefined
    return { outcome: this.#outcome(cell), args: this.#given.get(cell.nonce) }
  }

  #fork(each: Expressions.Each, path: Reference.Path): Reference.Promised | undefined {
    const body = this.#flow.eaches.indexOf(each) + 1
    const { fork } = this.#flow.plan.bodies[body] as Extract<Plan["bodies"][number], { _tag: "Each" }>
    if (this.#flow.plan.nodes[fork]!._tag === "Fork") return undefined
    const cell = this.#calls.get(`fork ${body}@${path.join(".")}`)
    return cell === undefined ? { _tag: "Pending" } : this.#outcome(cell)
  }

  #outcome(cell: Cell): Reference.Settled {
    let outcome = this.#outcomes.get(cell)
    if (outcome !== undefined) return outcome
    const at = this.#world.recordedAt.get(cell)!
    if (cell.phase === "failed") {
      const { declared, error, tag } = cell.failed!
      outcome = { _tag: "Failed", at, cause: { tag, declared, error: JSON.parse(error) as Json } }
    } else outcome = { _tag: "Ok", at, value: cell.value === undefined ? null : (JSON.parse(cell.value) as Json) }
    this.#outcomes.set(cell, outcome)
    return outcome
  }
}

const pathOf = (cell: Cell): string => {
  const path: Array<number> = []
  for (let frame = cell.frame; frame.parent !== undefined; frame = frame.parent) path.unshift(frame.index)
  return path.join(".")
}

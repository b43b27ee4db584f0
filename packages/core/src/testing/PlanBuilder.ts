/**
 * Plans drawn by hand, for tests of what runs or draws them. Where a flow says what a user means, a builder says
 * node by node what the kernel shall see: every join, gate and condition.
 *
 * Steps are named by their readable ids, and `addressOf` finds an instance by such a name. Inputs and values are
 * filled in as a compiler would: a task reads the values of what it comes after, else the element around it, else
 * the input of the run.
 *
 * @example
 * ```ts
 * import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
 *
 * const plan = PlanBuilder.make("squares", (p) => {
 *   const numbers = p.task("numbers")
 *   const squares = p.each("each", { over: numbers, concurrency: 2 }, (p) => p.task("square"))
 *   return p.task("sum", { after: [squares] })
 * })
 *
 * PlanBuilder.addressOf(plan, "each[3].square") // "2.3.4"
 * ```
 */
import * as Address from "../plan/Address.ts"
import type { Condition, Each, Edge, Node, Pass, Plan, Policy, Region, Template } from "../plan/Document.ts"

/** A node of the plan to be. Compared by identity. */
export interface Step {
  readonly id: string
  readonly body: number
  /** Its position in its body. */
  readonly local: number
}

/** Where an edge comes from: a step whose success fires it, or one of `failed`, `settled` and `branch`. */
export type Source = Step | { readonly step: Step; readonly when: Condition }

/** Fires when the step fails, or is skipped for a failure: of any kind, a declared one, or one of these tags. */
export const failed = (step: Step, failure: "any" | "declared" | ReadonlyArray<string> = "any"): Source => ({
  step,
  when: { failure }
})

/** Fires when the step ends, unless it ends on a branch not taken, or cancelled. */
export const settled = (step: Step): Source => ({ step, when: "settled" })

/** Fires when the step succeeds and has chosen this branch. Work that decides nothing chooses 0. */
export const branch = (step: Step, branch: number): Source => ({ step, when: { branch } })

/** What a node waits for. */
export interface Wiring {
  /** What its join is over, in the order of declaration. Default: nothing. */
  readonly after?: ReadonlyArray<Source> | undefined
  /** Default: `all`. */
  readonly join?: "all" | "any" | "settled" | undefined
  /** What must fire before the join counts. Default: the entry of the `catch` it is made in, else nothing. */
  readonly gate?: Source | undefined
  /** Runs also when the run is being cancelled. Default: no. */
  readonly cleanup?: true | undefined
}

export interface TaskOptions extends Wiring {
  /** The key of the task. Default: the id. */
  readonly task?: string | undefined
  readonly input?: Template | undefined
  readonly policy?: Policy | undefined
}

export interface PassOptions extends Wiring {
  /** Default: `value`. */
  readonly role?: Pass["role"] | undefined
  readonly value?: Template | undefined
}

export interface EachOptions {
  /**
   * What knows the elements. A task of the same body reports them with its outcome; `input` is decided with the
   * submission, except in another body; then, and for any other step, there will be a `Decide` node.
   */
  readonly over: Step | "input"
  /** Instances that may be open at once. Default: all. */
  readonly concurrency?: number | undefined
  /** How the instances are joined. Default: `all`. */
  readonly join?: "all" | "any" | "settled" | undefined
  /** Whether its nodes beside the body run when the run is being cancelled. Default: no. */
  readonly cleanup?: true | undefined
}

export interface Builder {
  readonly task: (id: string, options?: TaskOptions) => Step
  readonly pass: (id: string, options?: PassOptions) => Step
  /**
   * A `forEach`: a fork (`id.fork`) or a decide (`id.decide`), a release where the body uses steps from outside of it
   * (`id.release`), the instances (`id[0].…`), and the collect, which is the step that is returned.
   */
  readonly each: (id: string, options: EachOptions, body: (p: Builder) => Step) => Step
  /** The step, or what the handler makes of its failure. Failures to catch: any, the declared, or these tags. */
  readonly catch: (
    id: string,
    options: { readonly of: Step; readonly failure?: "any" | "declared" | ReadonlyArray<string> | undefined },
    handler: (p: Builder) => Step
  ) => Step
}

/** The plan of a flow whose outcome is that of the step returned. */
export const make = (flow: string, body: (p: Builder) => Step): Plan => {
  const draft = new Draft(flow)
  const root = draft.addBody(undefined)
  return draft.finish(root, body(draft.builder(root, { region: 0, entry: undefined })))
}

/** The address of an instance by its readable id: `resize`, `each[3].resize`. Throws when the plan has no such node. */
export const addressOf = (plan: Plan, id: string): string => {
  const address = Address.fromId(plan, id)
  if (address !== undefined) return address
  throw new Error(`Plan ${plan.flow} has no node ${id}; it has ${plan.nodes.map((node) => node.id).join(", ")}`)
}

// ---- drawing up -----------------------------------------------------------------------------------------------------

/** Where steps are made. */
interface Scope {
  readonly region: number
  /** The gate of steps that are given none. */
  readonly entry: Step | undefined
}

/** Numbers the steps, once all of them are known. */
type Numbers = (step: Step) => number

interface BodyDraft {
  readonly index: number
  readonly parent: BodyDraft | undefined
  readonly nodes: Array<(numberOf: Numbers) => Node>
  /** Steps of the body around it that its own steps, or those of bodies inside it, come after. */
  readonly captured: Set<Step>
}

interface EachDraft {
  readonly own: BodyDraft
  readonly exit: Step
  readonly fork: Step
  readonly release: Step
  readonly collect: Step
  readonly concurrency: number | undefined
}

class Draft {
  readonly flow: string
  readonly bodies: Array<BodyDraft> = []
  readonly eaches: Array<EachDraft> = []
  readonly regions: Array<Region>
  readonly tasks = new Set<string>()
  /** Steps whose array the submission or a task decides, and the forks that are decided. */
  readonly byInput: Array<Step> = []
  readonly byTask = new Map<Step, Array<Step>>()
  readonly taskSteps = new Set<Step>()

  constructor(flow: string) {
    this.flow = flow
    this.regions = [{ kind: "flow", label: flow }]
  }

  addBody(parent: BodyDraft | undefined): BodyDraft {
    const body: BodyDraft = { index: this.bodies.length, parent, nodes: [], captured: new Set() }
    this.bodies.push(body)
    return body
  }

  builder(body: BodyDraft, scope: Scope): Builder {
    return {
      task: (id, options = {}) => this.addTask(body, scope, id, options),
      pass: (id, options = {}) => this.addPass(body, scope, id, options),
      each: (id, options, inside) => this.addEach(body, scope, id, options, inside),
      catch: (id, options, handler) => this.addCatch(body, scope, id, options, handler)
    }
  }

  addTask(body: BodyDraft, scope: Scope, id: string, options: TaskOptions): Step {
    const task = options.task ?? id
    this.tasks.add(task)
    const step: Step = this.add(body, scope, id, options, (fields, numberOf) => {
      const decides = this.byTask.get(step)?.map((fork) => ({ node: numberOf(fork), path: [] }))
      return {
        _tag: "Task",
        ...fields,
        task,
        input: options.input ?? inputOf(body, options.after ?? [], numberOf),
        ...(options.policy === undefined ? {} : { policy: options.policy }),
        ...(decides === undefined ? {} : { decides })
      }
    })
    this.taskSteps.add(step)
    return step
  }

  addPass(body: BodyDraft, scope: Scope, id: string, options: PassOptions): Step {
    return this.add(body, scope, id, options, (fields, numberOf) => {
      const value = options.value ?? valueOf(options, numberOf)
      return { _tag: "Pass", ...fields, role: options.role ?? "value", ...(value === undefined ? {} : { value }) }
    })
  }

  addEach(body: BodyDraft, scope: Scope, id: string, options: EachOptions, inside: (p: Builder) => Step): Step {
    const { cleanup, concurrency, join, over } = options
    const fork = this.addFork(body, scope, id, over, cleanup)
    const own = this.addBody(body)
    const exit = inside(this.builder(own, { region: this.addRegion("forEach", id, scope), entry: undefined }))
    const release =
      own.captured.size === 0
        ? fork
        : this.addPass(body, scope, `${id}.release`, {
            role: "release",
            join: "settled",
            gate: fork,
            after: [...own.captured].map(settled),
            cleanup
          })
    const collect = this.add(body, scope, id, { join, gate: release, cleanup }, (fields) => ({
      _tag: "Collect",
      ...fields,
      body: own.index
    }))
    this.eaches.push({ own, exit, fork, release, collect, concurrency })
    return collect
  }

  addFork(body: BodyDraft, scope: Scope, id: string, over: Step | "input", cleanup: true | undefined): Step {
    // A submission decides forks of the flow itself, and a task those after it in its body.
    const isDecided = over === "input" ? body.index === 0 : over.body === body.index && this.taskSteps.has(over)
    if (!isDecided) {
      const after = over === "input" ? [] : [over]
      return this.add(body, scope, `${id}.decide`, { after, cleanup }, (fields, numberOf) => ({
        _tag: "Decide",
        ...fields,
        of: over === "input" ? { input: [] } : { node: numberOf(over), path: [] }
      }))
    }
    const after = over === "input" ? [] : [over]
    const fork = this.add(body, scope, `${id}.fork`, { after, cleanup }, (fields) => ({ _tag: "Fork", ...fields }))
    if (over === "input") this.byInput.push(fork)
    else this.byTask.set(over, [...(this.byTask.get(over) ?? []), fork])
    return fork
  }

  addCatch(
    body: BodyDraft,
    scope: Scope,
    id: string,
    options: { readonly of: Step; readonly failure?: "any" | "declared" | ReadonlyArray<string> | undefined },
    handler: (p: Builder) => Step
  ): Step {
    const { failure = "any", of } = options
    const entry = this.addPass(body, scope, `${id}.entry`, { role: "entry", after: [failed(of, failure)] })
    const label = typeof failure === "string" ? failure : failure.join(", ")
    const inner: Scope = { region: this.addRegion("catch", label, scope), entry }
    const handled = handler(this.builder(body, inner))
    const exit = this.addPass(body, inner, `${id}.exit`, { role: "exit", after: [handled] })
    return this.addPass(body, scope, id, { role: "merge", join: "any", after: [of, exit] })
  }

  addRegion(kind: Region["kind"], label: string, around: Scope): number {
    return this.regions.push({ kind, label, parent: around.region }) - 1
  }

  add(
    body: BodyDraft,
    scope: Scope,
    id: string,
    wiring: Wiring,
    node: (fields: Omit<Pass, "_tag" | "role" | "value">, numberOf: Numbers) => Node
  ): Step {
    const { after = [], cleanup, gate = scope.entry, join = "all" } = wiring
    for (const source of gate === undefined ? after : [...after, gate]) capture(body, stepOf(source))
    const step: Step = { id, body: body.index, local: body.nodes.length }
    body.nodes.push((numberOf) =>
      node(
        {
          id,
          region: scope.region,
          join,
          ...(gate === undefined ? {} : { gate: edgeOf(gate, numberOf) }),
          edges: after.map((source) => edgeOf(source, numberOf)),
          ...(cleanup === undefined ? {} : { cleanup })
        },
        numberOf
      )
    )
    return step
  }

  finish(root: BodyDraft, exit: Step): Plan {
    const firsts: Array<number> = []
    let next = 0
    for (const body of this.bodies) {
      firsts.push(next)
      next += body.nodes.length
    }
    const numberOf: Numbers = (step) => firsts[step.body]! + step.local
    const range = (body: BodyDraft) => ({ first: firsts[body.index]!, count: body.nodes.length })
    // By index: an outer forEach is finished after those in its body.
    const eaches = [...this.eaches].sort((a, b) => a.own.index - b.own.index)
    return {
      version: 1,
      flow: this.flow,
      nodes: this.bodies.flatMap((body) => body.nodes.map((node) => node(numberOf))),
      bodies: [
        { _tag: "Root", ...range(root), exit: numberOf(exit) },
        ...eaches.map((each): Each => ({
          _tag: "Each",
          ...range(each.own),
          exit: numberOf(each.exit),
          parent: each.own.parent!.index,
          fork: numberOf(each.fork),
          release: numberOf(each.release),
          collect: numberOf(each.collect),
          ...(each.concurrency === undefined ? {} : { concurrency: each.concurrency })
        }))
      ],
      regions: this.regions,
      decides: this.byInput.map((fork) => ({ node: numberOf(fork), of: { input: [] } })),
      tasks: Object.fromEntries([...this.tasks].map((key) => [key, { input: {}, output: {}, error: {} }])),
      input: {},
      output: {}
    }
  }
}

const stepOf = (source: Source): Step => ("step" in source ? source.step : source)

const edgeOf = (source: Source, numberOf: Numbers): Edge =>
  "step" in source ? { from: numberOf(source.step), when: source.when } : { from: numberOf(source) }

/** Every body between the step's own and the one that uses it is released after the step. */
const capture = (body: BodyDraft, step: Step): void => {
  for (let at = body; at.index !== step.body && at.parent !== undefined; at = at.parent) at.captured.add(step)
}

// ---- values ---------------------------------------------------------------------------------------------------------

const inputOf = (body: BodyDraft, after: ReadonlyArray<Source>, numberOf: Numbers): Template => {
  if (after.length > 0) return { tuple: after.flatMap((source) => partOf(source, numberOf) ?? []) }
  return body.parent === undefined ? { input: [] } : { item: body.index, path: [] }
}

const valueOf = ({ after = [], join, role }: PassOptions, numberOf: Numbers): Template | undefined => {
  if (role === "entry" || role === "release" || join === "settled") return undefined
  const parts = after.map((source) => partOf(source, numberOf) ?? { literal: null })
  if (join === "any") return { from: parts }
  return parts.length === 1 ? parts[0] : { tuple: parts }
}

/** The value, or the error, that an edge brings; nothing where it only orders. */
const partOf = (source: Source, numberOf: Numbers): Template | undefined => {
  if (!("step" in source)) return { node: numberOf(source), path: [] }
  return typeof source.when === "object" && "failure" in source.when
    ? { error: numberOf(source.step), path: [] }
    : undefined
}

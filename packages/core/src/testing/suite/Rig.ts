/**
 * What a case moves a broker with: plans are submitted, workers are played by hand, time passes when the case says so.
 * Everything is named by readable ids, so that a case reads like the story it tells.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type {
  Broker,
  Delivery,
  Ended,
  Event,
  NodeView,
  Receipt,
  Settled,
  Settlement,
  Submitted,
  Phase
} from "../../Broker.ts"
import type { BrokerUnavailable, DuplicateRun, PayloadTooLarge, RunDamaged, RunNotFound } from "../../Failure.ts"
import * as Address from "../../plan/Address.ts"
import type { Json, Plan } from "../../plan/Document.ts"
import { hash } from "../../plan/Hash.ts"
import * as PlanBuilder from "../PlanBuilder.ts"
import type { Answer, Job } from "./Answer.ts"
import { elementsOf, nodeIdOf, succeeded } from "./Answer.ts"

export interface SubmitOptions {
  /** Default: `run-1`, `run-2` … */
  readonly id?: string
  readonly input?: Json
  /** By the id of the `forEach`. */
  readonly elements?: { readonly [each: string]: ReadonlyArray<Json> }
  readonly onFailure?: "cancel" | "finish"
  /** In units. */
  readonly delay?: number
}

export interface HandOptions {
  /** Default: `worker-1`, `worker-2` … */
  readonly id?: string
  /** Default: those of every plan submitted so far. */
  readonly tasks?: ReadonlyArray<string>
  /** Default: `default`. */
  readonly queues?: ReadonlyArray<string>
}

/** A worker whose every move the case decides. */
export interface Hand {
  readonly id: string
  readonly claim: (max?: number) => Effect.Effect<ReadonlyArray<Job>, BrokerUnavailable>
  /** Claims what must be exactly this one. */
  readonly take: (name: string) => Effect.Effect<Job, BrokerUnavailable>
  /** Settles and claims nothing. */
  readonly report: (
    ...settlements: ReadonlyArray<Settlement>
  ) => Effect.Effect<ReadonlyArray<Receipt>, BrokerUnavailable>
  readonly settle: (
    settlements: ReadonlyArray<Settlement>,
    claim: number
  ) => Effect.Effect<Omit<Settled, "deliveries"> & { readonly jobs: ReadonlyArray<Job> }, BrokerUnavailable>
  readonly release: (...jobs: ReadonlyArray<Job>) => Effect.Effect<void, BrokerUnavailable>
  /**
   * Claims and answers until there is nothing to do; what has no answer succeeds. Answers go by the name of the job or
   * the id of its node. Returns the names of what it was given, in that order.
   */
  readonly play: (answers?: {
    readonly [id: string]: Answer
  }) => Effect.Effect<ReadonlyArray<string>, BrokerUnavailable>
}

export interface Watch {
  readonly seen: ReadonlyArray<Event>
  /** Completes when the stream ends. */
  readonly ended: Effect.Effect<void, RunNotFound | RunDamaged | BrokerUnavailable>
}

export interface Rig {
  readonly broker: Broker["Service"]
  /** Milliseconds. */
  readonly unit: number
  /** Brokers that share the runs behind this one: what is promised of order and number holds for each. */
  readonly partitions: number
  /** Lets units of time pass. */
  readonly pass: (units: number) => Effect.Effect<void>
  /** Submits a plan; returns the run's id. */
  readonly submit: (
    plan: Plan,
    options?: SubmitOptions
  ) => Effect.Effect<string, DuplicateRun | PayloadTooLarge | BrokerUnavailable>
  readonly submitted: (
    plan: Plan,
    options?: SubmitOptions
  ) => Effect.Effect<Submitted, DuplicateRun | PayloadTooLarge | BrokerUnavailable>
  /** Registers a worker. */
  readonly hand: (options?: HandOptions) => Effect.Effect<Hand, BrokerUnavailable>
  /** Every instance of the run, in the order of addresses. */
  readonly nodes: (run: string) => Effect.Effect<ReadonlyArray<NodeView>, RunNotFound | RunDamaged | BrokerUnavailable>
  /** One instance, by its readable id. */
  readonly node: (run: string, name: string) => Effect.Effect<NodeView, RunNotFound | RunDamaged | BrokerUnavailable>
  /** The states of all instances, by readable id. */
  readonly states: (
    run: string
  ) => Effect.Effect<{ readonly [name: string]: Phase }, RunNotFound | RunDamaged | BrokerUnavailable>
  /** The ends of instances, by readable ids. */
  readonly read: (
    run: string,
    ...names: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Ended | undefined>, RunNotFound | RunDamaged | BrokerUnavailable>
  /** Listens to events. `nudge` makes one that it would hear, and is repeated until it is heard. */
  readonly watch: (
    run: string | undefined,
    nudge: Effect.Effect<unknown, unknown>
  ) => Effect.Effect<Watch, unknown, Scope.Scope>
  /** Lets time pass, a little at a time, until it holds; gives up after some seconds of real time. */
  readonly eventually: (holds: () => boolean) => Effect.Effect<void>
}

export const make = (
  broker: Broker["Service"],
  clock: {
    readonly unit: number
    readonly passTime: (millis: number) => Effect.Effect<void>
    readonly partitions?: number
  }
): Rig => {
  const { partitions = 1, unit } = clock
  const plans = new Map<string, Plan>()
  let runs = 0
  let hands = 0

  const pass = (units: number) => clock.passTime(Math.ceil(units * unit))

  const submitted: Rig["submitted"] = (plan, options = {}) => {
    const id = options.id ?? `run-${++runs}`
    // The names of a refused submission are those of the run that was there first.
    if (!plans.has(id)) plans.set(id, plan)
    return broker.submit({
      id,
      planHash: hash(plan),
      plan,
      input: JSON.stringify(options.input ?? null),
      elements: elementsOf(plan, options.elements ?? {}),
      onFailure: options.onFailure ?? "cancel",
      delay: (options.delay ?? 0) * unit
    })
  }

  const toJob = (delivery: Delivery): Job => {
    const plan = plans.get(delivery.run)
    if (plan === undefined) throw new Error(`A delivery of run ${delivery.run}, which the case has not submitted`)
    return { ...delivery, plan, name: Address.toId(plan, delivery.node) }
  }

  const hand: Rig["hand"] = Effect.fnUntraced(function* (options = {}) {
    const id = options.id ?? `worker-${++hands}`
    const tasks = options.tasks ?? [...new Set([...plans.values()].flatMap((plan) => Object.keys(plan.tasks)))]
    yield* broker.register({ id, tasks, queues: options.queues ?? ["default"], concurrency: 100, host: "here:1" })
    return handOf(broker, id, toJob)
  })

  const nodes: Rig["nodes"] = Effect.fnUntraced(function* (run) {
    const all: Array<NodeView> = []
    for (;;) {
      const page = yield* broker.nodes(run, { after: all.at(-1)?.address, limit: 1_000 })
      all.push(...page)
      if (page.length < 1_000) return all
    }
  })

  const planOf = (run: string): Plan => plans.get(run)!

  const eventually: Rig["eventually"] = Effect.fnUntraced(function* (holds) {
    for (let i = 0; i < 200 && !holds(); i++) {
      yield* Effect.yieldNow
      if (!holds()) yield* pass(0.05)
    }
  })

  return {
    broker,
    unit,
    partitions,
    pass,
    submitted,
    submit: (plan, options = {}) => {
      const id = options.id ?? `run-${++runs}`
      return Effect.as(submitted(plan, { ...options, id }), id)
    },
    hand,
    nodes,
    node: (run, name) => {
      const address = PlanBuilder.addressOf(planOf(run), name)
      return Effect.map(nodes(run), (all) => {
        const view = all.find((node) => node.address === address)
        if (view === undefined) throw new Error(`Run ${run} lists no node ${name}`)
        return view
      })
    },
    states: (run) =>
      Effect.map(nodes(run), (all) =>
        Object.fromEntries(all.map((node) => [Address.toId(planOf(run), node.address), node.state]))
      ),
    read: (run, ...names) =>
      broker.read(
        run,
        names.map((name) => PlanBuilder.addressOf(planOf(run), name))
      ),
    watch: Effect.fnUntraced(function* (run, nudge) {
      const seen: Array<Event> = []
      const fiber = yield* broker.events(run).pipe(
        Stream.runForEach((event) => Effect.sync(() => void seen.push(event))),
        Effect.forkScoped({ startImmediately: true })
      )
      for (let i = 0; i < 100 && seen.length === 0; i++) {
        yield* nudge
        yield* Effect.yieldNow
        if (seen.length === 0) yield* pass(0.05)
      }
      return { seen, ended: Fiber.join(fiber) }
    }),
    eventually
  }
}

const handOf = (broker: Broker["Service"], id: string, toJob: (delivery: Delivery) => Job): Hand => {
  const settle: Hand["settle"] = (settlements, claim) =>
    Effect.map(broker.settle({ worker: id, settlements, claim }), ({ deliveries, ...settled }) => ({
      ...settled,
      jobs: deliveries.map(toJob)
    }))
  return {
    id,
    settle,
    claim: (max = 100) => Effect.map(settle([], max), ({ jobs }) => jobs),
    take: (name) =>
      Effect.map(settle([], 1), ({ jobs }) => {
        if (jobs[0]?.name !== name)
          throw new Error(`${id} expected ${name} and was given ${jobs[0]?.name ?? "nothing"}`)
        return jobs[0]
      }),
    report: (...settlements) => Effect.map(settle(settlements, 0), ({ receipts }) => receipts),
    release: (...jobs) => broker.release(id, jobs),
    play: Effect.fnUntraced(function* (answers = {}) {
      const given: Array<string> = []
      let settlements: Array<Settlement> = []
      // What one step can't finish is gone on with by the next ones, some hundred edges at a time.
      let patience = 5
      for (let idle = 0; idle < patience; idle++) {
        const { jobs } = yield* settle(settlements, 100)
        settlements = []
        for (const job of jobs) {
          given.push(job.name)
          patience = Math.max(patience, 5 + job.plan.nodes.length / 200)
          const answer = answers[job.name] ?? answers[nodeIdOf(job)] ?? succeeded
          const settlement = answer(job)
          if (settlement !== undefined) settlements.push(settlement)
        }
        if (jobs.length > 0) idle = -1
        else yield* broker.sweep
      }
      return given
    })
  }
}

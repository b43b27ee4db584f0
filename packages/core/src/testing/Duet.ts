/**
 * The same story told to two brokers, sentence by sentence: they must give the same answers, and show the same run after
 * each. What happens is drawn at random: outcomes, failures, elements, reports that come twice or too late, workers that
 * leave and come back, cancels and retries. The random service decides, so a seed (`Random.withSeed`) tells it again.
 *
 * Where `passTime` is given, time passes too, in steps of `step` milliseconds: starts, attempts and expiries are due after
 * some of them, and workers fall silent and are lost. Else time plays no part: what a plan says of delays is left out, a
 * further attempt is due at once.
 *
 * @example
 * ```ts
 * import type { Broker } from "@arpeggio/core/Broker"
 * import type { Plan } from "@arpeggio/core/Plan"
 * import * as Duet from "@arpeggio/core/testing/Duet"
 * import * as Random from "effect/Random"
 *
 * export const agree = (left: Broker["Service"], right: Broker["Service"], plan: Plan) =>
 *   Duet.play({ left, right, plan, commands: 50 }).pipe(Random.withSeed(42))
 * ```
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import { deepStrictEqual } from "node:assert/strict"
import type { Broker, Claimed, Delivery, Outcome, Settlement, Submission } from "../Broker.ts"
import * as Address from "../plan/Address.ts"
import type { Node, Plan, Policy } from "../plan/Document.ts"
import { hash } from "../plan/Hash.ts"
import * as Snapshot from "./Snapshot.ts"

export interface Options {
  readonly left: Broker["Service"]
  readonly right: Broker["Service"]
  readonly plan: Plan
  /** How many random commands there are before everything is played to its end. */
  readonly commands: number
  /** How often the ended run is retried, to have as many commands again. Default: 2. */
  readonly retries?: number | undefined
  /** Lets one `step` pass for both. A lease must be three of them. */
  readonly passTime?: Effect.Effect<void> | undefined
  /** The most elements of a fork; mostly there are less than 4. Default: 3. */
  readonly elements?: number | undefined
  /** The id of the run. Default: `duet`. */
  readonly run?: string | undefined
}

/** One delivery as each of the brokers made it. */
interface Pair {
  readonly left: Delivery
  readonly right: Delivery
}

/** Milliseconds. Long beside what a story takes, so that a clock that goes on meanwhile makes no difference. */
export const step = 60_000

/** Dies of an `AssertionError` that tells the story so far when the brokers do not agree. */
export const play = (options: Options): Effect.Effect<void, unknown> =>
  Effect.gen(function* () {
    const duet = new Duet(options)
    yield* duet.submit
    for (let retries = options.retries ?? 2; ; retries--) {
      for (let i = 0; i < options.commands; i++) yield* duet.command
      // A run that went well has little to retry.
      yield* duet.finish(retries === 0 || (yield* Random.nextBoolean))
      if (retries === 0) return
      yield* duet.retry
      yield* duet.compare
    }
  })

const workers = ["one", "two"]
const tags = ["A", "B", "C", ""]

class Duet {
  readonly left: Broker["Service"]
  readonly right: Broker["Service"]
  readonly run: string
  readonly plan: Plan
  readonly passTime: Effect.Effect<void> | undefined
  readonly most: number
  readonly story: Array<string> = []
  /** What each worker was given and has not answered. */
  readonly held: ReadonlyMap<string, Array<Pair>> = new Map(workers.map((worker) => [worker, []]))
  /** Answers given, to be given again. */
  readonly told: Array<{ readonly worker: string; readonly left: Settlement; readonly right: Settlement }> = []

  constructor({ elements = 3, left, passTime, plan, right, run = "duet" }: Options) {
    this.left = left
    this.right = right
    this.run = run
    this.plan = passTime === undefined ? untimed(plan) : inSteps(plan)
    this.passTime = passTime
    this.most = elements
  }

  /** Does the same with both, and compares what they say. */
  both<A, E>(what: string, left: Effect.Effect<A, E>, right: Effect.Effect<A, E>): Effect.Effect<readonly [A, A], E> {
    this.story.push(what)
    return Effect.all([left, right])
  }

  agree(left: unknown, right: unknown): void {
    try {
      deepStrictEqual(right, left)
    } catch (error) {
      if (error instanceof Error)
        error.message = `The brokers do not agree after\n${this.story.map((line, i) => `${i + 1}. ${line}`).join("\n")}\n\n${error.message}`
      throw error
    }
  }

  get compare() {
    return Effect.gen({ self: this }, function* () {
      this.agree(yield* Snapshot.take(this.left, this.run), yield* Snapshot.take(this.right, this.run))
    })
  }

  // ---- commands -------------------------------------------------------------------------------------------------------

  get submit() {
    return Effect.gen({ self: this }, function* () {
      const elements = new Map<number, ReadonlyArray<string>>()
      for (const { node } of this.plan.decides) elements.set(node, yield* drawElements(this.most))
      const delay = this.passTime === undefined ? 0 : step * Math.max(0, yield* Random.nextIntBetween(-3, 2))
      const submission: Submission = {
        id: this.run,
        planHash: hash(this.plan),
        plan: this.plan,
        input: "null",
        elements,
        onFailure: yield* Random.choice(["cancel", "finish"] as const),
        delay
      }
      for (const worker of workers) yield* this.register(worker)
      yield* this.sweep
      yield* this.offer(`submit, on failure ${submission.onFailure}, in ${delay / step} steps`, submission)
      yield* this.compare
      yield* this.offer("submit it again", submission)
      yield* this.offer("submit another under its name", { ...submission, input: "1" })
      yield* this.compare
    })
  }

  offer(what: string, submission: Submission) {
    return Effect.gen({ self: this }, function* () {
      const [left, right] = yield* this.both(
        what,
        Effect.result(this.left.submit(submission)),
        Effect.result(this.right.submit(submission))
      )
      this.agree(
        left._tag === "Success" ? left.success : left._tag,
        right._tag === "Success" ? right.success : right._tag
      )
    })
  }

  get command() {
    return Effect.gen({ self: this }, function* () {
      const worker = yield* Random.choice(workers as [string, ...Array<string>])
      const dice = yield* Random.nextIntBetween(0, 99)
      if (this.passTime !== undefined && dice < 15)
        yield* this.letTimePass(this.passTime, yield* Random.choice([...workers, undefined]))
      else if (dice < 55)
        yield* this.settle(worker, yield* Random.nextIntBetween(0, 4), yield* Random.nextIntBetween(0, 6))
      else if (dice < 65) yield* this.repeat
      else if (dice < 75) yield* this.release(worker)
      else if (dice < 83) yield* this.sweep
      else if (dice < 87) yield* this.leave(worker)
      else if (dice < 90) yield* this.register(worker)
      else if (dice < 93) yield* this.renew(worker)
      else if (dice < 95) yield* this.cancel
      else yield* this.retry
      yield* this.compare
    })
  }

  /** Answers some of what the worker holds and claims more. */
  settle(worker: string, answers: number, claim: number, isHealthy = false) {
    return Effect.gen({ self: this }, function* () {
      const held = this.held.get(worker)!
      const answered = held.splice(0, answers)
      const told: Array<(typeof this.told)[number]> = []
      for (const { left, right } of answered) {
        const outcome = yield* drawOutcome(this.plan, left, isHealthy, this.most)
        told.push({ worker, left: { ...claimOf(left), outcome }, right: { ...claimOf(right), outcome } })
      }
      this.told.push(...told)
      const [left, right] = yield* this.both(
        `${worker} settles ${told.map(({ left }) => tell(this.plan, left)).join(", ") || "nothing"} and claims ${claim}`,
        this.left.settle({ worker, settlements: told.map(({ left }) => left), claim }),
        this.right.settle({ worker, settlements: told.map(({ right }) => right), claim })
      )
      this.agree([left.receipts, left.unknown], [right.receipts, right.unknown])
      this.agree(left.deliveries.map(visible), right.deliveries.map(visible))
      for (const [i, delivery] of left.deliveries.entries()) {
        held.push({ left: delivery, right: right.deliveries[i]! })
      }
      this.agreeOn(worker, left.interrupt, right.interrupt)
      return left.deliveries.length
    })
  }

  /** Whether the nonces name the same of what the worker was given. */
  agreeOn(worker: string, left: ReadonlyArray<string>, right: ReadonlyArray<string>): void {
    const nodes = (side: "left" | "right", nonces: ReadonlyArray<string>) =>
      this.held
        .get(worker)!
        .filter((pair) => nonces.includes(pair[side].nonce))
        .map((pair) => pair[side].node)
    this.agree(nodes("left", left), nodes("right", right))
    this.agree(left.length, right.length)
  }

  /** Says what the worker holds, and forgets what is lost. */
  renew(worker: string) {
    return Effect.gen({ self: this }, function* () {
      const held = this.held.get(worker)!
      const [left, right] = yield* this.both(
        `${worker} renews`,
        this.left.renew(
          worker,
          held.map(({ left }) => left.nonce)
        ),
        this.right.renew(
          worker,
          held.map(({ right }) => right.nonce)
        )
      )
      this.agree(left.unknown, right.unknown)
      this.agreeOn(worker, left.lost, right.lost)
      this.agreeOn(worker, left.interrupt, right.interrupt)
      const kept = held.filter((pair) => !left.lost.includes(pair.left.nonce))
      held.splice(0, Infinity, ...kept)
    })
  }

  /** One worker at most is silent at a time: which of two is lost first is not the brokers' to agree on. */
  letTimePass(passTime: Effect.Effect<void>, silent: string | undefined) {
    return Effect.gen({ self: this }, function* () {
      for (const worker of workers) if (worker !== silent) yield* this.renew(worker)
      this.story.push(`${step} ms pass`)
      yield* passTime
      yield* this.sweep
    })
  }

  /** Reports again what was reported before. */
  get repeat() {
    return Effect.gen({ self: this }, function* () {
      if (this.told.length === 0) return
      const { left: mine, right: theirs, worker } = this.told[yield* Random.nextIntBetween(0, this.told.length - 1)]!
      const [left, right] = yield* this.both(
        `${worker} settles ${tell(this.plan, mine)} again`,
        this.left.settle({ worker, settlements: [mine], claim: 0 }),
        this.right.settle({ worker, settlements: [theirs], claim: 0 })
      )
      this.agree(left.receipts, right.receipts)
    })
  }

  release(worker: string) {
    return Effect.gen({ self: this }, function* () {
      const released = this.held.get(worker)!.splice(0, yield* Random.nextIntBetween(0, 3))
      yield* this.both(
        `${worker} releases ${released.map(({ left }) => Address.toId(this.plan, left.node)).join(", ") || "nothing"}`,
        this.left.release(
          worker,
          released.map(({ left }) => left)
        ),
        this.right.release(
          worker,
          released.map(({ right }) => right)
        )
      )
    })
  }

  leave(worker: string) {
    this.held.get(worker)!.length = 0
    return this.both(`${worker} leaves`, this.left.unregister(worker), this.right.unregister(worker))
  }

  /** The first worker can run everything, the other some of it. */
  register(worker: string) {
    return Effect.gen({ self: this }, function* () {
      const all = Object.keys(this.plan.tasks)
      const tasks: Array<string> = []
      for (const task of all) if (worker === workers[0] || (yield* Random.nextBoolean)) tasks.push(task)
      const info = { id: worker, tasks, queues: queuesOf(this.plan), concurrency: 10, host: "here:1" }
      yield* this.both(
        `${worker} registers for ${tasks.join(", ")}`,
        this.left.register(info),
        this.right.register(info)
      )
    })
  }

  get sweep() {
    return Effect.gen({ self: this }, function* () {
      const [left, right] = yield* this.both("sweep", this.left.sweep, this.right.sweep)
      // How late a timer was is a matter of two clocks.
      this.agree({ ...left, late: 0 }, { ...right, late: 0 })
    })
  }

  get cancel() {
    return Effect.gen({ self: this }, function* () {
      const [left, right] = yield* this.both("cancel", this.left.cancel(this.run), this.right.cancel(this.run))
      this.agree(left, right)
    })
  }

  get retry() {
    return Effect.gen({ self: this }, function* () {
      const { nodes } = yield* Snapshot.take(this.left, this.run)
      const from = (yield* Random.nextBoolean)
        ? (yield* Random.choice(nodes as [(typeof nodes)[0]])).address
        : undefined
      const [left, right] = yield* this.both(
        `retry${from === undefined ? "" : ` from ${Address.toId(this.plan, from)}`}`,
        Effect.result(this.left.retry(this.run, from)),
        Effect.result(this.right.retry(this.run, from))
      )
      this.agree(left._tag, right._tag)
    })
  }

  /** Plays what is left to the end, with workers that leave nothing lying, and make no mistakes when they are healthy. */
  finish(isHealthy: boolean) {
    return Effect.gen({ self: this }, function* () {
      for (const worker of workers) {
        yield* this.leave(worker)
        yield* this.register(worker)
      }
      const worker = workers[0]!
      for (let idle = 0; idle < 8; idle++) {
        const claimed = yield* this.settle(worker, Infinity, 100, isHealthy)
        if (claimed > 0) idle = -1
        else if (this.passTime === undefined) yield* this.sweep
        else yield* this.letTimePass(this.passTime, undefined)
      }
      yield* this.compare
      this.agree((yield* this.left.run(this.run)).state === "running" ? "running" : "ended", "ended")
      const [left, right] = yield* this.both("await", this.left.await(this.run), this.right.await(this.run))
      this.agree(left, right)
    })
  }
}

// ---- what is drawn ------------------------------------------------------------------------------------------------------

const drawElements = Effect.fnUntraced(function* (most: number) {
  const isLarge = most > 3 && (yield* Random.nextBoolean)
  const count = yield* isLarge ? Random.nextIntBetween(4, most) : Random.nextIntBetween(0, 3)
  return Array.from({ length: count }, (_, i) => String(i))
})

const drawOutcome = Effect.fnUntraced(function* (plan: Plan, delivery: Delivery, isHealthy: boolean, most: number) {
  const dice = isHealthy ? 0 : yield* Random.nextIntBetween(0, 99)
  if (dice >= 90) return { _tag: "Interrupted" } satisfies Outcome
  if (dice >= 65) {
    const tag = yield* Random.choice(tags as [string, ...Array<string>])
    const failed = { tag, declared: yield* Random.nextBoolean, error: JSON.stringify({ _tag: tag }) }
    return { _tag: "Failed", failed, retryable: (yield* Random.nextIntBetween(0, 9)) > 0 } satisfies Outcome
  }
  const { index, node } = nodeOf(plan, delivery)
  const decided =
    node._tag === "Decide" ? [index] : node._tag === "Task" ? (node.decides ?? []).map((by) => by.node) : []
  const elements = new Map<number, ReadonlyArray<string>>()
  for (const fork of decided) elements.set(fork, yield* drawElements(most))
  return {
    _tag: "Succeeded",
    ...(node._tag === "Task" ? { value: JSON.stringify(`${delivery.node} ${delivery.attempt}`) } : {}),
    ...(decided.length === 0 ? {} : { elements })
  } satisfies Outcome
})

const nodeOf = (plan: Plan, { node }: Delivery): { readonly index: number; readonly node: Node } => {
  const index = Address.parse(node)!.node
  return { index, node: plan.nodes[index]! }
}

const claimOf = ({ attempt, node, nonce, run }: Delivery): Claimed => ({ attempt, node, nonce, run })

/** What both brokers must say of a delivery. */
const visible = ({ attempt, flow, generation, input, items, lost, node, planHash, run }: Delivery) => ({
  attempt,
  flow,
  generation,
  input,
  items,
  lost,
  node,
  planHash,
  run
})

const tell = (plan: Plan, { node, outcome }: Settlement): string =>
  `${Address.toId(plan, node)} ${outcome._tag === "Failed" ? `failed with ${outcome.failed.tag || "no tag"}` : outcome._tag.toLowerCase()}`

// ---- the plan -----------------------------------------------------------------------------------------------------------

const queuesOf = (plan: Plan): ReadonlyArray<string> => [
  ...new Set(plan.nodes.map((node) => ("policy" in node ? node.policy?.queue : undefined) ?? "default"))
]

const withPolicies = (plan: Plan, change: (policy: Policy) => Policy): Plan => ({
  ...plan,
  nodes: plan.nodes.map((node) =>
    (node._tag === "Task" || node._tag === "Decide") && node.policy !== undefined
      ? { ...node, policy: change(node.policy) }
      : node
  )
})

/** The plan without delays: nothing is due later than at once. */
const untimed = (plan: Plan): Plan => withPolicies(plan, untimedPolicy)

/** The plan with delays of one to three steps. */
const inSteps = (plan: Plan): Plan => withPolicies(plan, policyInSteps)

const policyInSteps = (policy: Policy): Policy => ({
  ...untimedPolicy(policy),
  ...(policy.backoff === undefined ? {} : { backoff: policy.backoff, base: step, max: 2 * step }),
  ...(policy.delay === undefined ? {} : { delay: stepsFor(policy.delay) }),
  ...(policy.expires === undefined ? {} : { expires: stepsFor(policy.expires) })
})

const stepsFor = (ms: number): number => step * (1 + (Math.round(ms) % 3))

const untimedPolicy = ({ attempts, except, priority, queue }: Policy): Policy => ({
  ...(attempts === undefined ? {} : { attempts }),
  ...(except === undefined ? {} : { except }),
  ...(priority === undefined ? {} : { priority }),
  ...(queue === undefined ? {} : { queue }),
  backoff: "fixed",
  base: 0,
  jitter: false
})

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
import type { Broker, Claimed, Delivery, Settlement, Submission } from "../Broker.ts"
import * as Address from "../plan/Address.ts"
import type { Plan } from "../plan/Document.ts"
import { hash } from "../plan/Hash.ts"
import { Brokers } from "./duet/Brokers.ts"
import type { Pair, Side } from "./duet/Brokers.ts"
import * as Draws from "./duet/Draws.ts"
import { inSteps, step, untimed } from "./duet/Pace.ts"
import * as Snapshot from "./Snapshot.ts"

export { step }

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

const workers = ["one", "two"] as const
type WorkerId = (typeof workers)[number]

class Duet {
  readonly brokers: Brokers
  readonly run: string
  readonly plan: Plan
  readonly passTime: Effect.Effect<void> | undefined
  readonly most: number
  /** What each worker was given and has not answered. */
  readonly held: { [worker in WorkerId]: Array<Pair<Delivery>> } = { one: [], two: [] }
  /** Answers given, to be given again. */
  readonly told: Array<Pair<Settlement> & { readonly worker: WorkerId }> = []

  constructor({ elements = 3, left, passTime, plan, right, run = "duet" }: Options) {
    this.brokers = new Brokers({ left, right })
    this.run = run
    this.plan = passTime === undefined ? untimed(plan) : inSteps(plan)
    this.passTime = passTime
    this.most = elements
  }

  get compare() {
    return Effect.gen({ self: this }, function* () {
      this.brokers.agree(yield* this.brokers.ask((broker) => Snapshot.take(broker, this.run)))
    })
  }

  // ---- the story --------------------------------------------------------------------------------------------------------

  get submit() {
    return Effect.gen({ self: this }, function* () {
      const elements = new Map<number, ReadonlyArray<string>>()
      for (const { node } of this.plan.decides) elements.set(node, yield* Draws.elements(this.most))
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

  get command() {
    return Effect.gen({ self: this }, function* () {
      const worker = yield* Random.choice(workers)
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

  /** Plays what is left to the end, with workers that leave nothing lying, and make no mistakes when they are healthy. */
  finish(isHealthy: boolean) {
    return Effect.gen({ self: this }, function* () {
      for (const worker of workers) {
        yield* this.leave(worker)
        yield* this.register(worker)
      }
      for (let idle = 0; idle < 8; idle++) {
        const claimed = yield* this.settle("one", Infinity, 100, isHealthy)
        if (claimed > 0) idle = -1
        else if (this.passTime === undefined) yield* this.sweep
        else yield* this.letTimePass(this.passTime, undefined)
      }
      yield* this.compare
      const { state } = yield* this.brokers.left.run(this.run)
      this.brokers.agree({ left: state === "running" ? "running" : "ended", right: "ended" })
      this.brokers.agree(yield* this.brokers.tell("await", (broker) => broker.await(this.run)))
    })
  }

  // ---- what a worker does -----------------------------------------------------------------------------------------------

  /** Answers some of what the worker holds and claims more. */
  settle(worker: WorkerId, answers: number, claim: number, isHealthy = false) {
    return Effect.gen({ self: this }, function* () {
      const draw = isHealthy ? Draws.success : Draws.outcome
      const told: Array<Pair<Settlement>> = []
      for (const { left, right } of this.held[worker].splice(0, answers)) {
        const outcome = yield* draw(this.plan, left, this.most)
        told.push({ left: { ...claimOf(left), outcome }, right: { ...claimOf(right), outcome } })
      }
      for (const pair of told) this.told.push({ worker, ...pair })
      const settled = yield* this.brokers.tell(
        `${worker} settles ${told.map(({ left }) => this.inWords(left)).join(", ") || "nothing"} and claims ${claim}`,
        (broker, side) => broker.settle({ worker, settlements: told.map((pair) => pair[side]), claim })
      )
      this.brokers.agree(settled, ({ receipts, unknown }) => [receipts, unknown])
      this.brokers.agree(settled, ({ deliveries }) => deliveries.map(visible))
      settled.left.deliveries.forEach((left, i) =>
        this.held[worker].push({ left, right: settled.right.deliveries[i]! })
      )
      this.brokers.agree(settled, ({ interrupt }, side) => this.named(worker, side, interrupt))
      return settled.left.deliveries.length
    })
  }

  /** Reports again what was reported before. */
  get repeat() {
    return Effect.gen({ self: this }, function* () {
      if (this.told.length === 0) return
      const { worker, ...told } = this.told[yield* Random.nextIntBetween(0, this.told.length - 1)]!
      const settled = yield* this.brokers.tell(`${worker} settles ${this.inWords(told.left)} again`, (broker, side) =>
        broker.settle({ worker, settlements: [told[side]], claim: 0 })
      )
      this.brokers.agree(settled, ({ receipts }) => receipts)
    })
  }

  /** Says what the worker holds, and forgets what is lost. */
  renew(worker: WorkerId) {
    return Effect.gen({ self: this }, function* () {
      const held = this.held[worker]
      const renewed = yield* this.brokers.tell(`${worker} renews`, (broker, side) =>
        broker.renew(
          worker,
          held.map((pair) => pair[side].nonce)
        )
      )
      this.brokers.agree(renewed, ({ unknown }) => unknown)
      this.brokers.agree(renewed, ({ lost }, side) => this.named(worker, side, lost))
      this.brokers.agree(renewed, ({ interrupt }, side) => this.named(worker, side, interrupt))
      this.held[worker] = held.filter((pair) => !renewed.left.lost.includes(pair.left.nonce))
    })
  }

  /** What nonces are of, among what the worker was given, and how many they are. */
  named(worker: WorkerId, side: Side, nonces: ReadonlyArray<string>) {
    const held = this.held[worker].map((pair) => pair[side])
    return [nonces.length, ...held.filter(({ nonce }) => nonces.includes(nonce)).map(({ node }) => node)]
  }

  release(worker: WorkerId) {
    return Effect.gen({ self: this }, function* () {
      const released = this.held[worker].splice(0, yield* Random.nextIntBetween(0, 3))
      const ids = released.map(({ left }) => Address.toId(this.plan, left.node))
      yield* this.brokers.tell(`${worker} releases ${ids.join(", ") || "nothing"}`, (broker, side) =>
        broker.release(
          worker,
          released.map((pair) => pair[side])
        )
      )
    })
  }

  leave(worker: WorkerId) {
    this.held[worker] = []
    return this.brokers.tell(`${worker} leaves`, (broker) => broker.unregister(worker))
  }

  /** The first worker can run everything, the other some of it. */
  register(worker: WorkerId) {
    return Effect.gen({ self: this }, function* () {
      const tasks: Array<string> = []
      for (const task of Object.keys(this.plan.tasks))
        if (worker === "one" || (yield* Random.nextBoolean)) tasks.push(task)
      const info = { id: worker, tasks, queues: queuesOf(this.plan), concurrency: 10, host: "here:1" }
      yield* this.brokers.tell(`${worker} registers for ${tasks.join(", ")}`, (broker) => broker.register(info))
    })
  }

  // ---- time -------------------------------------------------------------------------------------------------------------

  /** One worker at most is silent at a time: which of two is lost first is not the brokers' to agree on. */
  letTimePass(passTime: Effect.Effect<void>, silent: WorkerId | undefined) {
    return Effect.gen({ self: this }, function* () {
      for (const worker of workers) if (worker !== silent) yield* this.renew(worker)
      this.brokers.note(`${step} ms pass`)
      yield* passTime
      yield* this.sweep
    })
  }

  get sweep() {
    return Effect.gen({ self: this }, function* () {
      const swept = yield* this.brokers.tell("sweep", (broker) => broker.sweep)
      // How late a timer was is a matter of two clocks.
      this.brokers.agree(swept, (said) => ({ ...said, late: 0 }))
    })
  }

  // ---- what a client does -----------------------------------------------------------------------------------------------

  offer(sentence: string, submission: Submission) {
    return Effect.gen({ self: this }, function* () {
      const answers = yield* this.brokers.tell(sentence, (broker) => Effect.result(broker.submit(submission)))
      this.brokers.agree(answers, (answer) => (answer._tag === "Success" ? answer.success : answer._tag))
    })
  }

  get cancel() {
    return Effect.gen({ self: this }, function* () {
      this.brokers.agree(yield* this.brokers.tell("cancel", (broker) => broker.cancel(this.run)))
    })
  }

  get retry() {
    return Effect.gen({ self: this }, function* () {
      const { nodes } = yield* Snapshot.take(this.brokers.left, this.run)
      const from = (yield* Random.nextBoolean)
        ? (yield* Random.choice(nodes as [(typeof nodes)[0]])).address
        : undefined
      const retried = yield* this.brokers.tell(
        `retry${from === undefined ? "" : ` from ${Address.toId(this.plan, from)}`}`,
        (broker) => Effect.result(broker.retry(this.run, from))
      )
      this.brokers.agree(retried, ({ _tag }) => _tag)
    })
  }

  inWords({ node, outcome }: Settlement): string {
    return `${Address.toId(this.plan, node)} ${outcome._tag === "Failed" ? `failed with ${outcome.failed.tag || "no tag"}` : outcome._tag.toLowerCase()}`
  }
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

const queuesOf = (plan: Plan): ReadonlyArray<string> => [
  ...new Set(plan.nodes.map((node) => ("policy" in node ? node.policy?.queue : undefined) ?? "default"))
]

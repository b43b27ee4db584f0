/**
 * What workers call more than all else: outcomes are recorded, what they allow is moved on, and what is next is claimed, in
 * one call. Who has found nothing before and reports nothing asks with one command whether there is anything.
 */
import type { Broker, Delivery, Payload, Settled, WorkerInfo } from "@arpeggio/core/Broker"
import type { BrokerUnavailable } from "@arpeggio/core/Failure"
import * as Effect from "effect/Effect"
import * as Codec from "./Codec.ts"
import * as Hints from "./Hints.ts"
import * as Idle from "./Idle.ts"
import type { Command } from "./Inspection.ts"
import * as Nonce from "./Nonce.ts"
import type { Plans } from "./Plans.ts"
import type { Runs } from "./Runs.ts"
import * as Scripts from "./Scripts.ts"

export interface Options {
  readonly evaluate: Scripts.Evaluate
  readonly command: Command
  /** Of the partition. */
  readonly prefix: string
  readonly hints: Hints.Hints
  readonly plans: Plans
  readonly runs: Runs
  /** The workers of this process. */
  readonly registered: ReadonlyMap<string, WorkerInfo>
  /** How long a silent worker keeps what it holds, in milliseconds. */
  readonly lease: number
  /** The longest recorded value, in characters. */
  readonly payloadLimit: number
}

/** Calls in a row that look for work where only entries of ended runs were found. */
const passes = 20

type Reply = readonly [
  receipts: string,
  deliveries: Codec.DeliveriesReply,
  interrupt: ReadonlyArray<string>,
  known: number,
  more: number,
  timer: number,
  fence: number
]

/** What a call has found. */
interface Answer {
  readonly receipts: string
  readonly found: ReadonlyArray<Codec.StoredDelivery>
  readonly interrupt: ReadonlyArray<string>
  readonly isKnown: boolean
  readonly hasMore: boolean
  readonly timer: number
  readonly fence: number
}

/** What is asked of one call: so many deliveries, what to stop of these runs, and that these reports be recorded. */
interface Question {
  readonly claim: number
  readonly closing: ReadonlyArray<string>
  readonly reports: ReadonlyArray<string | number>
}

export const make = (options: Options): Broker["Service"]["settle"] => {
  const { command, evaluate, hints, lease, payloadLimit, plans, prefix, registered, runs } = options

  /** The elements that an outcome brings are staged first, where there are many. */
  const stage = (
    run: string,
    elements: ReadonlyMap<number, ReadonlyArray<Payload>>
  ): Effect.Effect<string, BrokerUnavailable> =>
    runs.meta(run).pipe(
      Effect.flatMap((meta) => runs.planOf(run, meta)),
      Effect.flatMap(({ plan }) => plans.stage(Scripts.stageOutcome, plan, elements)),
      // The report of a run that is gone or damaged is stale, whatever it says.
      Effect.catchTag(["RunNotFound", "RunDamaged"], () => Effect.succeed([])),
      Effect.map(Codec.encodeElements)
    )

  const ask = (
    worker: string,
    queues: ReadonlyArray<string>,
    { claim, closing, reports }: Question
  ): Effect.Effect<Answer, BrokerUnavailable> => {
    // Half of the fence.
    const base = Nonce.make()
    const head = [worker, base, claim, lease, Math.random(), Scripts.slice, closing.join("\t"), queues.length]
    const answer = Effect.map(evaluate(Scripts.settle, [...head, ...queues, ...reports]), (reply): Answer => {
      const [receipts, deliveries, interrupt, known, more, timer, fence] = reply as Reply
      const found = Codec.decodeDeliveries(deliveries, base)
      return { receipts, found, interrupt, isKnown: known === 1, hasMore: more === 1, timer, fence }
    })
    return Hints.giving(hints, worker, answer, ({ found }) => found)
  }

  const deliveriesOf = ({ fence, found }: Answer): Effect.Effect<ReadonlyArray<Delivery>, BrokerUnavailable> =>
    Effect.gen(function* () {
      const deliveries: Array<Delivery> = []
      let name: string | undefined
      let plan: Codec.StoredPlan | undefined
      for (const stored of found) {
        // Mostly all of a call have the same.
        if (stored.plan !== name) {
          name = stored.plan
          plan = yield* plans.get(name)
        }
        if (plan !== undefined) deliveries.push(Codec.toDelivery(stored, plan, fence))
        // The next renewal takes it back.
        else {
          const issue = `its plan ${name} is not in the store, or unreadable`
          yield* evaluate(Scripts.condemn, [stored.run, issue, name])
        }
      }
      return deliveries
    })

  return ({ claim, settlements, worker }) =>
    Effect.gen(function* (): Effect.fn.Return<Settled, BrokerUnavailable> {
      const queues = registered.get(worker)?.queues ?? []
      const isPoll = settlements.length === 0 && claim > 0 && Hints.isWaiting(hints, worker)
      if (isPoll && !(yield* Idle.isClaimDue(command, prefix, worker, queues)))
        return { receipts: [], deliveries: [], interrupt: [], unknown: false }
      const heard = Hints.asks(hints, worker)
      const reports: Array<string | number> = []
      for (const settlement of settlements) {
        const { outcome, run } = settlement
        const elements = outcome._tag === "Succeeded" ? outcome.elements : undefined
        const staged = elements === undefined ? "" : yield* stage(run, elements)
        reports.push(...Codec.encodeSettlement(settlement, staged, payloadLimit))
      }
      const closing = Hints.takeClosing(hints, worker)
      const first = yield* ask(worker, queues, { claim, closing, reports })
      let last = first
      // What stood first was of runs that have ended since: to have found nothing yet is no answer.
      for (let round = 0; last.found.length === 0 && last.hasMore && round < passes; round++)
        last = yield* ask(worker, queues, { claim, closing: [], reports: [] })
      Hints.letGo(
        hints,
        worker,
        settlements.map(({ nonce }) => nonce)
      )
      Hints.letGo(hints, worker, first.interrupt)
      // Of what has begun to close meanwhile the answer may know nothing.
      const closed = Hints.takeClosing(hints, worker)
      const later =
        closed.length === 0 ? undefined : yield* ask(worker, queues, { claim: 0, closing: closed, reports: [] })
      if (last.hasMore) hints.workers.get(worker)?.latch.openUnsafe()
      else if (first.isKnown && last.found.length < claim) Hints.waits(hints, worker, heard)
      return {
        receipts: Codec.decodeReceipts(first.receipts),
        deliveries: yield* deliveriesOf(last),
        interrupt: later === undefined ? first.interrupt : [...first.interrupt, ...later.interrupt],
        unknown: !first.isKnown,
        timer: first.timer < 0 ? Infinity : first.timer
      }
    })
}

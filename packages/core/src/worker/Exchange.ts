/**
 * The loop of a worker: brings outcomes to the broker and takes deliveries from it, many in one call.
 *
 * While a call is on its way, outcomes gather; the next call takes them all (group commit). So one call per task at low
 * load, one per fifty at high load, with no timer between. Where there is enough for a second call, it does not wait for
 * the first, so that broker and worker work at the same time. The loop asks for work along with every report; without
 * anything to report only when the last answer was full, or when there is a hint: the broker's wake-up, or the poll interval.
 *
 * ```
 *  idle ──(outcome | hint | renewal due)──► turn: renew? give back? settle + claim ──► start what came ──► idle or turn
 *                                             └─ the broker is away: back off, keep everything, reconcile, turn
 * ```
 *
 * A call that the broker refuses, which is a fault of somebody, must not hold up what else there is: after it outcomes go
 * without a claim, half as many at a time; one that is refused by itself is put aside until the next renewal.
 *
 * Nobody else speaks for the worker's claims, so a renewal never reports a claim as unknown that is still on its way.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Random from "effect/Random"
import type { Broker, Outcome, Settled, WakeUp, WorkerInfo } from "../Broker.ts"
import type { BrokerUnavailable } from "../Failure.ts"
import type { Lease } from "./Lease.ts"
import type { Meter } from "./Meter.ts"
import type { Held, Slots } from "./Slots.ts"

/** Calls on their way at most: while the broker does one, the worker makes the next. */
const lanes = 2

/** Outcomes, or free slots, that are worth a call of their own while another is on its way. */
const enough = 25

/** Outcomes and claims of one call at most: a script that takes longer would hold up others. */
const mostAtOnce = 100

/** Characters of outcomes of one call at most, but for one that is longer by itself. */
const mostCharacters = 1_048_576

export interface Exchange {
  /** Runs for ever: every failure is retried, until it is interrupted. */
  readonly run: Effect.Effect<never>
  /** Makes the worker known to the broker, which is how its lease begins. */
  readonly register: Effect.Effect<void, BrokerUnavailable>
  /** Something happened that the loop may have to act on. */
  readonly notify: () => void
  /** There may be something to claim, or to stop. */
  readonly hint: (kind: WakeUp) => void
  readonly renew: () => void
  /** Open when the loop has nothing to do but wait for a hint. Who has seen it closes it. */
  readonly idle: Latch.Latch
  /** No more claims; what is in hand is still reported. */
  readonly stop: () => void
  /** Open when, after `stop`, no handler runs and everything is reported. */
  readonly drained: Latch.Latch
}

export const make = (options: {
  readonly broker: Broker["Service"]
  readonly worker: WorkerInfo
  readonly slots: Slots
  readonly lease: Lease
  readonly meter: Meter
  /** A timer will be due, in so many milliseconds. */
  readonly onTimer: (millis: number) => void
}): Exchange => {
  const { broker, lease, meter, onTimer, slots, worker } = options
  const signal = makeSignal()
  const idle = Latch.makeUnsafe(false)
  const drained = Latch.makeUnsafe(false)
  let hinted = true
  /** Something it holds is to stop, and the next answer says what. */
  let interrupting = false
  let renewalDue = false
  let stopped = false
  let failures = 0
  /** A share of the slots for each lane, so that there is something for the second when the first is on its way. */
  const batch = Math.min(mostAtOnce, Math.max(enough, Math.ceil(worker.concurrency / lanes)))
  /** On their way. */
  let calls = 0
  /** Deliveries that they may bring. */
  let asked = 0
  /** Whether the last of them that asked for work got all it asked for. */
  let plenty = false
  /** Outcomes of one call at most, since one was refused. */
  let most = Infinity
  /** Refused by themselves. */
  let aside: ReadonlyArray<Held> = []
  /** Why one of them failed. */
  let trouble: Cause.Cause<BrokerUnavailable> | undefined

  const free = (): number => (stopped ? 0 : Math.min(batch, worker.concurrency - slots.running - asked))
  const isSendable = (): boolean =>
    calls === 0
      ? slots.outbox.length > 0 || interrupting || (hinted && free() > 0)
      : calls < lanes && (slots.outbox.length >= enough || (plenty && free() >= enough))
  /** Outcomes of one call, in the order they came. */
  const takeOutcomes = (): ReadonlyArray<Held> => {
    let count = 0
    let characters = 0
    for (const held of slots.outbox) {
      characters += lengthOf(held.settlement!.outcome)
      if (count === Math.min(batch, most) || (count > 0 && characters > mostCharacters)) break
      count++
    }
    return slots.outbox.splice(0, count)
  }
  // A renewal says what the worker holds, so it waits until no call is on its way that may bring more.
  const isDue = (): boolean =>
    trouble !== undefined || slots.returns.length > 0 || (renewalDue ? calls === 0 : isSendable())

  const reconcile = Effect.gen(function* () {
    const sentAt = lease.now()
    const renewed = yield* broker.renew(worker.id, slots.nonces())
    renewalDue = false
    failures = 0
    if (!renewed.unknown) lease.renewed(sentAt)
    for (const nonce of renewed.lost) slots.drop(nonce)
    for (const nonce of renewed.interrupt) slots.interrupt(nonce)
    if (renewed.unknown) yield* register
  })

  const register = Effect.suspend(() => {
    const sentAt = lease.now()
    return Effect.map(broker.register(worker), () => {
      lease.renewed(sentAt)
      hinted = true
    })
  })

  const giveBack = Effect.gen(function* () {
    const claims = slots.returns
    slots.returns = []
    yield* broker.release(worker.id, claims).pipe(
      Effect.tapError(() => {
        slots.returns = [...claims, ...slots.returns]
        return Effect.void
      })
    )
  })

  /** Sends reports and asks for work. What could not be sent is kept: sent twice, it has happened once. */
  const exchange = (sent: ReadonlyArray<Held>, claim: number): Effect.Effect<void, BrokerUnavailable> => {
    // Taken up before the call, so that a hint that comes during it stands. With no slot to claim for, it stands too.
    if (claim > 0) hinted = false
    interrupting = false
    const settlements = sent.map((held) => held.settlement!)
    return Effect.matchCauseEffect(broker.settle({ worker: worker.id, settlements, claim }), {
      onFailure: (cause) => {
        const isRefused = Cause.hasDies(cause)
        if (isRefused && sent.length === 1) aside = [...aside, ...sent]
        else slots.outbox = [...sent, ...slots.outbox]
        if (isRefused) most = Math.max(1, Math.floor(sent.length / 2))
        return Effect.failCause(cause)
      },
      onSuccess: (settled) => onSettled(sent, claim, settled)
    })
  }

  const onSettled = (sent: ReadonlyArray<Held>, claim: number, settled: Settled) => {
    for (let i = 0; i < sent.length; i++) {
      slots.forget(sent[i]!)
      if (settled.receipts[i] === "stale") meter.counts.stale++
    }
    if (sent.length > 0 && most < Infinity) most = most < batch ? most * 2 : Infinity
    for (const delivery of settled.deliveries) slots.start(delivery)
    for (const nonce of settled.interrupt) slots.interrupt(nonce)
    failures = 0
    if (settled.timer !== undefined) onTimer(settled.timer)
    // A full answer means there may be more.
    if (claim > 0) {
      plenty = settled.deliveries.length === claim
      hinted ||= plenty
    }
    meter.publish(slots)
    if (!settled.unknown) return Effect.void
    // Whoever made the broker forget the worker has given away what it held.
    slots.lose()
    return register
  }

  /** Returns when the call is on its way. */
  const send = (sent: ReadonlyArray<Held>, claim: number) =>
    Effect.suspend(() => {
      calls++
      asked += claim
      const call = Effect.onExit(exchange(sent, claim), (exit) =>
        Effect.sync(() => {
          calls--
          asked -= claim
          if (exit._tag === "Failure") trouble = exit.cause
          signal.fire()
        })
      )
      return Effect.forkChild(call, { startImmediately: true })
    })

  /** Who waits for it runs at once, so there may be a hint when this returns. */
  const announce = (): void => {
    if (stopped && slots.running === 0) drained.openUnsafe()
    else idle.openUnsafe()
  }

  const turns = Effect.gen(function* () {
    while (true) {
      if (calls === 0 && !isDue()) announce()
      if (!isDue()) yield* signal.wait
      // One round of the event loop: what ends together is reported together, and timers get their turn.
      yield* Effect.yieldNow
      if (trouble !== undefined) {
        const cause = trouble
        trouble = undefined
        return yield* Effect.failCause(cause)
      }
      if (renewalDue && calls === 0) yield* reconcile
      if (slots.returns.length > 0) yield* giveBack
      if (renewalDue || !isSendable()) continue
      const outcomes = takeOutcomes()
      yield* send(outcomes, outcomes.length > 0 && most < Infinity ? 0 : free())
    }
  })

  const recover = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
    // A reply may be lost with claims in it: the next renewal finds out.
    renewalDue = true
    hinted = true
    const delay = Math.min(5_000, 50 * 2 ** failures++)
    const log = Cause.hasDies(cause)
      ? Effect.logError("The broker refuses a call of the worker, which tries again.", cause)
      : Effect.logWarning("The worker could not reach its broker and tries again.", cause)
    return log.pipe(Effect.andThen(Random.nextBetween(delay / 2, delay)), Effect.flatMap(Effect.sleep))
  }

  return {
    run: Effect.forever(Effect.catchCause(turns, recover)),
    register,
    notify: signal.fire,
    hint: (kind) => {
      hinted = true
      interrupting ||= kind === "interrupt"
      signal.fire()
    },
    renew: () => {
      slots.outbox.push(...aside)
      aside = []
      renewalDue = true
      signal.fire()
    },
    idle,
    stop: () => {
      stopped = true
      signal.fire()
    },
    drained
  }
}

const lengthOf = (outcome: Outcome): number => {
  switch (outcome._tag) {
    case "Succeeded":
      return outcome.value?.length ?? 0
    case "Failed":
      return outcome.failed.error.length
    case "Interrupted":
      return 0
  }
}

/** For one waiter, who looks before it waits; fired while nobody waits, it is lost. */
const makeSignal = () => {
  let resume: (() => void) | undefined
  return {
    fire: () => {
      const waiting = resume
      resume = undefined
      waiting?.()
    },
    wait: Effect.callback<void>((done) => {
      resume = () => done(Effect.void)
    })
  }
}

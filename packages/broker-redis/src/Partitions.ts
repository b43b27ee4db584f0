/**
 * Several brokers as one: each run belongs to one of them, by a hash of its id, and a worker belongs to all. It knows nothing
 * of what the brokers are made of.
 *
 * **Where a run is.** FNV-1a, 32 bits, over the UTF-16 units of its id, modulo the number of partitions: what every process
 * computes alike, for ever. So the number of partitions of a store never changes.
 *
 * **What a claim may take.** A worker settles with the partitions of its reports, all at once, and its claim is divided among
 * those, the ones that may have something (their hint came, or their last answer was full) and one more in turn; a call
 * without reports asks all. What is left of the claim is asked for again where there may be more, and never is more asked
 * for at once than is left, so a worker is given no more than it asked for. Who is asked first goes round, so none starves.
 *
 * **Who is woken.** As many of those that wait in the partition as there is work for, and one more. A worker that one partition
 * keeps busy still waits in the others; what it is told there it passes on.
 *
 * **What order means.** Priorities, first in first out, and retention hold within a partition. Across them, a worker takes
 * from several at once.
 *
 * **Suspects are alone.** A delivery over which two workers died, or all but one that may, is run by a worker that runs nothing
 * else, so that a crash blames nobody else. A partition sees to that for its own; here it is seen to for all: a suspect
 * beside others is given back, untried, and the worker takes nothing more until it is free for it, somebody else has it, or a
 * lease has passed in vain. What came along with a suspect that is kept is given back.
 *
 * **When a partition is away.** Sweeps go on in the others. A call that reports to it fails and is sent again, whole; the others answer what they have
 * recorded with `already`, and the next renewal returns what they handed out with the answer that was lost.
 */
import { Broker } from "@arpeggio/core/Broker"
import type { Claimed, Delivery, Heartbeat, QueueView, Receipt, Swept, WakeUp, WorkerView } from "@arpeggio/core/Broker"
import type { BrokerUnavailable } from "@arpeggio/core/Failure"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Member from "./Member.ts"

/** The partition of a run among so many. */
export const partitionOf = (run: string, count: number): number => {
  let hash = 0x811c9dc5
  for (let i = 0; i < run.length; i++) hash = Math.imul(hash ^ run.charCodeAt(i), 0x01000193)
  return (hash >>> 0) % count
}

/** One of several. Where it wakes no more workers than there is work for, it can be told that one had no room. */
export type Part = Broker["Service"] & {
  readonly passOn?: (worker: string) => Effect.Effect<void, BrokerUnavailable>
}

/** One broker of several, in this order; of one, that one. */
export const make = (brokers: ReadonlyArray<Part>): Broker["Service"] => {
  const [first] = brokers
  if (first === undefined) throw new RangeError("A store needs at least one partition.")
  if (brokers.length === 1) return first

  const members = new Map<string, Member.Member>()
  const memberOf = (worker: string): Member.Member => {
    let member = members.get(worker)
    if (member === undefined) members.set(worker, (member = Member.make(brokers.length, first.maxDeliveries)))
    return member
  }

  const indexOf = (run: string): number => partitionOf(run, brokers.length)
  const ownerOf = (run: string): Broker["Service"] => brokers[indexOf(run)]!

  /** Calls all, lets all end, and fails if one did. */
  const everywhere = <A, E, R>(
    call: (broker: Broker["Service"]) => Effect.Effect<A, E, R>
  ): Effect.Effect<ReadonlyArray<A>, E, R> =>
    Effect.forEach(brokers, (broker) => Effect.exit(call(broker)), { concurrency: "unbounded" }).pipe(
      Effect.flatMap((exits) => Effect.forEach(exits, (exit) => exit))
    )

  // While one is away, the others are swept without being asked first: that would wait for it twice.
  let isAnyAway = false
  const noting = <A>(call: Effect.Effect<A, BrokerUnavailable>): Effect.Effect<A, BrokerUnavailable> =>
    Effect.onExit(call, (exit) =>
      Effect.sync(() => {
        isAnyAway = Exit.isFailure(exit)
      })
    )

  const giveBack = (worker: string, claims: ReadonlyArray<Claimed>): Effect.Effect<void, BrokerUnavailable> =>
    Effect.forEach(
      Map.groupBy(claims, ({ run }) => indexOf(run)),
      ([index, some]) => brokers[index]!.release(worker, some),
      { concurrency: "unbounded", discard: true }
    )

  /** Waits for a hint, and says which partitions have given one. */
  const hintsFor = (worker: string): Effect.Effect<ReadonlyMap<number, WakeUp>, BrokerUnavailable> =>
    Effect.scoped(
      Effect.gen(function* () {
        const waiting = yield* Effect.forEach(brokers, (broker) =>
          Effect.forkScoped(broker.wake(worker), { startImmediately: true })
        )
        yield* Effect.raceAllFirst(waiting.map(Fiber.join))
        // What came at the same time is taken too, and not left over for the next time.
        yield* Effect.yieldNow
        const hints = new Map<number, WakeUp>()
        for (const [index, hint] of waiting.entries()) {
          const exit = hint.pollUnsafe()
          if (exit !== undefined && Exit.isSuccess(exit)) hints.set(index, exit.value)
        }
        return hints
      })
    )

  return Broker.of({
    lease: first.lease,
    maxDeliveries: first.maxDeliveries,

    submit: (submission) => ownerOf(submission.id).submit(submission),
    plan: (hash) =>
      Effect.gen(function* () {
        for (const broker of brokers) {
          const plan = yield* broker.plan(hash)
          if (plan !== undefined) return plan
        }
        return undefined
      }),

    register: (worker) =>
      Effect.suspend(() => {
        memberOf(worker.id).concurrency = worker.concurrency
        return Effect.asVoid(everywhere((broker) => broker.register(worker)))
      }),

    settle: ({ claim, settlements, worker }) =>
      Effect.gen(function* () {
        const member = memberOf(worker)
        const now = yield* Clock.currentTimeMillis
        const reported = new Set(settlements.map(({ nonce }) => nonce))
        const reports = Map.groupBy(settlements.keys(), (place) => indexOf(settlements[place]!.run))
        const quota = Member.quota(member, { reported, claim, partitions: brokers.length, now, lease: first.lease })
        let left = quota.claim
        const receipts: Array<Receipt> = []
        const deliveries: Array<Delivery> = []
        const interrupt: Array<string> = []
        let isUnknown = false
        let timer = Infinity

        const ask = (index: number, claim: number) => {
          const places = reports.get(index) ?? []
          const some = places.map((place) => settlements[place]!)
          return Effect.map(brokers[index]!.settle({ worker, settlements: some, claim }), (settled) => {
            places.forEach((place, i) => (receipts[place] = settled.receipts[i]!))
            deliveries.push(...settled.deliveries)
            interrupt.push(...settled.interrupt)
            isUnknown ||= settled.unknown
            timer = Math.min(timer, settled.timer ?? Infinity)
            member.closing.delete(index)
            if (settled.deliveries.length < claim) member.promising.delete(index)
            else if (claim > 0) member.promising.add(index)
            return settled.deliveries.length
          })
        }

        const isPoll = settlements.length === 0
        const isNeeded = (index: number) => reports.has(index) || member.closing.has(index)
        const isAsked = (index: number) =>
          index === quota.first || isNeeded(index) || (!quota.isWaiting && (isPoll || member.promising.has(index)))
        let pending = Array.from(brokers, (_, i) => (quota.first + i) % brokers.length).filter(isAsked)
        do {
          const share = divide(left, pending.length)
          const calls = pending.map((index, i) => ({ index, share: share(i) }))
          const due = calls.filter(({ index, share }) => share > 0 || isNeeded(index) || (isPoll && left === 0))
          const exits = yield* Effect.forEach(due, ({ index, share }) => Effect.exit(ask(index, share)), {
            concurrency: "unbounded"
          })
          // Who only asks does without those that are away.
          const isAnyThere = exits.some(Exit.isSuccess)
          const needed = exits.filter((exit, i) => reports.has(due[i]!.index) || !(isAnyThere && isAway(exit)))
          for (const exit of needed) yield* exit
          const isOver = ({ index, share }: { readonly index: number; readonly share: number }, i: number) =>
            Exit.isFailure(exits[i]!) || (share > 0 && !member.promising.has(index))
          const over = new Set(due.filter(isOver).map(({ index }) => index))
          for (const exit of exits) if (Exit.isSuccess(exit)) left -= exit.value
          for (const { index } of due) reports.delete(index)
          pending = pending.filter((index) => !over.has(index))
        } while (left > 0 && pending.length > 0)

        Member.drop(member, reported)
        const result = { receipts, interrupt, unknown: isUnknown, timer }
        if (quota.claim === 0) return { ...result, deliveries }
        const { givenBack, kept } = Member.accept(member, deliveries, { partitionOf: indexOf, now, lease: first.lease })
        // Where that fails, the next renewal finds that the worker does not know them.
        yield* Effect.ignore(giveBack(worker, givenBack))
        return { ...result, deliveries: kept }
      }),

    wake: (worker) =>
      Effect.gen(function* () {
        const member = memberOf(worker)
        let kind: WakeUp = "claim"
        for (const [index, hint] of yield* hintsFor(worker)) {
          member.promising.add(index)
          if (hint === "interrupt") {
            member.closing.add(index)
            kind = "interrupt"
          } else if (Member.isBusy(member)) yield* Effect.ignore(brokers[index]!.passOn?.(worker) ?? Effect.void)
        }
        return kind
      }),

    stopWaiting: (worker) => Effect.asVoid(everywhere((broker) => broker.stopWaiting(worker))),

    // A nonce is lost when nobody knows it. So nobody needs to remember which partition gave it out.
    renew: (worker, holding) =>
      Effect.map(
        everywhere((broker) => broker.renew(worker, holding)),
        (all) => {
          const lostIn = all.map(({ lost }) => new Set(lost))
          const lost = holding.filter((nonce) => lostIn.every((lost) => lost.has(nonce)))
          const known = new Set(holding)
          for (const nonce of lost) known.delete(nonce)
          Member.reconcile(memberOf(worker), known)
          return {
            lost,
            interrupt: all.flatMap(({ interrupt }) => interrupt),
            unknown: all.some(({ unknown }) => unknown)
          }
        }
      ),

    heartbeat: (worker) =>
      Effect.map(
        everywhere((broker) => broker.heartbeat(worker)),
        (all): Heartbeat => ({
          beat: () => {
            for (const { beat } of all) beat()
          },
          sinceRenewal: () => Math.max(...all.map(({ sinceRenewal }) => sinceRenewal()))
        })
      ),

    release: (worker, claims) =>
      Effect.gen(function* () {
        yield* giveBack(worker, claims)
        Member.drop(
          memberOf(worker),
          claims.map(({ nonce }) => nonce)
        )
      }),

    unregister: (worker) =>
      Effect.suspend(() => {
        members.delete(worker)
        return Effect.asVoid(everywhere((broker) => broker.unregister(worker)))
      }),

    cancel: (run) => ownerOf(run).cancel(run),
    retry: (run, from) => ownerOf(run).retry(run, from),

    nextSweep: Effect.suspend(() =>
      isAnyAway
        ? Effect.succeed(0)
        : Effect.map(noting(everywhere((broker) => broker.nextSweep)), (all) => Math.min(...all))
    ),

    sweep: Effect.map(noting(everywhere((broker) => broker.sweep)), (all): Swept => ({
      timers: all.reduce((sum, { timers }) => sum + timers, 0),
      late: Math.max(...all.map(({ late }) => late)),
      // Who is silent is so everywhere, and counted once.
      workers: all[0]!.workers,
      removed: all.reduce((sum, { removed }) => sum + removed, 0)
    })),

    reconcile: Effect.map(
      everywhere((broker) => broker.reconcile),
      (all) => all.reduce((sum, restored) => sum + restored, 0)
    ),

    read: (run, nodes) => ownerOf(run).read(run, nodes),
    await: (run) => ownerOf(run).await(run),
    run: (run) => ownerOf(run).run(run),
    nodes: (run, options) => ownerOf(run).nodes(run, options),
    runs: (options) =>
      Effect.map(
        everywhere((broker) => broker.runs(options)),
        (all) =>
          all
            .flat()
            .toSorted((a, b) => b.submittedAt - a.submittedAt)
            .slice(0, options.limit)
      ),
    queues: Effect.map(
      everywhere((broker) => broker.queues),
      (all) => mergeBy(all.flat(), ({ queue }) => queue, addQueues)
    ),
    workers: Effect.map(
      everywhere((broker) => broker.workers),
      (all) => mergeBy(all.flat(), ({ id }) => id, addWorkers)
    ),
    dead: (options) =>
      Effect.map(
        everywhere((broker) => broker.dead(options)),
        (all) =>
          all
            .flat()
            .toSorted((a, b) => b.since - a.since)
            .slice(0, options.limit)
      ),
    events: (run) =>
      run === undefined
        ? Stream.mergeAll(
            brokers.map((broker) => broker.events()),
            { concurrency: "unbounded" }
          )
        : ownerOf(run).events(run)
  })
}

const isAway = (exit: Exit.Exit<unknown, BrokerUnavailable>): boolean =>
  Exit.isFailure(exit) && exit.cause.reasons.every((reason) => reason._tag === "Fail")

/** Parts of a whole that differ by 1 at most, the larger ones first. */
const divide =
  (whole: number, parts: number) =>
  (index: number): number =>
    Math.floor(whole / parts) + (index < whole % parts ? 1 : 0)

/** One of each name, in the order of their first. */
const mergeBy = <A>(all: ReadonlyArray<A>, name: (one: A) => string, add: (a: A, b: A) => A): ReadonlyArray<A> => {
  const merged = new Map<string, A>()
  for (const one of all) {
    const known = merged.get(name(one))
    merged.set(name(one), known === undefined ? one : add(known, one))
  }
  return [...merged.values()]
}

const addQueues = (a: QueueView, b: QueueView): QueueView => {
  const unroutable: { [task: string]: number } = Object.assign(Object.create(null), a.unroutable)
  for (const [task, count] of Object.entries(b.unroutable)) unroutable[task] = (unroutable[task] ?? 0) + count
  return { queue: a.queue, ready: a.ready + b.ready, unroutable }
}

/** A lease is as good as the shortest of its parts. */
const addWorkers = (a: WorkerView, b: WorkerView): WorkerView => ({
  ...a,
  running: a.running + b.running,
  leaseUntil: Math.min(a.leaseUntil, b.leaseUntil)
})

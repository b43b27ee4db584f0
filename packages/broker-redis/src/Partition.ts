/**
 * One partition of the store as a broker: all keys of its runs, queues, leases and timers share one hash tag, so that each
 * verb of the seam is one Lua function, made atomic by Redis itself, in a cluster too. It is authoritative for everything,
 * its clock included, and knows nothing of other partitions.
 *
 * What a worker holds is a field of the worker's hash, with the nonce of the delivery: the fence. A lease belongs to a
 * worker, not to a node; a sweep that finds it expired gives back all the worker held. Messages on channels are hints:
 * a lost one costs one poll.
 */
import type { Payload, Submission, WorkerInfo } from "@arpeggio/core/Broker"
import * as Inspect from "@arpeggio/core/engine/inspect"
import * as Store from "@arpeggio/core/engine/Store"
import { DuplicateRun, PayloadTooLarge, RunNotEnded, RunNotFound } from "@arpeggio/core/Failure"
import * as Effect from "effect/Effect"
import * as Awaiting from "./Awaiting.ts"
import * as Codec from "./Codec.ts"
import type { Connection } from "./Connection.ts"
import * as Damage from "./Damage.ts"
import * as GroupCommit from "./GroupCommit.ts"
import * as Heartbeat from "./Heartbeat.ts"
import * as Hints from "./Hints.ts"
import * as Idle from "./Idle.ts"
import * as Inspection from "./Inspection.ts"
import * as Keys from "./Keys.ts"
import * as Nonce from "./Nonce.ts"
import type { Part } from "./Partitions.ts"
import * as Plans from "./Plans.ts"
import * as Reconcile from "./Reconcile.ts"
import { restart } from "./Restart.ts"
import * as Runs from "./Runs.ts"
import * as Scripts from "./Scripts.ts"
import * as Settling from "./Settling.ts"
import * as Watching from "./Watching.ts"

/** What all partitions of a store are set up with. Times in milliseconds. */
export interface Settings {
  /** What all keys begin with. */
  readonly namespace: string
  /** How long a silent worker keeps what it holds. */
  readonly lease: number
  /** For how long a worker whose event loop stands still keeps its lease all the same. */
  readonly stallBudget: number
  /** Workers that may die over one attempt before it fails. */
  readonly maxDeliveries: number
  /** The longest recorded value, in characters. */
  readonly payloadLimit: number
  /** How long ended runs are kept, and how many per state. */
  readonly retention: { readonly age: number; readonly count: number }
}

/** Claims given back by one call at most. */
const claimsPerCall = 200

/** Claims that one call compares with what the store thinks a worker holds, about: of who holds more a part after the other. */
const renewedPerCall = 1_000

type SweepReply = readonly [
  timers: number,
  workers: number,
  removed: number,
  more: number,
  late: number,
  damaged: number,
  now: string,
  leaseEnd: string
]

/** Milliseconds without a sweep that are no chance, where somebody sweeps every second. */
const outage = 5_000

/** Staged elements nobody used are removed after this many milliseconds. */
const stagingAge = 3_600_000

/** The partition of this number; from the first on they are called 0, 1, 2 … */
export const make = (
  connection: Connection,
  { lease, maxDeliveries, namespace, payloadLimit, retention, stallBudget }: Settings,
  index: number
): Part => {
  const prefix = Keys.prefix(namespace, index)
  const hints = Hints.make()
  const subscriptions = Hints.subscriptions(hints)
  const listen = (channel: Hints.Channel) => connection.listen(prefix + channel, subscriptions[channel])
  const registered = new Map<string, WorkerInfo>()

  const evaluate = (script: Scripts.Script, args: ReadonlyArray<string | number>) =>
    connection.run(script, prefix, args)
  const command = (name: string, key: string, ...args: ReadonlyArray<string | number>) =>
    connection.command(name, prefix + key, ...args)

  const plans = Plans.make(connection, prefix)
  const runs = Runs.make(command, plans)
  const sweeps = Idle.sweeps(command, lease)
  const tellDamaged = Damage.teller(command, index)

  const knownWorkers = Effect.map(Inspection.listWorkers(command), (views) => {
    const store = Store.make({
      lease,
      maxDeliveries,
      payloadLimit,
      retention: { age: 0, count: 0 },
      slice: Scripts.slice
    })
    for (const view of views) {
      store.workers.set(view.id, {
        info: view,
        tasks: new Set(view.tasks),
        leaseUntil: view.leaseUntil,
        holding: new Map(),
        interrupts: new Set(),
        alone: undefined
      })
    }
    return store
  })

  const admit = GroupCommit.make({
    most: 100,
    mostWeight: Plans.mostCharacters,
    weigh: Plans.lengthOf,
    send: (submissions) =>
      Effect.map(
        evaluate(Scripts.submit, [Scripts.slice, ...submissions.flat()]),
        (reply) => reply as ReadonlyArray<string>
      )
  })

  return {
    lease,
    maxDeliveries,
    plan: (hash) => Effect.map(plans.get(hash), (stored) => stored?.plan),

    submit: (submission) =>
      Effect.gen(function* () {
        const size = sizeOf(submission)
        if (size > payloadLimit) return yield* new PayloadTooLarge({ run: submission.id, size, limit: payloadLimit })
        const { id, plan, planHash } = submission
        let said: string
        let isMended = false
        do {
          const elements =
            submission.elements.size === 0 ? [] : yield* plans.stage(Scripts.stage, plan, submission.elements)
          Hints.expectEnd(hints, id, plan)
          said = yield* admit([
            id,
            `${submission.onFailure === "cancel" ? "C" : "F"}${submission.delay},${Plans.nameOf(planHash)}`,
            submission.input,
            Codec.encodeElements(elements)
          ])
          // A damaged plan is mended by this; what is kept under the id of the run is not.
          if (said === "damaged" && isMended) return yield* new DuplicateRun({ run: id })
          isMended ||= said === "damaged"
          if (said === "unplanned" || said === "damaged") yield* plans.store(plan, planHash)
        } while (said === "unplanned" || said === "unstaged" || said === "damaged")
        if (said !== "created") hints.expected?.delete(id)
        if (said === "conflict") return yield* new DuplicateRun({ run: id })
        return { created: said === "created" }
      }),

    register: (worker) =>
      Effect.suspend(() => {
        registered.set(worker.id, worker)
        Hints.listenTo(hints, worker.id)
        return listen(Keys.wake).pipe(
          Effect.andThen(
            evaluate(Scripts.register, [
              worker.id,
              lease,
              JSON.stringify(worker),
              // Longer than 64 bytes, so that Redis keeps the hash as a table: a list it would search for every field.
              `\t${worker.tasks.join("\t")}\t`.padEnd(65, "\t")
            ])
          ),
          Effect.asVoid
        )
      }),

    settle: Settling.make({ evaluate, command, prefix, hints, plans, runs, registered, lease, payloadLimit }),

    wake: (worker) => Hints.wake(hints, worker),
    stopWaiting: (worker) =>
      Effect.suspend(() => {
        Hints.asks(hints, worker)
        return Effect.asVoid(evaluate(Scripts.stopWaiting, [worker]))
      }),
    passOn: (worker) => Effect.asVoid(evaluate(Scripts.passOn, registered.get(worker)?.queues ?? [])),

    renew: (worker, holding) =>
      Effect.gen(function* () {
        const parts = Math.max(1, Math.ceil(holding.length / renewedPerCall))
        const byPart = Map.groupBy(holding, (nonce) => (nonce.charCodeAt(Nonce.length - 1) || 0) % parts)
        const renewed = { unknown: false, lost: new Array<string>(), interrupt: new Array<string>() }
        for (let part = 0; part < parts; part++) {
          const some = byPart.get(part) ?? []
          const reply = yield* evaluate(Scripts.renew, [worker, lease, parts, part, ...some])
          const [known, lost, interrupt] = reply as readonly [number, ReadonlyArray<string>, ReadonlyArray<string>]
          if (known === 0) renewed.unknown = true
          renewed.lost.push(...(known === 0 ? some : lost))
          renewed.interrupt.push(...interrupt)
        }
        Hints.letGo(hints, worker, renewed.lost)
        return renewed
      }),

    heartbeat: (worker) =>
      Heartbeat.make({ worker, prefixes: [prefix], lease, stallBudget, connection: connection.options }),

    // The last ones first, so that all stand in their queues in the order they were claimed.
    release: (worker, claims) =>
      Effect.gen(function* () {
        Hints.asks(hints, worker)
        for (let end = claims.length; end > 0; end -= claimsPerCall) {
          const some = claims.slice(Math.max(0, end - claimsPerCall), end)
          const args = some.flatMap(({ node, nonce, run }) => [`${run}\t${node}`, nonce])
          yield* evaluate(Scripts.release, [worker, Scripts.slice, ...args])
          Hints.letGo(
            hints,
            worker,
            some.map(({ nonce }) => nonce)
          )
        }
      }),

    unregister: (worker) =>
      Effect.gen(function* () {
        registered.delete(worker)
        hints.workers.delete(worker)
        while ((yield* evaluate(Scripts.leave, [worker, Scripts.slice])) === 1) {
          /* some per call */
        }
      }),

    cancel: (id) =>
      Effect.flatMap(evaluate(Scripts.cancel, [id, Scripts.slice]), (said) =>
        said !== "unknown"
          ? Effect.succeed(said === "cancelled")
          : // Damaged, unless it is not there.
            Effect.andThen(runs.meta(id), Effect.fail(new RunNotFound({ run: id })))
      ),

    retry: (id, from) =>
      Effect.gen(function* () {
        const token = Nonce.make()
        for (;;) {
          const run = yield* runs.whole(id)
          if (run.state === "running") return yield* new RunNotEnded({ run: id })
          const { discarded, exit, restarted } = restart(run, from)
          const addresses = [...restarted, ...discarded]
          const name = yield* plans.keep(Scripts.stageOutcome, Keys.staged(`${token}:restart`), addresses)
          const args = [
            id,
            run.generation,
            Scripts.slice,
            token,
            name,
            restarted.length,
            addresses.length,
            exit ? 1 : 0
          ]
          for (;;) {
            const [said, more] = (yield* evaluate(Scripts.retry, args)) as readonly [string, number]
            if (said === "damaged") return yield* runs.damaged(id)
            if (said === "changed") return yield* new RunNotEnded({ run: id })
            if (said === "unstaged") break
            if (more === 0) return { generation: Number(said) }
          }
        }
      }),

    nextSweep: sweeps.next,
    sweep: Effect.gen(function* () {
      const swept = { timers: 0, late: 0, workers: 0, removed: 0 }
      for (let round = 0; round < 20; round++) {
        const reply = yield* evaluate(Scripts.sweep, [
          Scripts.slice,
          maxDeliveries,
          retention.age,
          retention.count,
          stagingAge,
          lease,
          Math.max(lease / 2, outage)
        ])
        const [timers, workers, removed, more, late, damaged, now, leaseEnd] = reply as unknown as SweepReply
        const isBusy = timers + workers + removed + more > 0
        sweeps.note(Number(now), leaseEnd === "" ? Infinity : Number(leaseEnd), isBusy)
        swept.timers += timers
        swept.late = Math.max(swept.late, late)
        swept.workers += workers
        swept.removed += removed
        yield* tellDamaged(damaged)
        if (more === 0) break
      }
      return swept
    }),

    reconcile: Reconcile.make(evaluate, command),

    read: runs.ends,

    await: Awaiting.make(runs, hints, listen(Keys.ended)),

    run: (id) => Effect.map(runs.whole(id), Inspect.viewOf),
    nodes: (id, { after, limit }) =>
      Effect.gen(function* () {
        const store = yield* knownWorkers
        return Inspect.listNodes(store, yield* runs.whole(id), after, limit)
      }),
    runs: ({ limit, state }) => Inspection.listRuns(command, plans.get, state, limit),
    queues: Inspection.listQueues(command),
    workers: Inspection.listWorkers(command),
    dead: ({ limit }) => Inspection.listDead(command, plans.get, limit),

    events: Watching.make(runs, hints, command, listen(Keys.events))
  }
}

/** The longest of the values that it brings. */
const sizeOf = ({ elements, input }: Submission): number =>
  elements.size === 0 ? input.length : Math.max(input.length, ...Array.from(elements.values(), longest))

const longest = (elements: ReadonlyArray<Payload>): number =>
  elements.reduce((most, element) => Math.max(most, element.length), 0)

/**
 * The broker over Redis: each verb of the seam is one Lua script, made atomic by Redis itself. Any number of processes may
 * use one store; the store is authoritative for everything, its clock included.
 *
 * What a worker holds is a field of the worker's hash, with the nonce of the delivery: the fence. A lease belongs to a
 * worker, not to a node; a sweep that finds it expired gives back all the worker held. Messages on channels are hints:
 * a lost one costs one poll.
 *
 * @example
 * ```ts
 * import { RedisBroker } from "@arpeggio/broker-redis"
 *
 * const broker = RedisBroker.layer({ url: "redis://localhost:6379" })
 * ```
 */
import type { Delivery, Event, Payload, RunEnd, Settlement, Submission, WorkerInfo } from "@arpeggio/core/Broker"
import { Broker } from "@arpeggio/core/Broker"
import * as Defaults from "@arpeggio/core/Defaults"
import * as Inspect from "@arpeggio/core/engine/inspect"
import * as Store from "@arpeggio/core/engine/Store"
import type { BrokerUnavailable } from "@arpeggio/core/Failure"
import { DuplicateRun, PayloadTooLarge, RunNotEnded, RunNotFound } from "@arpeggio/core/Failure"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createHash, randomBytes } from "node:crypto"
import * as Codec from "./Codec.ts"
import type { Options as ConnectionOptions } from "./Connection.ts"
import * as Connections from "./Connection.ts"
import * as GroupCommit from "./GroupCommit.ts"
import * as Hints from "./Hints.ts"
import * as Inspection from "./Inspection.ts"
import * as Keys from "./Keys.ts"
import * as Plans from "./Plans.ts"
import { restart } from "./Restart.ts"
import * as Runs from "./Runs.ts"
import * as Scripts from "./Scripts.ts"

export interface Options {
  /** `redis://…` or `rediss://…` for TLS. */
  readonly url: string | Redacted.Redacted<string>
  /** What all keys begin with. Default: `arpeggio:`. */
  readonly namespace?: string | undefined
  /** How long a call may take before it fails with `BrokerUnavailable`. Default: 5 seconds. */
  readonly deadline?: Duration.Input | undefined
  /** How long a silent worker keeps what it holds. Default: 30 seconds. All processes of a store must agree. */
  readonly lease?: Duration.Input | undefined
  /** Workers that may die over one attempt before it fails with `PoisonPill`. Default: 3. */
  readonly maxDeliveries?: number | undefined
  /** How long ended runs are kept, and how many per state. Default: 7 days and 10,000. */
  readonly retention?: { readonly age?: Duration.Input | undefined; readonly count?: number | undefined } | undefined
  /** The longest recorded value, in characters. Default: 16 Mi. */
  readonly payloadLimit?: number | undefined
  /** What else ioredis should know. */
  readonly redis?: ConnectionOptions["redis"] | undefined
}

/** Edges and instances one script handles at most: some milliseconds of Redis. */
const slice = 500

/** Calls in a row that look for work where only entries of ended runs were found. */
const passes = 20

type SettleReply = readonly [
  receipts: string,
  deliveries: Codec.DeliveriesReply,
  interrupt: ReadonlyArray<string>,
  known: number,
  more: number
]

/** How long an awaited run may have ended unnoticed, when the message that said so was lost. */
const awaitPoll = Duration.seconds(1)

/** Milliseconds without a sweep that are no chance, where somebody sweeps every second. */
const outage = 5_000

/** Staged elements nobody used are removed after this many milliseconds. */
const stagingAge = 3_600_000

const eventBuffer = 16_384

const make = (options: Options): Effect.Effect<Broker["Service"], BrokerUnavailable, Scope.Scope> =>
  Effect.gen(function* () {
    const prefix = Keys.prefix(options.namespace ?? "arpeggio:", 0)
    const lease = Duration.toMillis(options.lease ?? Defaults.lease)
    const maxDeliveries = options.maxDeliveries ?? Defaults.maxDeliveries
    const payloadLimit = options.payloadLimit ?? Defaults.payload.limit
    const retentionAge = Duration.toMillis(options.retention?.age ?? Defaults.retention.age)
    const retentionCount = options.retention?.count ?? Defaults.retention.count
    const connection = yield* Connections.make(
      {
        url: typeof options.url === "string" ? Redacted.make(options.url) : options.url,
        deadline: Duration.toMillis(options.deadline ?? Duration.seconds(5)),
        redis: options.redis ?? {}
      },
      prefix
    )
    const hints = Hints.make()
    yield* connection.listen(
      [Keys.wake, Keys.ended, Keys.events].map((channel) => prefix + channel),
      (channel, message) => Hints.receive(hints, channel.slice(prefix.length), message)
    )
    const registered = new Map<string, WorkerInfo>()

    const command = (name: string, key: string, ...args: ReadonlyArray<string | number>) =>
      connection.command(name, prefix + key, ...args)

    const plans = Plans.make(connection, prefix)
    const runs = Runs.make(command, plans)

    const knownWorkers = Effect.map(Inspection.listWorkers(command), (views) => {
      const store = Store.make({ lease, maxDeliveries, payloadLimit, retention: { age: 0, count: 0 }, slice })
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

    const admit = GroupCommit.make(100, (submissions: ReadonlyArray<ReadonlyArray<string | number>>) =>
      Effect.map(
        connection.run(Scripts.submit, [slice, ...submissions.flat()]),
        (reply) => reply as ReadonlyArray<string>
      )
    )

    return Broker.of({
      lease,
      plan: (hash) => Effect.map(plans.get(hash), (stored) => stored?.plan),

      submit: (submission) =>
        Effect.gen(function* () {
          const size = Math.max(submission.input.length, ...Array.from(submission.elements.values(), longest))
          if (size > payloadLimit) return yield* new PayloadTooLarge({ run: submission.id, size, limit: payloadLimit })
          const { id, plan, planHash } = submission
          const token = randomBytes(12).toString("base64url")
          let said: string
          do {
            const elements = yield* plans.stage(Scripts.stage, plan, submission.elements, token)
            said = yield* admit([
              id,
              `${digestOf(submission)}${submission.onFailure === "cancel" ? "C" : "F"}${submission.delay},${Plans.nameOf(planHash)}`,
              submission.input,
              Codec.encodeElements(elements)
            ])
            if (said === "unplanned") yield* plans.store(plan, planHash)
          } while (said === "unplanned" || said === "unstaged")
          if (said === "conflict") return yield* new DuplicateRun({ run: id })
          return { created: said === "created" }
        }),

      register: (worker) =>
        Effect.suspend(() => {
          registered.set(worker.id, worker)
          Hints.listenTo(hints, worker.id, worker.queues)
          return Effect.asVoid(
            connection.run(Scripts.register, [
              worker.id,
              lease,
              JSON.stringify(worker),
              // Longer than 64 bytes, so that Redis keeps the hash as a table: a list it would search for every field.
              `\t${worker.tasks.join("\t")}\t`.padEnd(65, "\t")
            ])
          )
        }),

      settle: ({ claim, settlements, worker }) =>
        Effect.gen(function* () {
          const queues = registered.get(worker)?.queues ?? []
          const args: Array<string | number> = []
          for (const settlement of settlements) args.push(...(yield* encode(settlement)))
          const call = (most: number, told: 0 | 1, reports: ReadonlyArray<string | number>) => {
            // 96 bits nobody can guess: half of the fence.
            const base = randomBytes(12).toString("base64url")
            const head = [worker, base, most, lease, maxDeliveries, Math.random(), slice, told, queues.length]
            const answer = Effect.map(
              connection.run(Scripts.settle, [...head, ...queues, ...reports]),
              (reply) => [...(reply as SettleReply), base] as const
            )
            return Hints.giving(hints, worker, answer, ([, given]) => Codec.claimsOf(given, base))
          }
          const [receipts, found, stopped, known, hasMore, firstBase] = yield* call(claim, 0, args)
          let [reply, more, base] = [found, hasMore, firstBase]
          // What stood first was of runs that have ended since: to have found nothing yet is no answer.
          for (let round = 0; reply.length === 0 && more === 1 && round < passes; round++)
            [, reply, , , more, base] = yield* call(claim, 0, [])
          Hints.letGo(
            hints,
            worker,
            settlements.map(({ nonce }) => nonce)
          )
          // Asked only when a message says that a run closes: no other call pays for it.
          const interrupt = Hints.takeClosing(hints, worker) ? (yield* call(0, 1, []))[2] : stopped
          if (more === 1) hints.workers.get(worker)?.latch.openUnsafe()
          const deliveries: Array<Delivery> = []
          for (let at = 0; at < reply.length; at += Codec.deliveryLength) {
            const plan = (yield* plans.get(Codec.planOfDelivery(reply, at)))!
            deliveries.push(Codec.decodeDelivery(plan, reply, at, base))
          }
          return { receipts: Codec.decodeReceipts(receipts), deliveries, interrupt, unknown: known === 0 }
        }),

      wake: (worker) => Hints.wake(hints, worker),

      renew: (worker, holding) =>
        Effect.map(connection.run(Scripts.renew, [worker, lease, ...holding]), (reply) => {
          const [known, lost, interrupt] = reply as readonly [number, ReadonlyArray<string>, ReadonlyArray<string>]
          Hints.letGo(hints, worker, known === 0 ? holding : lost)
          return { unknown: known === 0, lost: known === 0 ? holding : lost, interrupt }
        }),

      release: (worker, claims) =>
        claims.length === 0
          ? Effect.void
          : Effect.map(
              connection.run(Scripts.release, [
                worker,
                slice,
                ...claims.flatMap(({ node, nonce, run }) => [`${run}\t${node}`, nonce])
              ]),
              () =>
                Hints.letGo(
                  hints,
                  worker,
                  claims.map(({ nonce }) => nonce)
                )
            ),

      unregister: (worker) =>
        Effect.suspend(() => {
          registered.delete(worker)
          hints.workers.delete(worker)
          return Effect.asVoid(connection.run(Scripts.release, [worker, slice]))
        }),

      cancel: (id) =>
        Effect.flatMap(connection.run(Scripts.cancel, [id, slice]), (said) =>
          said === "unknown" ? Effect.fail(new RunNotFound({ run: id })) : Effect.succeed(said === "cancelled")
        ),

      retry: (id, from) =>
        Effect.gen(function* () {
          const token = randomBytes(12).toString("base64url")
          for (;;) {
            const run = yield* runs.whole(id)
            if (run.state === "running") return yield* new RunNotEnded({ run: id })
            const { discarded, exit, restarted } = restart(run, from)
            const addresses = [...restarted, ...discarded]
            const name = yield* plans.keep(Scripts.stageOutcome, Keys.staged(`${token}:restart`), addresses)
            const args = [id, run.generation, slice, token, name, restarted.length, addresses.length, exit ? 1 : 0]
            for (;;) {
              const [said, more] = (yield* connection.run(Scripts.retry, args)) as readonly [string, number]
              if (said === "changed") return yield* new RunNotEnded({ run: id })
              if (said === "unstaged") break
              if (more === 0) return { generation: Number(said) }
            }
          }
        }),

      sweep: Effect.gen(function* () {
        const swept = { timers: 0, workers: 0, removed: 0 }
        for (let round = 0; round < 20; round++) {
          const reply = yield* connection.run(Scripts.sweep, [
            slice,
            maxDeliveries,
            retentionAge,
            retentionCount,
            stagingAge,
            lease,
            Math.max(lease / 2, outage)
          ])
          const [timers, workers, removed, more] = reply as readonly [number, number, number, number]
          swept.timers += timers
          swept.workers += workers
          swept.removed += removed
          if (more === 0) break
        }
        return swept
      }),

      read: runs.ends,

      await: (id) =>
        Effect.suspend(() => {
          const latch = Latch.makeUnsafe(false)
          const waiters = hints.waiters.get(id) ?? new Set()
          hints.waiters.set(id, waiters.add(latch))
          const forget = Effect.sync(() => {
            waiters.delete(latch)
            if (waiters.size === 0) hints.waiters.delete(id)
          })
          const ask: Effect.Effect<RunEnd, RunNotFound | BrokerUnavailable> = Effect.flatMap(runs.end(id), (end) =>
            end !== undefined
              ? Effect.succeed(end)
              : Effect.andThen(Effect.race(latch.await, Effect.sleep(awaitPoll)), ask)
          )
          return Effect.ensuring(ask, forget)
        }),

      run: (id) => Effect.map(runs.whole(id), Inspect.viewOf),
      nodes: (id, { after, limit }) =>
        Effect.gen(function* () {
          const store = yield* knownWorkers
          return Inspect.listNodes(store, yield* runs.whole(id), after, limit)
        }),
      runs: ({ limit, state }) => Inspection.listRuns(command, plans.get, state, limit),
      queues: Inspection.listQueues(command),
      workers: Inspection.listWorkers(command),

      events: (id) =>
        Stream.callback<Event, RunNotFound | BrokerUnavailable>(
          (queue) =>
            Effect.gen(function* () {
              if (id !== undefined && (yield* runs.meta(id)).state !== "running") return yield* Queue.end(queue)
              const watcher: Hints.Watcher = { run: id, queue: queue as Hints.Watcher["queue"] }
              yield* Effect.acquireRelease(
                Effect.sync(() => hints.watchers.add(watcher)),
                () => Effect.sync(() => hints.watchers.delete(watcher))
              )
              // The scripts tell events only while somebody says so.
              const watch = Effect.flatMap(
                Effect.clockWith((clock) => clock.currentTimeMillis),
                (now) => command("HSET", Keys.flags, Keys.watchedFlag, now + 10_000)
              )
              yield* watch
              yield* Effect.forkScoped(Effect.repeat(watch, Schedule.spaced("3 seconds")))
            }),
          { bufferSize: eventBuffer, strategy: "sliding" }
        )
    })

    function encode(settlement: Settlement) {
      const { nonce, outcome, run } = settlement
      if (outcome._tag !== "Succeeded" || outcome.elements === undefined)
        return Effect.succeed(Codec.encodeSettlement(settlement, "", payloadLimit))
      const { elements } = outcome
      return runs.meta(run).pipe(
        Effect.flatMap(({ planHash }) => plans.of(planHash)),
        Effect.flatMap((plan) => plans.stage(Scripts.stageOutcome, plan, elements, nonce)),
        // The report of a run that is gone is stale, whatever it says.
        Effect.catchTag("RunNotFound", () => Effect.succeed([])),
        Effect.map((forks) => Codec.encodeSettlement(settlement, Codec.encodeElements(forks), payloadLimit))
      )
    }
  })

const longest = (elements: ReadonlyArray<Payload>): number =>
  elements.reduce((most, element) => Math.max(most, element.length), 0)

/** What two submissions of one id must agree in. */
const digestOf = ({ input, planHash }: Submission): string =>
  createHash("sha256").update(planHash).update(input).digest("base64url").slice(0, Codec.digestLength)

/** The broker over the Redis at `url`. */
export const layer = (options: Options): Layer.Layer<Broker, BrokerUnavailable> => Layer.effect(Broker, make(options))

/** The same, from configuration. */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<Broker, BrokerUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

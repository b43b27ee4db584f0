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
import { cellAt } from "@arpeggio/core/engine/claim"
import { restartedCells } from "@arpeggio/core/engine/retry"
import * as Store from "@arpeggio/core/engine/Store"
import type { BrokerUnavailable } from "@arpeggio/core/Failure"
import { DuplicateRun, PayloadTooLarge, RunNotEnded, RunNotFound } from "@arpeggio/core/Failure"
import type { Plan } from "@arpeggio/core/Plan"
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
import * as Hydrate from "./Hydrate.ts"
import * as Inspection from "./Inspection.ts"
import * as Keys from "./Keys.ts"
import * as Program from "./Program.ts"
import * as Record from "./Record.ts"
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

/** Elements, and fields of a plan, that travel in one call; more are staged in chunks of this many. */
const chunk = 500

/** Calls in a row that look for work where only entries of ended runs were found. */
const passes = 20

type SettleReply = readonly [
  receipts: string,
  deliveries: ReadonlyArray<Codec.DeliveryReply>,
  interrupt: ReadonlyArray<string>,
  known: number,
  more: number
]

/** How long an awaited run may have ended unnoticed, when the message that said so was lost. */
const awaitPoll = Duration.seconds(1)

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
    const plans = new Map<string, Codec.StoredPlan>()

    const command = (name: string, key: string, ...args: ReadonlyArray<string | number>) =>
      connection.command(name, prefix + key, ...args)

    // ---- plans and elements ---------------------------------------------------------------------------------------------

    const planOf = (planHash: string): Effect.Effect<Codec.StoredPlan | undefined, BrokerUnavailable> =>
      Effect.suspend(() => {
        const name = shortHash(planHash)
        const known = plans.get(name)
        if (known !== undefined) return Effect.succeed(known)
        return Effect.map(command("HMGET", Keys.plan(name), "json", "hash"), (reply) => {
          const [json, hash] = reply as ReadonlyArray<string | null>
          if (typeof json !== "string" || typeof hash !== "string") return undefined
          const stored = { plan: JSON.parse(json) as Plan, hash }
          plans.set(name, stored)
          return stored
        })
      })

    const stage = (
      script: Scripts.Script,
      key: string,
      removable: boolean,
      pairs: ReadonlyArray<readonly [string | number, string]>
    ) =>
      Effect.forEach(
        chunksOf(pairs, chunk),
        (some) => connection.run(script, [key, removable ? 1 : 0, ...some.flat()]),
        { discard: true }
      )

    const storePlan = (plan: Plan, hash: string) =>
      stage(Scripts.stage, Keys.plan(shortHash(hash)), false, Program.fields(plan, hash))

    /** Keeps many elements aside, so that no single call is long. */
    const stageElements = (
      script: Scripts.Script,
      plan: Plan,
      elements: ReadonlyMap<number, ReadonlyArray<Payload>> | undefined,
      token: string
    ) =>
      Effect.forEach(elements ?? [], ([fork, payloads]): Effect.Effect<Codec.DecidedFork, BrokerUnavailable> => {
        const decided = { fork, collect: Program.collectOf(plan, fork), count: payloads.length }
        if (payloads.length <= chunk) return Effect.succeed({ ...decided, elements: payloads })
        const name = Keys.staged(`${token}:${fork}`)
        return Effect.as(
          stage(
            script,
            name,
            true,
            payloads.map((payload, index) => [index, payload] as const)
          ),
          { ...decided, elements: prefix + name }
        )
      })

    // ---- runs -------------------------------------------------------------------------------------------------------------

    const metaOf = (id: string): Effect.Effect<Hydrate.Meta, RunNotFound | BrokerUnavailable> =>
      Effect.flatMap(command("HGET", Keys.run(id), "m"), (m) =>
        m === null ? Effect.fail(new RunNotFound({ run: id })) : Effect.succeed(Hydrate.parseMeta(m as string))
      )

    /** The whole run; a slow read for people, in slices that don't hold Redis up. */
    const hydrated = (id: string): Effect.Effect<Store.Run, RunNotFound | BrokerUnavailable> =>
      Effect.gen(function* () {
        const meta = yield* metaOf(id)
        const stored = (yield* planOf(meta.planHash))!
        const fields = new Map<string, string>()
        let cursor = "0"
        do {
          const [next, pairs] = (yield* command("HSCAN", Keys.run(id), cursor, "COUNT", 1_000)) as readonly [
            string,
            ReadonlyArray<string>
          ]
          for (let i = 0; i < pairs.length; i += 2) fields.set(pairs[i]!, pairs[i + 1]!)
          cursor = next
        } while (cursor !== "0")
        const held = new Map<string, string>()
        for (const worker of (yield* command("ZRANGE", Keys.leases, 0, -1)) as ReadonlyArray<string>) {
          for (const field of (yield* command("HKEYS", Keys.holding(worker))) as ReadonlyArray<string>) {
            const [run, address] = field.split("\t")
            if (run === id) held.set(address!, worker)
          }
        }
        return Hydrate.hydrate({ id, fields, stored, held })
      })

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

    const endOf = (id: string): Effect.Effect<RunEnd | undefined, RunNotFound | BrokerUnavailable> =>
      Effect.flatMap(metaOf(id), (meta) => {
        if (meta.state === "running") return Effect.undefined
        return Effect.gen(function* () {
          const { plan } = (yield* planOf(meta.planHash))!
          const exit = plan.bodies[0].exit
          const [input, text] = (yield* command("HMGET", Keys.run(id), "i", exit)) as readonly [string, string]
          const cause = meta.state !== "failed" ? undefined : text.startsWith("K") ? text.slice(1) : String(exit)
          if (cause === undefined)
            return { state: meta.state as RunEnd["state"], generation: meta.generation, input, failure: undefined }
          const record = Record.parse((yield* command("HGET", Keys.run(id), cause)) as string)
          const failure =
            record._tag === "Failed" ? { node: cause, attempt: record.tries, failed: record.failed } : undefined
          return { state: "failed" as const, generation: meta.generation, input, failure }
        })
      })

    const admit = GroupCommit.make(100, (submissions: ReadonlyArray<ReadonlyArray<string | number>>) =>
      Effect.map(
        connection.run(Scripts.submit, [slice, ...submissions.flat()]),
        (reply) => reply as ReadonlyArray<string>
      )
    )

    const renew = (worker: string, holding: ReadonlyArray<string>, underway: string) =>
      Effect.map(connection.run(Scripts.renew, [worker, lease, underway, ...holding]), (reply) => {
        const [known, lost, interrupt] = reply as readonly [number, ReadonlyArray<string>, ReadonlyArray<string>]
        return { unknown: known === 0, lost: known === 0 ? holding : lost, interrupt }
      })

    return Broker.of({
      lease,
      plan: (hash) => Effect.map(planOf(hash), (stored) => stored?.plan),

      submit: (submission) =>
        Effect.gen(function* () {
          const size = Math.max(submission.input.length, ...Array.from(submission.elements.values(), longest))
          if (size > payloadLimit) return yield* new PayloadTooLarge({ run: submission.id, size, limit: payloadLimit })
          const { id, plan, planHash } = submission
          const elements = yield* stageElements(
            Scripts.stage,
            plan,
            submission.elements,
            randomBytes(12).toString("base64url")
          )
          const args = [
            id,
            shortHash(planHash),
            submission.input,
            submission.onFailure === "cancel" ? "C" : "F",
            submission.delay,
            digestOf(submission),
            Codec.encodeElements(elements, "submit")
          ]
          let said = yield* admit(args)
          if (said === "unplanned") {
            yield* storePlan(plan, planHash)
            said = yield* admit(args)
          }
          plans.set(shortHash(planHash), { plan, hash: planHash })
          if (said === "conflict") return yield* new DuplicateRun({ run: id })
          return { created: said === "created" }
        }),

      register: (worker) =>
        Effect.suspend(() => {
          registered.set(worker.id, worker)
          Hints.listenTo(hints, worker.id, worker.queues)
          return Effect.asVoid(
            connection.run(Scripts.register, [worker.id, lease, JSON.stringify(worker), ...worker.tasks])
          )
        }),

      settle: ({ claim, settlements, worker }) =>
        Effect.gen(function* () {
          const queues = registered.get(worker)?.queues ?? []
          const args: Array<string | number> = []
          for (const settlement of settlements) args.push(...(yield* encode(settlement)))
          const call = (args: ReadonlyArray<string | number>) => {
            // 96 bits nobody can guess: half of the fence.
            const base = randomBytes(12).toString("base64url")
            const head = [worker, base, claim, lease, maxDeliveries, Math.random(), slice, queues.length, ...queues]
            return Effect.map(connection.run(Scripts.settle, [...head, ...args]), (reply) => reply as SettleReply)
          }
          const [receipts, found, stopped, known, hasMore] = yield* call(args)
          let [replies, more] = [found, hasMore]
          // What stood first was of runs that have ended since: to have found nothing yet is no answer.
          for (let round = 0; replies.length === 0 && more === 1 && round < passes; round++)
            [, replies, , , more] = yield* call([])
          const listener = hints.workers.get(worker)
          if (more === 1) listener?.latch.openUnsafe()
          const deliveries: Array<Delivery> = []
          for (const reply of replies) deliveries.push(Codec.decodeDelivery((yield* planOf(reply[6]))!, reply))
          let interrupt = stopped
          if (listener?.closing === true) {
            listener.closing = false
            interrupt = yield* closingOf(worker)
          }
          return { receipts: Codec.decodeReceipts(receipts), deliveries, interrupt, unknown: known === 0 }
        }),

      wake: (worker) =>
        Effect.suspend(() => {
          const listener = hints.workers.get(worker)
          return listener === undefined
            ? Effect.never
            : Effect.tap(listener.latch.await, () => Effect.sync(() => listener.latch.closeUnsafe()))
        }),

      renew: (worker, holding) => renew(worker, holding, ""),

      release: (worker, claims) =>
        claims.length === 0
          ? Effect.void
          : Effect.asVoid(
              connection.run(Scripts.release, [
                worker,
                slice,
                ...claims.flatMap(({ node, nonce, run }) => [run, node, nonce])
              ])
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
          const run = yield* hydrated(id)
          if (run.state === "running") return yield* new RunNotEnded({ run: id })
          const { discarded, restarted } = splitRestarted(run, from)
          const said = yield* connection.run(Scripts.retry, [
            id,
            run.generation,
            slice,
            restarted.length,
            ...restarted,
            ...discarded
          ])
          if (said === "changed") return yield* new RunNotEnded({ run: id })
          return { generation: Number(said) }
        }),

      sweep: Effect.gen(function* () {
        const swept = { timers: 0, workers: 0, removed: 0 }
        for (let round = 0; round < 20; round++) {
          const reply = yield* connection.run(Scripts.sweep, [
            slice,
            maxDeliveries,
            retentionAge,
            retentionCount,
            stagingAge
          ])
          const [timers, workers, removed, more] = reply as readonly [number, number, number, number]
          swept.timers += timers
          swept.workers += workers
          swept.removed += removed
          if (more === 0) break
        }
        return swept
      }),

      read: (id, nodes) =>
        Effect.gen(function* () {
          const meta = yield* metaOf(id)
          const { plan } = (yield* planOf(meta.planHash))!
          const texts = new Map<string, string>()
          const fetch = (addresses: ReadonlyArray<string>) =>
            Effect.forEach(
              chunksOf(addresses, chunk),
              (some) =>
                Effect.map(command("HMGET", Keys.run(id), ...some), (values) => {
                  ;(values as ReadonlyArray<string | null>).forEach((value, i) => {
                    if (value !== null) texts.set(some[i]!, value)
                  })
                }),
              { discard: true }
            )
          yield* fetch(nodes)
          yield* fetch([
            ...new Set([...texts.values()].flatMap((text) => (text.startsWith("K") ? [text.slice(1)] : [])))
          ])
          return nodes.map((address) => Record.toEnded(plan, address, texts.get(address), (cause) => texts.get(cause)))
        }),

      await: (id) =>
        Effect.suspend(() => {
          const latch = Latch.makeUnsafe(false)
          const waiters = hints.waiters.get(id) ?? new Set()
          hints.waiters.set(id, waiters.add(latch))
          const forget = Effect.sync(() => {
            waiters.delete(latch)
            if (waiters.size === 0) hints.waiters.delete(id)
          })
          const ask: Effect.Effect<RunEnd, RunNotFound | BrokerUnavailable> = Effect.flatMap(endOf(id), (end) =>
            end !== undefined
              ? Effect.succeed(end)
              : Effect.andThen(Effect.race(latch.await, Effect.sleep(awaitPoll)), ask)
          )
          return Effect.ensuring(ask, forget)
        }),

      run: (id) => Effect.map(hydrated(id), Inspect.viewOf),
      nodes: (id, { after, limit }) =>
        Effect.gen(function* () {
          const store = yield* knownWorkers
          return Inspect.listNodes(store, yield* hydrated(id), after, limit)
        }),
      runs: ({ limit, state }) => Inspection.listRuns(command, planOf, state, limit),
      queues: Inspection.listQueues(command),
      workers: Inspection.listWorkers(command),

      events: (id) =>
        Stream.callback<Event, RunNotFound | BrokerUnavailable>(
          (queue) =>
            Effect.gen(function* () {
              if (id !== undefined && (yield* metaOf(id)).state !== "running") return yield* Queue.end(queue)
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
      return Effect.gen(function* () {
        const meta = yield* Effect.option(metaOf(run))
        const stored = meta._tag === "None" ? undefined : yield* planOf(meta.value.planHash)
        const elements =
          stored === undefined ? [] : yield* stageElements(Scripts.stageOutcome, stored.plan, outcome.elements, nonce)
        return Codec.encodeSettlement(settlement, Codec.encodeElements(elements, "settle"), payloadLimit)
      })
    }

    /** What the worker holds of closing runs; asked when a message says that some run closes. */
    function closingOf(worker: string) {
      return Effect.flatMap(command("HVALS", Keys.holding(worker)), (values) =>
        Effect.map(
          renew(
            worker,
            (values as ReadonlyArray<string>).map((value) => value.slice(value.lastIndexOf(",") + 1)),
            ""
          ),
          (renewed) => renewed.interrupt
        )
      )
    }
  })

const chunksOf = <A>(values: ReadonlyArray<A>, size: number): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(values.length / size) }, (_, i) => values.slice(i * size, (i + 1) * size))

/** 96 bits of the hash name a plan in the store: every run and every program read carries it. */
const shortHash = (hash: string): string => hash.slice(0, 24)

const longest = (elements: ReadonlyArray<Payload>): number =>
  elements.reduce((most, element) => Math.max(most, element.length), 0)

/** What two submissions of one id must agree in. */
const digestOf = ({ input, planHash }: Submission): string =>
  createHash("sha256").update(planHash).update(input).digest("base64url").slice(0, 22)

/** The addresses a retry starts again, and those of instances it discards with their forks. */
const splitRestarted = (run: Store.Run, from: string | undefined) => {
  const cells = restartedCells(run, from === undefined ? undefined : cellAt(run, from))
  const discarded: Array<string> = []
  const discard = (expansion: Store.Expansion): void => {
    for (const frame of expansion.frames) {
      for (const cell of frame.cells) {
        cells.delete(cell)
        discarded.push(Store.addressOf(cell))
        if (cell.expansion !== undefined) discard(cell.expansion)
      }
    }
  }
  for (const cell of [...cells]) {
    if (!cells.has(cell) || cell.node.forks === undefined) continue
    const { expansion } = cell.frame.cells[cell.node.forks.collect]!
    if (expansion !== undefined) discard(expansion)
  }
  return { restarted: [...cells].map(Store.addressOf), discarded }
}

/** The broker over the Redis at `url`. */
export const layer = (options: Options): Layer.Layer<Broker, BrokerUnavailable> => Layer.effect(Broker, make(options))

/** The same, from configuration. */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<Broker, BrokerUnavailable | Config.ConfigError> =>
  Layer.unwrap(Effect.map(Config.unwrap(options), layer))

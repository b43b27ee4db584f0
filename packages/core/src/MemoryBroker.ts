/**
 * A broker that lives in this process: the engine behind the seam. Every call is one synchronous transition, so it is
 * atomic without a lock. For development, tests and programs that need no second process; what it holds is gone when
 * the process ends.
 *
 * Its clock is the `Clock` service, so tests can set the time.
 *
 * @example
 * ```ts
 * import * as Client from "@arpeggio/core/Client"
 * import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
 * import * as Effect from "effect/Effect"
 *
 * const program = Effect.provide(Client.runs(), MemoryBroker.layer({ lease: "5 seconds" }))
 * console.log(await Effect.runPromise(program)) // => []
 * ```
 */
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Random from "effect/Random"
import * as Stream from "effect/Stream"
import type { Event, RunEnd, Submitted, WakeUp } from "./Broker.ts"
import { Broker } from "./Broker.ts"
import * as Defaults from "./Defaults.ts"
import { advanceDeferred } from "./engine/advance.ts"
import { cancel } from "./engine/cancel.ts"
import { cellAt, claim, endedOf } from "./engine/claim.ts"
import * as DeadLetters from "./engine/deadLetters.ts"
import * as Inspect from "./engine/inspect.ts"
import { keep, register, renew } from "./engine/register.ts"
import { dismiss, release } from "./engine/release.ts"
import { retry } from "./engine/retry.ts"
import { settle } from "./engine/settle.ts"
import * as Store from "./engine/Store.ts"
import { submit } from "./engine/submit.ts"
import { sweep } from "./engine/sweep.ts"
import * as Timers from "./engine/Timers.ts"
import { DuplicateRun, PayloadTooLarge, RunNotEnded, RunNotFound } from "./Failure.ts"

/** Every field has a default. */
export interface Options {
  /** How long a silent worker keeps what it holds. Default: 30 seconds. */
  readonly lease?: Duration.Input | undefined
  /** Workers that may die over one attempt before it fails with `PoisonPill`. Default: 3. */
  readonly maxDeliveries?: number | undefined
  /** How long ended runs are kept, and how many per state. Default: 7 days and 10,000. */
  readonly retention?: { readonly age?: Duration.Input | undefined; readonly count?: number | undefined } | undefined
  /** The longest recorded value, in characters. Default: 16 Mi. */
  readonly payloadLimit?: number | undefined
}

/** Edges and instances one transition handles at most: some milliseconds, so that nobody waits long behind a huge run. */
const slice = 5_000

/** Events a slow reader may fall behind before it loses the oldest. */
const eventBuffer = 16_384

/** What a worker has not been told yet. */
interface Hint {
  readonly latch: Latch.Latch
  kind: WakeUp
}

interface Watcher {
  readonly run: string | undefined
  readonly queue: Queue.Queue<Event, RunNotFound | Cause.Done>
}

const make = (options: Options): Effect.Effect<Broker["Service"]> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const random = yield* Random.Random
    const store = Store.make({
      lease: Duration.toMillis(options.lease ?? Defaults.lease),
      maxDeliveries: options.maxDeliveries ?? Defaults.maxDeliveries,
      payloadLimit: options.payloadLimit ?? Defaults.payload.limit,
      retention: {
        age: Duration.toMillis(options.retention?.age ?? Defaults.retention.age),
        count: options.retention?.count ?? Defaults.retention.count
      },
      slice
    })
    const hints = new Map<string, Hint>()
    const waiters = new Map<string, Deferred.Deferred<RunEnd>>()
    const watchers = new Set<Watcher>()
    // A worker in this process is alive as long as its scope is, however long a handler holds up the event loop.
    const alive = new Set<string>()

    /** Runs a transition, then tells who waits for what it did. */
    const transition = <A>(change: (now: number) => A): Effect.Effect<A> =>
      Effect.sync(() => {
        const result = change(clock.currentTimeMillisUnsafe())
        tell()
        return result
      })

    const nextTimer = (): number => Timers.nextDue(store.timers) ?? Infinity
    /** The first timer that workers have been told of. */
    let toldTimer = Infinity

    const tell = (): void => {
      if (store.ended.length > 0) {
        for (const run of store.ended) {
          const waiter = waiters.get(run.id)
          if (waiter === undefined) continue
          waiters.delete(run.id)
          Deferred.doneUnsafe(waiter, Effect.succeed(Inspect.endOf(run)))
        }
        store.ended = []
      }
      if (store.events.length > 0) {
        for (const watcher of watchers) {
          for (const event of store.events) publish(watcher, event)
        }
        store.events = []
      }
      const first = nextTimer()
      const isSooner = first < toldTimer
      toldTimer = first
      for (const worker of store.workers.values()) {
        const hint = hints.get(worker.info.id)
        if (hint === undefined) continue
        const isInterrupted = store.interrupted.has(worker.info.id)
        if (isInterrupted) hint.kind = "interrupt"
        const hasWork = store.deferred.size > 0 || worker.info.queues.some((queue) => store.woken.has(queue))
        if (isInterrupted || hasWork || isSooner) hint.latch.openUnsafe()
      }
      store.woken.clear()
      store.interrupted.clear()
    }

    const publish = ({ queue, run }: Watcher, event: Event): void => {
      if (run !== undefined && run !== event.run) return
      Queue.offerUnsafe(queue, event)
      if (run !== undefined && event._tag === "RunEnded") Queue.endUnsafe(queue)
    }

    const find = (id: string): Effect.Effect<Store.Run, RunNotFound> =>
      Effect.suspend(() => {
        const run = store.runs.get(id)
        return run === undefined ? Effect.fail(new RunNotFound({ run: id })) : Effect.succeed(run)
      })

    const known = <A>(id: string, use: (run: Store.Run, now: number) => A): Effect.Effect<A, RunNotFound> =>
      Effect.flatMap(find(id), (run) => transition((now) => use(run, now)))

    let sweptAt = -Infinity

    const nonce = (): string =>
      Math.floor(random.nextDoubleUnsafe() * 2 ** 52).toString(36) +
      Math.floor(random.nextDoubleUnsafe() * 2 ** 52).toString(36)

    return Broker.of({
      lease: store.options.lease,
      maxDeliveries: store.options.maxDeliveries,

      submit: (submission) =>
        Effect.suspend((): Effect.Effect<Submitted, DuplicateRun | PayloadTooLarge> => {
          const size = Math.max(submission.input.length, ...Array.from(submission.elements.values(), longest))
          if (size > store.options.payloadLimit) {
            return Effect.fail(new PayloadTooLarge({ run: submission.id, size, limit: store.options.payloadLimit }))
          }
          return Effect.flatMap(
            transition((now) => submit(store, submission, now)),
            (said) =>
              said === "conflict"
                ? Effect.fail(new DuplicateRun({ run: submission.id }))
                : Effect.succeed({ created: said === "created" })
          )
        }),

      plan: (hash) => Effect.sync(() => store.programs.get(hash)?.plan),

      register: (worker) =>
        transition((now) => {
          if (!hints.has(worker.id)) hints.set(worker.id, { latch: Latch.makeUnsafe(false), kind: "claim" })
          register(store, worker, now)
        }),

      settle: ({ claim: max, settlements, worker: id }) =>
        transition((now) => {
          const worker = store.workers.get(id)
          advanceDeferred(store, now, slice)
          const draw = settlements.length === 0 ? 0 : random.nextDoubleUnsafe()
          // Steps of the golden ratio spread one draw evenly over the batch.
          const receipts = settlements.map((settlement, i) =>
            settle(store, worker, settlement, (draw + i * 0.618034) % 1, now)
          )
          const deliveries = worker === undefined || max === 0 ? [] : claim(store, worker, max, nonce(), now)
          toldTimer = nextTimer()
          return {
            receipts,
            deliveries,
            interrupt: worker === undefined ? [] : [...worker.interrupts],
            unknown: worker === undefined,
            timer: toldTimer - now
          }
        }),

      wake: (id) =>
        Effect.suspend(() => {
          const hint = hints.get(id)
          if (hint === undefined) return Effect.succeed<WakeUp>("claim")
          return Effect.map(hint.latch.await, () => {
            const { kind } = hint
            hint.latch.closeUnsafe()
            hint.kind = "claim"
            return kind
          })
        }),

      // All are told of all there is, which costs no more than to know who waits.
      stopWaiting: () => Effect.void,

      renew: (worker, holding) => transition((now) => renew(store, worker, holding, now)),

      heartbeat: (worker) =>
        Effect.acquireRelease(
          Effect.sync(() => {
            alive.add(worker)
            return { beat: () => {}, sinceRenewal: () => 0 }
          }),
          () => Effect.sync(() => alive.delete(worker))
        ),

      release: (id, claims) =>
        transition((now) => {
          const worker = store.workers.get(id)
          if (worker !== undefined) release(store, worker, claims, now)
        }),

      unregister: (id) =>
        transition((now) => {
          const worker = store.workers.get(id)
          if (worker !== undefined) dismiss(store, worker, "released", now)
          hints.get(id)?.latch.openUnsafe()
          hints.delete(id)
        }),

      cancel: (id) => known(id, (run, now) => cancel(store, run, now)),

      retry: (id, from) =>
        Effect.flatMap(find(id), (run) => {
          if (run.state === "running") return Effect.fail(new RunNotEnded({ run: id }))
          return transition((now) => {
            retry(store, run, from === undefined ? undefined : cellAt(run, from), now)
            return { generation: run.generation }
          })
        }),

      // What has no timer is looked at by who asks a second later.
      nextSweep: Effect.map(Clock.currentTimeMillis, (now) =>
        now >= sweptAt + Defaults.sweepInterval ? 0 : nextTimer() - now
      ),
      sweep: transition((now) => {
        sweptAt = now
        for (const id of alive) keep(store, id, now)
        return sweep(store, now)
      }),

      reconcile: Effect.succeed(0),

      read: (id, nodes) =>
        known(id, (run) =>
          nodes.map((address) => {
            const cell = cellAt(run, address)
            return cell === undefined ? undefined : endedOf(cell)
          })
        ),

      await: (id) =>
        Effect.flatMap(find(id), (run) => {
          if (run.state !== "running") return Effect.succeed(Inspect.endOf(run))
          let waiter = waiters.get(id)
          if (waiter === undefined) waiters.set(id, (waiter = Deferred.makeUnsafe()))
          return Deferred.await(waiter)
        }),

      run: (id) => known(id, Inspect.viewOf),
      runs: ({ limit, state }) => Effect.sync(() => Inspect.listRuns(store, state, limit)),
      nodes: (id, { after, limit }) => known(id, (run) => Inspect.listNodes(store, run, after, limit)),
      queues: Effect.sync(() => Inspect.listQueues(store)),
      workers: Effect.sync(() => Inspect.listWorkers(store)),
      dead: ({ limit }) => Effect.sync(() => DeadLetters.list(store, limit)),

      events: (id) =>
        Stream.callback<Event, RunNotFound>(
          (queue) =>
            Effect.flatMap(id === undefined ? Effect.undefined : find(id), (run) => {
              if (run !== undefined && run.state !== "running") return Effect.asVoid(Queue.end(queue))
              const watcher: Watcher = { run: id, queue }
              const watch = Effect.sync(() => {
                watchers.add(watcher)
                store.watched = true
              })
              const unwatch = Effect.sync(() => {
                watchers.delete(watcher)
                store.watched = watchers.size > 0
              })
              return Effect.acquireRelease(watch, () => unwatch)
            }),
          { bufferSize: eventBuffer, strategy: "sliding" }
        )
    })
  })

const longest = (elements: ReadonlyArray<string>): number =>
  elements.reduce((most, element) => Math.max(most, element.length), 0)

/** A broker of its own for whoever is given this layer. */
export const layer = (options: Options = {}): Layer.Layer<Broker> => Layer.effect(Broker, make(options))

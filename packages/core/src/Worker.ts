/**
 * A worker claims deliveries from a broker, runs their handlers, one fiber each, and reports what became of them.
 *
 * Which tasks it runs is said by their handlers: `Worker.layer` asks for those of the tasks it is given, so a missing one
 * is a compile error that names it; `Worker.fromContext` takes all there are in a context.
 *
 * **What it promises.** A handler runs at least once; its outcome is recorded once. It is interrupted when its run is
 * cancelled, when its attempt takes longer than the policy's `timeout`, and when the worker stops; its finalizers run. A
 * worker that falls silent loses what it holds to others when its lease runs out; one that can't be sure of its lease any
 * more (the store is away, its process stood still) interrupts its handlers before that, with a `LeaseLost` as the reason
 * of their abort signal, reports nothing of them, and goes on when the store is back.
 *
 * **How it stops.** When its scope closes: it claims nothing more; what is claimed and has not started is given back;
 * running handlers get `shutdownTimeout`, then they are interrupted and given back. No attempt is counted for what is
 * given back.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { Broker } from "./Broker.ts"
import type { Heartbeat, WorkerInfo } from "./Broker.ts"
import * as Defaults from "./Defaults.ts"
import * as Handler from "./Handler.ts"
import { sweeps } from "./Orchestrator.ts"
import { toId } from "./plan/Address.ts"
import * as RunId from "./RunId.ts"
import { Alarm } from "./worker/Alarm.ts"
import * as Exchange from "./worker/Exchange.ts"
import { Lease } from "./worker/Lease.ts"
import { Meter } from "./worker/Meter.ts"
import type { Stats } from "./worker/Meter.ts"
import { Slots } from "./worker/Slots.ts"
import * as Sources from "./worker/Sources.ts"

export type { Stats } from "./worker/Meter.ts"

/** How a worker works; every field has a default. */
export interface Options {
  /** Queues it takes work from. Default: `["default"]`. */
  readonly queues?: ReadonlyArray<string> | undefined
  /** Handlers it runs at once. Default: 100. */
  readonly concurrency?: number | undefined
  /** Whether it also sweeps, so that no orchestrator is needed. Default: true. */
  readonly sweep?: boolean | undefined
  /** How often it looks whether there is something to sweep, with jitter. Default: 1 second. */
  readonly sweepInterval?: Duration.Input | undefined
  /** How long it waits for a hint at most before it asks for work anyway; the least is half of it. Default: 2 seconds. */
  readonly pollInterval?: Duration.Input | undefined
  /** How long running handlers get when it stops. Default: 20 seconds. */
  readonly shutdownTimeout?: Duration.Input | undefined
  /** Where it runs, for people who look at the list of workers. Default: host name and process id, where the platform tells. */
  readonly host?: string | undefined
}

/** A delivery that a worker has in hand. */
export interface Holding {
  readonly run: string
  /** Readable id of the node; its address until the plan is at hand. */
  readonly node: string
  readonly attempt: number
  /** When the worker got it, in milliseconds since the epoch. */
  readonly since: number
}

/** A running worker, for a program that has one inside. */
export class Worker extends Context.Service<
  Worker,
  {
    readonly info: WorkerInfo
    /** What it has done so far. */
    readonly stats: Effect.Effect<Stats>
    /** What it has in hand, oldest first: handlers that run, and outcomes on their way to the broker. */
    readonly holding: Effect.Effect<ReadonlyArray<Holding>>
  }
>()("@arpeggio/core/Worker") {}

/** A task, as far as a worker needs to know it. */
export interface AnyTask {
  readonly key: string
}

/** The handlers of these tasks. */
export type HandlersOf<T extends AnyTask> = T extends { readonly key: infer K extends string }
  ? Handler.Handler<K>
  : never

/**
 * A worker for these tasks, running while the layer is.
 *
 * @example
 * ```ts
 * import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
 * import * as Task from "@arpeggio/core/Task"
 * import * as Worker from "@arpeggio/core/Worker"
 * import * as Effect from "effect/Effect"
 * import * as Layer from "effect/Layer"
 * import * as Schema from "effect/Schema"
 *
 * const greet = Task.make("greet", { input: Schema.String, output: Schema.String })
 * const handlers = greet.toLayer((name) => Effect.succeed(`Hello ${name}`))
 *
 * export const app = Worker.layer({ tasks: [greet] }).pipe(
 *   Layer.provide(handlers),
 *   Layer.provideMerge(MemoryBroker.layer())
 * )
 * ```
 */
export const layer = <const T extends ReadonlyArray<AnyTask>>(
  options: Options & { readonly tasks: T }
): Layer.Layer<Worker, never, Broker | HandlersOf<T[number]>> =>
  Layer.effect(
    Worker,
    Effect.flatMap(Effect.context<HandlersOf<T[number]>>(), (context) => {
      const executors = options.tasks.map((task) => Context.getUnsafe(context, Handler.tag(task.key)))
      return make(executors, options)
    })
  )

/** A worker for all handlers in a context, such as one built from a module's layer of handlers. */
export const fromContext = (
  handlers: Context.Context<never>,
  options: Options = {}
): Layer.Layer<Worker, never, Broker> => Layer.effect(Worker, make(Handler.all(handlers), options))

const make = (
  executors: ReadonlyArray<Handler.Executor>,
  options: Options
): Effect.Effect<Worker["Service"], never, Broker | Scope.Scope> =>
  Effect.gen(function* () {
    const broker = yield* Broker
    const clock = yield* Clock.Clock
    const scope = yield* Scope.Scope
    // What handlers see of the worker: its logger, tracer, clock. Their own services are inside them.
    const around: Context.Context<never> = yield* Effect.context<never>()
    const context = Context.omit(
      Scope.Scope,
      Tracer.ParentSpan
    )(around as Context.Context<Scope.Scope | Tracer.ParentSpan>)
    const meter = new Meter(context)
    const startedAt = clock.currentTimeMillisUnsafe()
    const info: WorkerInfo = {
      id: yield* RunId.make,
      tasks: executors.map((executor) => executor.task.key),
      queues: options.queues ?? [Defaults.policy.queue],
      concurrency: options.concurrency ?? Defaults.concurrency,
      host: options.host ?? thisHost()
    }
    const sources = yield* Sources.make(broker)
    const lease = new Lease(clock, broker.lease)
    const slots = new Slots({
      executors,
      meter,
      sources,
      context,
      clock,
      lease,
      onChange: () => exchange.notify(),
      onLost: () => exchange.renew()
    })
    const alarm = new Alarm(clock)
    const onTimer = (millis: number) => alarm.set(millis)
    const exchange = Exchange.make({ broker, worker: info, slots, lease, meter, onTimer })

    const pollInterval = Duration.toMillis(options.pollInterval ?? Defaults.pollInterval)
    const wakeUp = Effect.gen(function* () {
      yield* exchange.idle.await
      exchange.idle.closeUnsafe()
      exchange.hint(yield* broker.wake(info.id))
    })
    /** Shows life, and stops what is not certainly the worker's: on the moment, for others are given it soon after. */
    const watch = (heartbeat: Heartbeat) =>
      Effect.suspend(() => {
        heartbeat.beat()
        const left = lease.left()
        if (left <= 0) slots.lose()
        return Effect.sleep(left <= 0 ? pulse : Math.min(left, pulse))
      })
    const pulse = broker.lease / 10
    const duties = [
      // Without its wake-ups a worker still polls.
      Effect.forever(Effect.catchCause(wakeUp, () => Effect.sleep(pollInterval))),
      every(pollInterval * 0.9, pollInterval, () => exchange.hint("claim")),
      every(broker.lease / 4, broker.lease / 3, exchange.renew),
      ...(options.sweep === false ? [] : [sweeps({ interval: options.sweepInterval }, alarm)])
    ]

    yield* exchange.register.pipe(
      Effect.tapError((error) => Effect.logWarning("The worker could not register and tries again.", error)),
      Effect.retry(Sources.backOff),
      Effect.orDie
    )
    const heartbeat = yield* broker.heartbeat(info.id)
    lease.keptBy(heartbeat)
    const loop = yield* Effect.forkIn(exchange.run, scope)
    yield* Effect.forkIn(Effect.forever(watch(heartbeat)), scope)
    for (const duty of duties) yield* Effect.forkIn(duty, scope)
    // Added last, so it runs first: the loop must live to report what still ends.
    yield* Effect.addFinalizer(() => stop)

    const stop = Effect.gen(function* () {
      exchange.stop()
      slots.close()
      // What comes now is for others, who wait: they are told of it, and not this one.
      const farewell = yield* Effect.forkChild(Effect.ignore(broker.stopWaiting(info.id)))
      const drained = Effect.interruptible(exchange.drained.await)
      const inTime = yield* Effect.timeoutOption(drained, options.shutdownTimeout ?? Defaults.shutdownTimeout)
      if (inTime._tag === "None") {
        slots.interruptAll()
        yield* Effect.timeoutOption(drained, lastCall)
        slots.giveBackAll()
      }
      // A loop that is told the broker does not know it would register again.
      yield* Fiber.interruptAll([farewell, loop])
      // Gives back the rest too. A broker that is away will find out by the lease.
      yield* Effect.ignore(broker.unregister(info.id))
    })

    return Worker.of({
      info,
      stats: Effect.sync(() => {
        const now = clock.currentTimeMillisUnsafe()
        const elapsed = now - startedAt
        let busy = meter.busy
        for (const held of slots.held) if (held.fiber !== undefined) busy += now - held.startedAt
        return {
          ...meter.counts,
          running: slots.running,
          leaked: slots.leaked,
          concurrency: info.concurrency,
          elapsed,
          busy,
          utilization: elapsed === 0 ? 0 : busy / (elapsed * info.concurrency)
        }
      }),
      holding: Effect.sync(() =>
        Array.from(slots.held, ({ delivery: { attempt, node, planHash, run }, startedAt }) => {
          const plan = sources.known(planHash)?.plan
          return { run, node: plan === undefined ? node : toId(plan, node), attempt, since: startedAt }
        })
      )
    })
  })

/** How long interrupted handlers get for their finalizers when the worker stops, in milliseconds. */
const lastCall = 2_000

/** Calls again and again, at a random time between `least` and `most` milliseconds. */
const every = (least: number, most: number, call: () => void): Effect.Effect<never> =>
  Random.nextBetween(least, most).pipe(Effect.flatMap(Effect.sleep), Effect.andThen(Effect.sync(call)), Effect.forever)

const thisHost = (): string => {
  const { process } = globalThis as {
    readonly process?: {
      readonly pid?: number
      readonly getBuiltinModule?: (id: string) => { readonly hostname?: () => string } | undefined
    }
  }
  const name = process?.getBuiltinModule?.("node:os")?.hostname?.() ?? "unknown"
  return process?.pid === undefined ? name : `${name}:${process.pid}`
}

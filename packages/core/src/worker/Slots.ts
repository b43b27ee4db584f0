/**
 * The handlers of one worker: starts what is claimed, one fiber per delivery, and keeps each delivery in hand until its
 * report is recorded.
 *
 * ```
 *  start ─► preparing ─► running ─► reported ─► (receipt) gone
 *              │            │          ▲
 *              │            ├ time-out ┘   the handler may go on: leaked, its slot stays taken
 *              └────────────┴─► abandoned: lost, or given back; nothing it does is reported
 * ```
 *
 * No handler starts unless the lease is certainly the worker's. When it is not any more, `lose` abandons what has no
 * report; reports that are made already go out all the same, for the broker knows by the fence whether they still count.
 *
 * A slot is taken from the start until the handler has ended, whatever was reported meanwhile. This is the hot path: plain
 * records and callbacks, and no Effect but the handler's own.
 */
import * as Cause from "effect/Cause"
import type { Clock } from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Attempt from "../Attempt.ts"
import type { Claimed, Delivery, Ends, Outcome, Settlement } from "../Broker.ts"
import * as Defaults from "../Defaults.ts"
import { LeaseLost } from "../Failure.ts"
import type { RunDamaged, RunNotFound } from "../Failure.ts"
import type { Executor } from "../Handler.ts"
import { parse as parseAddress, toId } from "../plan/Address.ts"
import type { Frame } from "../plan/Address.ts"
import type { Decide, Task } from "../plan/Document.ts"
import { cachedParse, fill, withEnds } from "../plan/Values.ts"
import type { Prepared } from "../plan/Values.ts"
import * as Wire from "../plan/Wire.ts"
import type { Lease } from "./Lease.ts"
import type { Meter } from "./Meter.ts"
import type { Sources } from "./Sources.ts"
import * as Report from "./Report.ts"

/** A delivery in hand. */
export interface Held {
  readonly delivery: Delivery
  readonly startedAt: number
  /** What reads for it, or its handler. */
  fiber: Fiber.Fiber<unknown, unknown> | undefined
  /** What its handler knows of it, once that runs. */
  attempt: Attempt.Attempt["Service"] | undefined
  /** Waits for its time-out. */
  timer: Fiber.Fiber<unknown, unknown> | undefined
  /** Who asked it to stop. */
  stop: "cancel" | "shutdown" | undefined
  /** The report, once made. */
  settlement: Settlement | undefined
  /** It runs on although its time-out is reported. */
  leaked: boolean
  abandoned: boolean
}

export interface Handled {
  readonly executor: Executor
  /** What the worker gives, and over it the handler's own services. */
  readonly context: Context.Context<never>
  readonly codecs: Report.Codecs
}

export class Slots {
  readonly handlers: ReadonlyMap<string, Handled>
  /** What was abandoned is not among them. */
  readonly held = new Set<Held>()
  /** Reports to send. */
  outbox: Array<Held> = []
  /** Claims to give back. */
  returns: Array<Claimed> = []
  /** Slots taken. */
  running = 0
  /** Those of attempts that are settled already. */
  leaked = 0
  /** No handler is started any more. */
  closed = false

  readonly #meter: Meter
  readonly #sources: Sources
  readonly #context: Context.Context<never>
  readonly #clock: Clock
  readonly #lease: Lease
  readonly #onChange: () => void
  readonly #onLost: () => void
  readonly #parse = cachedParse(Defaults.payload.limit)

  /**
   * `onChange` is called when there is something to send, or a slot is free again; `onLost` when the lease was not certain
   * and something was abandoned for it.
   */
  constructor(options: {
    readonly executors: ReadonlyArray<Executor>
    readonly meter: Meter
    readonly sources: Sources
    readonly context: Context.Context<never>
    readonly clock: Clock
    readonly lease: Lease
    readonly onChange: () => void
    readonly onLost: () => void
  }) {
    this.handlers = new Map(
      options.executors.map((executor) => {
        const context = Context.merge(options.context, executor.services)
        return [executor.task.key, { executor, context, codecs: Report.codecsOf(executor.task) }]
      })
    )
    this.#meter = options.meter
    this.#sources = options.sources
    this.#context = options.context
    this.#clock = options.clock
    this.#lease = options.lease
    this.#onChange = options.onChange
    this.#onLost = options.onLost
  }

  start(delivery: Delivery): void {
    const held: Held = {
      delivery,
      startedAt: this.#clock.currentTimeMillisUnsafe(),
      fiber: undefined,
      attempt: undefined,
      timer: undefined,
      stop: undefined,
      settlement: undefined,
      leaked: false,
      abandoned: false
    }
    this.#meter.counts.claimed++
    this.held.add(held)
    this.running++
    if (this.closed) {
      this.#giveBack(held)
      return this.#free(held)
    }
    const prepared = this.#sources.known(delivery.planHash)
    if (prepared !== undefined) return this.#begin(held, prepared, delivery.ends)
    this.#prepare(held, this.#sources.plan(delivery.planHash), (read) => this.#begin(held, read, delivery.ends))
  }

  /** The broker wants it stopped: what it reports then is recorded. */
  interrupt(nonce: string): void {
    const held = this.#find(nonce)
    if (held === undefined || held.stop !== undefined || held.settlement !== undefined) return
    held.stop = "cancel"
    held.fiber?.interruptUnsafe()
  }

  /** The broker knows nothing of it: somebody else may run it, so it is stopped and its outcome is dropped. */
  drop(nonce: string): void {
    const held = this.#find(nonce)
    if (held === undefined || held.settlement !== undefined) return
    this.#lose(held)
  }

  /** The lease may be over, so all of it may be given to others. What the broker still counts as held it gets back. */
  lose(): void {
    let lost = 0
    for (const held of [...this.held]) {
      if (held.settlement !== undefined) continue
      this.returns.push(held.delivery)
      this.#lose(held)
      lost++
    }
    if (lost > 0) this.#onLost()
  }

  /** Of all it holds, for the broker to compare. */
  nonces(): ReadonlyArray<string> {
    return Array.from(this.held, (held) => held.delivery.nonce)
  }

  /** A scan of what runs at once: it is asked for at cancellations, where an index would cost at every delivery. */
  #find(nonce: string): Held | undefined {
    for (const held of this.held) if (held.delivery.nonce === nonce) return held
    return undefined
  }

  /** The report is recorded, or came too late. */
  forget(held: Held): void {
    this.held.delete(held)
  }

  /** Gives back what has not started; what runs goes on. */
  close(): void {
    this.closed = true
    for (const held of [...this.#preparing]) this.#giveBack(held)
    this.#onChange()
  }

  /** Interrupts what runs; what then ends without an outcome of its own is given back. */
  interruptAll(): void {
    for (const held of [...this.held]) {
      if (held.settlement !== undefined || held.stop === "shutdown") continue
      held.stop = "shutdown"
      held.fiber?.interruptUnsafe()
    }
  }

  /** Gives back also what does not heed its interruption. */
  giveBackAll(): void {
    for (const held of [...this.held]) {
      if (held.settlement === undefined) this.#giveBack(held)
    }
  }

  // ---- one delivery -----------------------------------------------------------------------------------------------

  readonly #preparing = new Set<Held>()

  /** Reads what is missing first: the plan, or ends that did not come with the delivery. */
  #prepare<A>(held: Held, reading: Effect.Effect<A, RunNotFound | RunDamaged>, then: (read: A) => void): void {
    this.#preparing.add(held)
    const fiber = Effect.runForkWith(this.#context)(reading)
    held.fiber = fiber
    fiber.addObserver((exit) => {
      this.#preparing.delete(held)
      held.fiber = undefined
      if (held.abandoned) return this.#free(held)
      if (Exit.isSuccess(exit)) return then(exit.value)
      if (held.stop === "cancel") return this.#end(held, Report.interrupted)
      const failure = exit.cause.reasons.find(Cause.isFailReason)
      if (failure !== undefined) {
        // The run is gone, so nobody waits for an outcome.
        this.#abandon(held)
        return this.#free(held)
      }
      this.#end(held, Report.died(exit.cause))
    })
  }

  #begin(held: Held, prepared: Prepared, ends: Ends): void {
    try {
      const { delivery } = held
      const at = parse(delivery.node)
      const definition = prepared.plan.nodes[at.node] as Task | Decide
      const template = definition._tag === "Task" ? definition.input : definition.of
      const filled = fill(
        template,
        prepared,
        { frame: at.frame, input: delivery.input, items: delivery.items, ends },
        this.#parse
      )
      if (filled._tag === "Missing") {
        const reading = this.#sources.read(delivery.run, filled.read)
        this.#prepare(held, reading, (read) => this.#begin(held, prepared, withEnds(ends, read)))
      } else if (definition._tag === "Decide") {
        this.#end(held, Report.decided(at.node, definition.id, filled.value))
      } else {
        this.#run(held, prepared, definition, filled.value)
      }
    } catch (defect) {
      // A payload that is no JSON, or a fault of ours: an outcome like any other, never an end of the loop.
      if (held.settlement === undefined) this.#end(held, Report.died(Cause.die(defect)))
    }
  }

  #run(held: Held, prepared: Prepared, task: Task, json: unknown): void {
    const handled = this.handlers.get(task.task)
    if (handled === undefined) {
      // Granted to a worker that said it could not run it: give it back to the broker, which parks it.
      this.#giveBack(held)
      return this.#free(held)
    }
    const { codecs, context, executor } = handled
    const input = codecs.input(json)
    if (Exit.isFailure(input)) {
      return this.#end(held, Report.mismatch("input", task.task, Wire.issueOf(input.cause)))
    }
    // The last look before anything outside can happen.
    if (!this.#lease.isOurs()) {
      this.returns.push(held.delivery)
      this.#lose(held)
      this.#free(held)
      return this.#onLost()
    }
    const { delivery } = held
    const attempt = Attempt.make({
      runId: delivery.run,
      node: delivery.items.length === 0 ? task.id : toId(prepared.plan, delivery.node),
      number: delivery.attempt,
      generation: delivery.generation,
      lost: delivery.lost,
      fence: delivery.fence
    })
    held.attempt = attempt
    const fork = Effect.runForkWith(Context.add(context, Attempt.Attempt, attempt))
    const fiber = fork(executor.run(input.value))
    held.fiber = fiber
    fiber.addObserver((exit) => this.#ended(held, codecs, task, exit))
    const timeout = task.policy?.timeout
    if (timeout !== undefined && fiber.pollUnsafe() === undefined) {
      held.timer = fork(Effect.sleep(timeout))
      held.timer.addObserver((exit) => {
        if (Exit.isSuccess(exit)) this.#timeOut(held, timeout)
      })
    }
  }

  #timeOut(held: Held, after: number): void {
    if (held.settlement !== undefined || held.abandoned) return
    this.#report(held, Report.timedOut(after))
    held.fiber?.interruptUnsafe()
    if (held.fiber === undefined) return
    held.leaked = true
    this.leaked++
  }

  /** The handler has ended, by itself or stopped. */
  #ended(held: Held, codecs: Report.Codecs, task: Task, exit: Exit.Exit<unknown, unknown>): void {
    held.fiber = undefined
    held.timer?.interruptUnsafe()
    if (held.abandoned) return this.#free(held)
    if (held.leaked) this.leaked--
    if (held.settlement !== undefined) return this.#free(held)
    if (held.stop !== undefined && Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)) {
      if (held.stop === "cancel") return this.#end(held, Report.interrupted)
      this.#giveBack(held)
      return this.#free(held)
    }
    let outcome: Outcome
    try {
      outcome = Report.ended(codecs, task.decides, exit)
    } catch (defect) {
      outcome = Report.died(Cause.die(defect))
    }
    this.#end(held, outcome)
  }

  #end(held: Held, outcome: Outcome): void {
    this.#report(held, outcome)
    this.#free(held)
  }

  #report(held: Held, outcome: Outcome): void {
    const { attempt, node, nonce, run } = held.delivery
    held.settlement = { run, node, attempt, nonce, outcome }
    this.#meter.counts[counted[outcome._tag]]++
    this.outbox.push(held)
    this.#onChange()
  }

  #free(held: Held): void {
    this.running--
    this.#meter.busy += this.#clock.currentTimeMillisUnsafe() - held.startedAt
    this.#onChange()
  }

  #lose(held: Held): void {
    this.#meter.counts.lost++
    if (held.attempt !== undefined) {
      const { node, number, runId } = held.attempt
      Attempt.abortWith(held.attempt, new LeaseLost({ run: runId, node, attempt: number }))
    }
    this.#abandon(held)
  }

  #abandon(held: Held): void {
    held.abandoned = true
    this.held.delete(held)
    held.timer?.interruptUnsafe()
    held.fiber?.interruptUnsafe()
  }

  #giveBack(held: Held): void {
    this.#meter.counts.released++
    this.returns.push(held.delivery)
    this.#abandon(held)
  }
}

const counted = { Succeeded: "succeeded", Failed: "failed", Interrupted: "interrupted" } as const

const noFrame: Frame = []

const parse = (address: string): { readonly frame: Frame; readonly node: number } =>
  address.includes(".") ? parseAddress(address)! : { frame: noFrame, node: Number(address) }

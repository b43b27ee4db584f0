/**
 * The seam between Arpeggio and a store. A broker keeps runs, queues, leases and timers, and makes each transition
 * atomically; it counts and routes, it never looks into a payload. `MemoryBroker` is one, a Redis broker another; the
 * suite in `testing/BrokerSuite` says whether a third is one too.
 *
 * The verbs are those of a run's life: submit, claim, settle, renew, release, cancel, retry, sweep. Every verb that
 * changes something is idempotent: sent twice, it has happened once.
 *
 * ```
 *  submit ─► blocked ─► ready ─claim─► running ─settle─► succeeded | failed | (retry) scheduled ─sweep─► ready
 *                         ▲               │
 *                         └── release, or its worker's lease ran out (sweep)
 * ```
 *
 * **Who is authoritative.** The broker alone decides what a node's outcome is and who may run it. A delivery carries a
 * fence, the attempt's number and a nonce that nobody can guess; what comes with another fence is `stale` and changes
 * nothing. A worker keeps what it holds while it renews; a broker never trusts a clock but its own.
 *
 * **Who renews.** `renew` comes from the loop of a worker, which can be held up: by a handler that does not let go of the
 * event loop, or by a call that takes long. A `heartbeat` keeps the lease beside the loop, and only while the loop shows
 * life. Both tell the worker since when it may be sure of its lease; when that is too long ago, it stops its handlers by
 * itself, before anybody else can be given their work.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type {
  BrokerUnavailable,
  DuplicateRun,
  PayloadTooLarge,
  RunDamaged,
  RunNotEnded,
  RunNotFound
} from "./Failure.ts"
import type { End, Phase, Tally } from "./Phase.ts"
import type { Plan } from "./plan/Document.ts"

export type { Phase, Tally } from "./Phase.ts"

/** A recorded value: the text of its JSON, or what a codec made of it. A broker stores it as it is. */
export type Payload = string

/**
 * One node of one run: `12` is node 12 of the plan; `7.3.12` is node 12 in instance 3 of the body that node 7 collects;
 * deeper bodies add two numbers each.
 */
export type Address = string

/** How a node failed, as recorded. */
export interface Failed {
  /** The `_tag` of the error, or of the `StepFailure` where it is not one the task declares. Empty for an error without a tag. */
  readonly tag: string
  /** Whether the task's error schema declares it. */
  readonly declared: boolean
  /** The error by the task's schema, or the `StepFailure`. */
  readonly error: Payload
}

/** How a node ended, for who needs its value. */
export type Ended =
  /** `value` is there for tasks only; `from` for an `any` join: which edge fired; `count` for forks and collects: how many elements. */
  | { readonly _tag: "Succeeded"; readonly value?: Payload; readonly from?: number; readonly count?: number }
  /** It failed, or was skipped because the node at `cause` did. */
  | { readonly _tag: "Failed"; readonly failed: Failed; readonly cause: Address }
  /** On a branch not taken. */
  | { readonly _tag: "Void" }
  | { readonly _tag: "Cancelled" }

/** Recorded ends, by address. What is not there has not ended, or must be read from the broker. */
export interface Ends {
  readonly get: (address: Address) => Ended | undefined
}

// ---- submit -------------------------------------------------------------------------------------------------------

/** A run to accept. */
export interface Submission {
  readonly id: string
  /** Of `plan`, as `Plan.hash` gives it. */
  readonly planHash: string
  readonly plan: Plan
  readonly input: Payload
  /** The elements of every fork that the submission decides, by node. */
  readonly elements: ReadonlyMap<number, ReadonlyArray<Payload>>
  /** What happens to the rest of the run once its outcome is decided and failed. */
  readonly onFailure: "cancel" | "finish"
  /** The run starts this many milliseconds after its submission. */
  readonly delay: number
}

/** What a submission has done. */
export interface Submitted {
  /** False when the run was there already, with the same plan and input. */
  readonly created: boolean
}

// ---- workers ------------------------------------------------------------------------------------------------------

/** What a worker says of itself; it is sent again on every change and after a broker forgot it. */
export interface WorkerInfo {
  readonly id: string
  /** Task keys it has handlers for. */
  readonly tasks: ReadonlyArray<string>
  readonly queues: ReadonlyArray<string>
  readonly concurrency: number
  /** Where it runs: host and process id, for people. */
  readonly host: string
}

/** Which claim a report speaks of: node, attempt and nonce are the fence. */
export interface Claimed {
  readonly run: string
  readonly node: Address
  readonly attempt: number
  readonly nonce: string
}

/** An attempt handed to a worker, with all it needs to begin. */
export interface Delivery extends Claimed {
  /** A safe integer, greater than that of every delivery of the node before; for systems outside. */
  readonly fence: number
  readonly planHash: string
  readonly flow: string
  /** The generation of the run, from 1; a retry of the run opens the next. */
  readonly generation: number
  /** Deliveries of this attempt that were lost with their workers. */
  readonly lost: number
  readonly input: Payload
  /** The elements of the instances around the node, outermost first. */
  readonly items: ReadonlyArray<Payload>
  /** The ends its input needs; those that are missing are to be read. */
  readonly ends: Ends
}

/** What became of an attempt. */
export type Outcome =
  | {
      readonly _tag: "Succeeded"
      /** Absent for a `Decide` node. */
      readonly value?: Payload
      /** The elements of every fork it decides, by plan node; for a `Decide` node its own. */
      readonly elements?: ReadonlyMap<number, ReadonlyArray<Payload>>
    }
  | {
      readonly _tag: "Failed"
      readonly failed: Failed
      /** The handler's wish for the next attempt: milliseconds from now. Overrides the back-off, not the number of attempts. */
      readonly retryAfter?: number
      /** False when another attempt can't help (a value that does not fit). */
      readonly retryable: boolean
    }
  /** The worker stopped it because the broker asked for it. */
  | { readonly _tag: "Interrupted" }

/** The report of one attempt. */
export interface Settlement extends Claimed {
  readonly outcome: Outcome
}

/** `recorded` now, `already` recorded by an earlier send of the same report, or `stale`: the claim is no longer this worker's. */
export type Receipt = "recorded" | "already" | "stale"

/** What a worker has to report, and how much it wants to do next. */
export interface Settle {
  /** The id it registered with. */
  readonly worker: string
  readonly settlements: ReadonlyArray<Settlement>
  /** How many deliveries to claim in the same step; 0 for none. */
  readonly claim: number
}

/** The answer to a `Settle`. */
export interface Settled {
  /** One per settlement, in order. */
  readonly receipts: ReadonlyArray<Receipt>
  readonly deliveries: ReadonlyArray<Delivery>
  /** Nonces of deliveries the worker holds and should interrupt: their run is being cancelled. */
  readonly interrupt: ReadonlyArray<string>
  /** The broker does not know the worker (any more): register, then go on. */
  readonly unknown: boolean
  /**
   * Milliseconds until the first timer is due that this has set, or anybody where there was less to claim than asked for;
   * `Infinity` when there is none, as when nothing is said.
   */
  readonly timer?: number | undefined
}

/** There may be something to `claim`, or a timer to hear of; or something the worker holds is to stop: `settle` says what to `interrupt`. */
export type WakeUp = "claim" | "interrupt"

/** The answer to a renewal. */
export interface Renewed {
  /** Nonces the worker says it holds and the broker knows nothing of: drop them. */
  readonly lost: ReadonlyArray<string>
  /** As in `Settled`. */
  readonly interrupt: ReadonlyArray<string>
  /** As in `Settled`. */
  readonly unknown: boolean
}

/** What keeps the lease of a worker from outside of its loop. Both functions are cheap and never throw. */
export interface Heartbeat {
  /**
   * Says that the loop lives, ten times within a lease. When it has not been said for longer than the broker's stall budget,
   * the lease is not kept.
   */
  readonly beat: () => void
  /** Milliseconds since the last renewal that succeeded was *sent*; `Infinity` when there was none. */
  readonly sinceRenewal: () => number
}

// ---- sweep --------------------------------------------------------------------------------------------------------

/** What a sweep has done. */
export interface Swept {
  /** Timers that were due: retries, delays, expiries. */
  readonly timers: number
  /** How late the oldest of these timers was, in milliseconds; 0 when there was none. */
  readonly late: number
  /** Workers whose lease had run out. */
  readonly workers: number
  /** Finished runs removed by retention. */
  readonly removed: number
}

// ---- inspection ---------------------------------------------------------------------------------------------------

/** How a run is: only a running one has nodes that are open. */
export type RunState = "running" | "succeeded" | "failed" | "cancelled"

/** What all instances of one plan node have been through. */
export interface NodeProgress extends Tally {
  /** Instances that exist by now. */
  readonly total: number
  /** These, and those that are known to come: the elements that a `forEach` has yet to release. */
  readonly expected: number
  /** Whether that is all of them; false while a `forEach` around the node may still find elements. */
  readonly known: boolean
  /** Milliseconds its attempts ran, summed. */
  readonly busy: number
  /** Attempts that failed and were tried again. */
  readonly retries: number
}

/** A run in a list. */
export interface RunSummary {
  readonly id: string
  readonly flow: string
  readonly planHash: string
  readonly state: RunState
  /** From 1; a retry of the run opens the next. */
  readonly generation: number
  /** Milliseconds since the epoch, in the broker's clock. */
  readonly submittedAt: number
  /** The same; nothing while it is running. */
  readonly endedAt: number | undefined
}

/** A run, and how far its nodes are. */
export interface RunView extends RunSummary {
  /** Recorded as to be cancelled; running handlers may still be stopping. */
  readonly cancelling: boolean
  /** By plan node. */
  readonly nodes: ReadonlyArray<NodeProgress>
  /** What the run failed with, once it is decided. */
  readonly failure: { readonly node: Address; readonly attempt: number; readonly failed: Failed } | undefined
}

/** One instance of a node. */
export interface NodeView {
  readonly address: Address
  readonly state: Phase
  /** Which attempt it is in, or was in last, from 1; 0 before the first. */
  readonly attempt: number
  /** Deliveries of that attempt that were lost with their workers. */
  readonly lost: number
  /** The id of the worker that has it. */
  readonly worker: string | undefined
  /** When it becomes ready again, while scheduled: milliseconds since the epoch. */
  readonly dueAt: number | undefined
  /** What it failed with, or its last attempt while there will be another. */
  readonly failed: Failed | undefined
  /** Ready, but no worker that is known has a handler for its task. */
  readonly unroutable: boolean
}

/** A queue, and what waits in it for a worker. */
export interface QueueView {
  readonly queue: string
  /** Nodes that are ready, those included that nobody known can run. */
  readonly ready: number
  /** Ready nodes by task key that no known worker can run. */
  readonly unroutable: { readonly [task: string]: number }
}

/** A worker that the broker knows. */
export interface WorkerView extends WorkerInfo {
  /** Deliveries it holds. */
  readonly running: number
  /** When its lease runs out: milliseconds since the epoch, in the broker's clock. */
  readonly leaseUntil: number
}

/** A node that was given up because too many workers died over it: it failed with `PoisonPill`. */
export interface DeadLetter {
  readonly run: string
  readonly flow: string
  /** Of the run, by now. */
  readonly state: RunState
  /** Its readable id: `resize`, `each[3].resize`. */
  readonly node: string
  readonly address: Address
  /** The key of its task; nothing for built-in work. */
  readonly task: string | undefined
  readonly queue: string
  /** The attempt it was given up in, from 1. */
  readonly attempt: number
  /** Deliveries of that attempt that were lost, each with its worker. */
  readonly lost: number
  /** When it was given up: milliseconds since the epoch. */
  readonly since: number
}

/** How a run ended. Values of other nodes than its exit are read with `read`. */
export interface RunEnd {
  readonly state: Exclude<RunState, "running">
  readonly generation: number
  /** Undefined where the exit is a task that succeeded: then that is all the value takes. */
  readonly input: Payload | undefined
  readonly exit: Ended
  readonly failure: RunView["failure"]
}

// ---- events -------------------------------------------------------------------------------------------------------

/** What happened to a run, in order. `at` is in the broker's clock. */
export type Event = { readonly run: string; readonly at: number } & (
  | { readonly _tag: "RunStarted"; readonly generation: number }
  | { readonly _tag: "NodeStarted"; readonly node: Address; readonly attempt: number; readonly worker: string }
  | {
      readonly _tag: "NodeRetrying"
      readonly node: Address
      readonly attempt: number
      readonly dueAt: number
      readonly failed: Failed
    }
  | {
      readonly _tag: "NodeReleased"
      readonly node: Address
      readonly attempt: number
      readonly reason: "released" | "lost"
    }
  | { readonly _tag: "NodeEnded"; readonly node: Address; readonly state: End }
  | { readonly _tag: "RunCancelling" }
  /** The outcome is known; nodes may still be open. */
  | { readonly _tag: "RunDecided"; readonly state: RunEnd["state"] }
  | { readonly _tag: "RunEnded"; readonly state: RunEnd["state"] }
)

// ---- the seam -----------------------------------------------------------------------------------------------------

export class Broker extends Context.Service<
  Broker,
  {
    /** How long a silent worker keeps what it holds, in milliseconds. Workers renew three times as often. */
    readonly lease: number
    /** Workers that may die over one attempt before it fails. */
    readonly maxDeliveries: number
    /** Accepts a run. Same id, plan and input: nothing happens. Once it returns, the run will end. */
    readonly submit: (
      submission: Submission
    ) => Effect.Effect<Submitted, DuplicateRun | PayloadTooLarge | BrokerUnavailable>
    /** The plan stored under a hash. */
    readonly plan: (hash: string) => Effect.Effect<Plan | undefined, BrokerUnavailable>
    /** Makes a worker known, or says anew what it can run. */
    readonly register: (worker: WorkerInfo) => Effect.Effect<void, BrokerUnavailable>
    /** Records outcomes, moves on what they allow, and claims what is next, in one step. A value over the limit fails its node. */
    readonly settle: (settle: Settle) => Effect.Effect<Settled, BrokerUnavailable>
    /** Completes when there may be something for the worker, and says what: a hint, which may come late, twice or never. */
    readonly wake: (worker: string) => Effect.Effect<WakeUp, BrokerUnavailable>
    /** Until the worker asks for work again it is told of none: where others wait, they are. */
    readonly stopWaiting: (worker: string) => Effect.Effect<void, BrokerUnavailable>
    /** Extends a worker's lease, and reconciles what it holds with what the broker thinks it holds. */
    readonly renew: (worker: string, holding: ReadonlyArray<string>) => Effect.Effect<Renewed, BrokerUnavailable>
    /**
     * Keeps the lease of a registered worker until the scope closes, while the worker says that it lives, and reconciles
     * nothing. It never fails: a store that is away is tried until it is back.
     */
    readonly heartbeat: (worker: string) => Effect.Effect<Heartbeat, never, Scope.Scope>
    /**
     * Gives claims back untried: first in their queues, no attempt and no delivery counted. Until the worker asks for more it
     * is not told of any.
     */
    readonly release: (worker: string, claims: ReadonlyArray<Claimed>) => Effect.Effect<void, BrokerUnavailable>
    /** Forgets a worker; what it holds is released. */
    readonly unregister: (worker: string) => Effect.Effect<void, BrokerUnavailable>
    /** Once it returns, no delivery of the run is granted but of cleanup nodes. False when the run had ended. */
    readonly cancel: (run: string) => Effect.Effect<boolean, RunNotFound | RunDamaged | BrokerUnavailable>
    /** Opens the next generation: what failed unhandled, or `from`, starts again with all that depends on it. */
    readonly retry: (
      run: string,
      from?: Address
    ) => Effect.Effect<{ readonly generation: number }, RunNotFound | RunDamaged | RunNotEnded | BrokerUnavailable>
    /**
     * In how many milliseconds there may be something to sweep, 0 or less for now; cheaper than a sweep, for whoever asks
     * often. It says so of timers and leases, of what nobody waits for within a third of a lease.
     */
    readonly nextSweep: Effect.Effect<number, BrokerUnavailable>
    /** One bounded round of what needs a clock: due timers, expired leases, deferred work, retention. Any number may sweep at once. */
    readonly sweep: Effect.Effect<Swept, BrokerUnavailable>
    /**
     * Puts back what the store ought to move on and has lost sight of, and returns how many nodes, starts and runs that were.
     * A store without faults has none. Any number may ask at any time: the store says when it is due.
     */
    readonly reconcile: Effect.Effect<number, BrokerUnavailable>
    /** The ends of any number of nodes, in the order asked; `undefined` for those that have not ended or do not exist. */
    readonly read: (
      run: string,
      nodes: ReadonlyArray<Address>
    ) => Effect.Effect<ReadonlyArray<Ended | undefined>, RunNotFound | RunDamaged | BrokerUnavailable>
    /** Completes when the run has ended. */
    readonly await: (run: string) => Effect.Effect<RunEnd, RunNotFound | RunDamaged | BrokerUnavailable>
    readonly run: (run: string) => Effect.Effect<RunView, RunNotFound | RunDamaged | BrokerUnavailable>
    /** Runs, newest first. */
    readonly runs: (options: {
      readonly state?: RunState | undefined
      readonly limit: number
    }) => Effect.Effect<ReadonlyArray<RunSummary>, BrokerUnavailable>
    /** Instances of nodes, in the order of addresses, from the first one after `after`. */
    readonly nodes: (
      run: string,
      options: { readonly after?: Address | undefined; readonly limit: number }
    ) => Effect.Effect<ReadonlyArray<NodeView>, RunNotFound | RunDamaged | BrokerUnavailable>
    readonly queues: Effect.Effect<ReadonlyArray<QueueView>, BrokerUnavailable>
    readonly workers: Effect.Effect<ReadonlyArray<WorkerView>, BrokerUnavailable>
    /**
     * Nodes that were given up because workers died over them, newest first; 10,000 at least are known. One is there until its
     * run is removed, or a retry starts the node again or does without it.
     */
    readonly dead: (options: { readonly limit: number }) => Effect.Effect<ReadonlyArray<DeadLetter>, BrokerUnavailable>
    /** What happens to a run from now on, or to all runs; ends with the run. Slow readers lose events, never the broker. */
    readonly events: (run?: string) => Stream.Stream<Event, RunNotFound | RunDamaged | BrokerUnavailable>
  }
>()("@arpeggio/core/Broker") {}

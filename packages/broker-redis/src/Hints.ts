/**
 * What the store's channels say, for who waits in this process: workers that may find something, runs that ended, events.
 * All of it is hints; a message may be lost, so every waiter also asks by itself now and then.
 */
import type { Event, WakeUp } from "@arpeggio/core/Broker"
import type { BrokerUnavailable, RunDamaged, RunNotFound } from "@arpeggio/core/Failure"
import type { Plan } from "@arpeggio/core/Plan"
import type * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import * as Keys from "./Keys.ts"
import type * as Subscriber from "./Subscriber.ts"

export interface Watcher {
  readonly run: string | undefined
  readonly queue: Queue.Queue<Event, RunNotFound | RunDamaged | BrokerUnavailable | Cause.Done>
}

interface Listener {
  readonly latch: Latch.Latch
  /** The runs of what it was given and has not answered, by nonce. */
  readonly holding: Map<string, string>
  /** Calls that may give it something, and runs that began to close meanwhile: the message may overtake the answer. */
  calls: number
  readonly closedMeanwhile: Set<string>
  /** Runs of which it holds something that began to close, and no call of the worker has asked since what to stop. */
  closing: Set<string>
  /** What it has not been told yet. */
  kind: WakeUp
  /** How many times it was told that there may be something. */
  heard: number
  /** It was given less than it asked for, and has not been told since. */
  isWaiting: boolean
}

export interface Hints {
  readonly workers: Map<string, Listener>
  /** By run: told when it has ended, and what it ended with where the message says so. */
  readonly waiters: Map<string, Set<(said: string | undefined) => void>>
  /**
   * Runs that were submitted here, and their plans, while nothing is heard of their ends: who awaits one needs not ask whether
   * it has ended. Nothing while ends are not listened to.
   */
  expected: Map<string, Plan> | undefined
  readonly watchers: Set<Watcher>
}

export const make = (): Hints => ({ workers: new Map(), waiters: new Map(), expected: undefined, watchers: new Set() })

/** Most runs are awaited soon or never. */
const mostExpected = 1_000

/** To be said before a run is submitted: its end may be heard before the answer. */
export const expectEnd = ({ expected }: Hints, run: string, plan: Plan): void => {
  if (expected === undefined) return
  expected.set(run, plan)
  if (expected.size > mostExpected) expected.delete(expected.keys().next().value!)
}

export const listenTo = (self: Hints, worker: string): void => {
  const known = self.workers.get(worker)
  self.workers.set(worker, {
    latch: known?.latch ?? Latch.makeUnsafe(false),
    holding: known?.holding ?? new Map(),
    calls: known?.calls ?? 0,
    closedMeanwhile: known?.closedMeanwhile ?? new Set(),
    closing: known?.closing ?? new Set(),
    kind: known?.kind ?? "claim",
    heard: known?.heard ?? 0,
    isWaiting: false
  })
}

const tell = (listener: Listener | undefined): void => {
  if (listener === undefined) return
  listener.heard++
  listener.isWaiting = false
  listener.latch.openUnsafe()
}

/** A call of the worker begins after which it may wait no more. What is returned is for `waits`. */
export const asks = (self: Hints, worker: string): number => {
  const listener = self.workers.get(worker)
  if (listener === undefined) return 0
  listener.isWaiting = false
  return listener.heard
}

/** That call gave it less than it asked for. */
export const waits = (self: Hints, worker: string, heard: number): void => {
  const listener = self.workers.get(worker)
  if (listener?.heard === heard) listener.isWaiting = true
}

export const isWaiting = (self: Hints, worker: string): boolean => self.workers.get(worker)?.isWaiting === true

/** Waits for a hint and says what for; for a worker that is not known here, for ever. */
export const wake = (self: Hints, worker: string): Effect.Effect<WakeUp> =>
  Effect.suspend(() => {
    const listener = self.workers.get(worker)
    if (listener === undefined) return Effect.never
    return Effect.map(listener.latch.await, () => {
      const { kind } = listener
      listener.latch.closeUnsafe()
      listener.kind = "claim"
      return kind
    })
  })

/** Does a call of a worker, and notes what it gives it. */
export const giving = <A, E>(
  self: Hints,
  worker: string,
  call: Effect.Effect<A, E>,
  given: (answer: A) => ReadonlyArray<{ readonly nonce: string; readonly run: string }>
): Effect.Effect<A, E> =>
  Effect.suspend(() => {
    const listener = self.workers.get(worker)
    if (listener === undefined) return call
    listener.calls++
    const note = (answer: A) => {
      for (const { nonce, run } of given(answer)) {
        listener.holding.set(nonce, run)
        if (listener.closedMeanwhile.has(run)) tellToAsk(listener, run)
      }
    }
    const done = Effect.sync(() => {
      if (--listener.calls === 0) listener.closedMeanwhile.clear()
    })
    return Effect.ensuring(
      Effect.tap(call, (answer) => Effect.sync(() => note(answer))),
      done
    )
  })

/** The worker holds these no more, or knows that they are to stop. */
export const letGo = (self: Hints, worker: string, nonces: ReadonlyArray<string>): void => {
  for (const nonce of nonces) self.workers.get(worker)?.holding.delete(nonce)
}

const hearClosing = (listener: Listener, run: string): void => {
  if (listener.calls > 0) listener.closedMeanwhile.add(run)
  for (const held of listener.holding.values()) if (held === run) return tellToAsk(listener, run)
}

const tellToAsk = (listener: Listener, run: string): void => {
  listener.closing.add(run)
  listener.kind = "interrupt"
  tell(listener)
}

/** The runs that have begun to close since the last time this was asked for the worker, and of which it still holds something. */
export const takeClosing = (self: Hints, worker: string): ReadonlyArray<string> => {
  const listener = self.workers.get(worker)
  if (listener === undefined || listener.closing.size === 0) return []
  const held = new Set(listener.holding.values())
  const runs = [...listener.closing].filter((run) => held.has(run))
  listener.closing.clear()
  return runs
}

export type Channel = typeof Keys.wake | typeof Keys.ended | typeof Keys.events

/** What is done with the messages on each channel of the partition, and who needs them. */
export const subscriptions = (self: Hints): { readonly [C in Channel]: Subscriber.Subscription } => ({
  [Keys.wake]: {
    hear: (message) => {
      const [workers = [], closing = []] = message.split("\n").map((line) => line.split("\t"))
      for (const worker of workers) tell(self.workers.get(worker))
      for (const listener of self.workers.values()) for (const run of closing) hearClosing(listener, run)
    },
    isNeeded: () => self.workers.size > 0,
    left: () => {}
  },
  [Keys.ended]: {
    hear: (message) => {
      for (const entry of message.split("\t")) {
        const line = entry.indexOf("\n")
        const [run, said] = line < 0 ? [entry] : [entry.slice(0, line), entry.slice(line + 1)]
        self.expected?.delete(run)
        for (const tell of self.waiters.get(run) ?? []) tell(said)
      }
    },
    isNeeded: () => self.waiters.size > 0,
    left: () => {
      self.expected = undefined
    }
  },
  [Keys.events]: {
    hear: (message) => {
      for (const event of parseEvents(message)) for (const watcher of self.watchers) publish(watcher, event)
    },
    isNeeded: () => self.watchers.size > 0,
    left: () => {}
  }
})

const publish = ({ queue, run }: Watcher, event: Event): void => {
  if (run !== undefined && run !== event.run) return
  Queue.offerUnsafe(queue, event)
  if (run !== undefined && event._tag === "RunEnded") Queue.endUnsafe(queue)
}

/** As `tell` in `scripts/run.lua` writes it. */
// oxlint-disable-next-line typescript/no-explicit-any -- what follows depends on the event
type Message = readonly [event: Event["_tag"], run: string, at: number, ...rest: ReadonlyArray<any>]

const ends = { S: "succeeded", F: "failed", K: "skipped", V: "void", X: "cancelled" } as const
const outcomes = { S: "succeeded", F: "failed", X: "cancelled" } as const

const parseEvents = (message: string): ReadonlyArray<Event> =>
  (JSON.parse(message) as ReadonlyArray<Message>).map(
    ([_tag, run, at, first, second, third, tag, declared, error]): Event => {
      switch (_tag) {
        case "RunStarted":
          return { _tag, run, at, generation: first }
        case "NodeStarted":
          return { _tag, run, at, node: first, attempt: second, worker: third }
        case "NodeRetrying":
          return {
            _tag,
            run,
            at,
            node: first,
            attempt: second,
            dueAt: third,
            failed: { tag, declared: declared === "1", error }
          }
        case "NodeReleased":
          return { _tag, run, at, node: first, attempt: second, reason: third }
        case "NodeEnded":
          return { _tag, run, at, node: first, state: ends[second as keyof typeof ends] }
        case "RunCancelling":
          return { _tag, run, at }
        case "RunDecided":
        case "RunEnded":
          return { _tag, run, at, state: outcomes[first as keyof typeof outcomes] }
      }
    }
  )

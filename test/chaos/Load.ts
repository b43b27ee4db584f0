/**
 * The users of a campaign: they submit runs over two connections, some twice, cancel some, retry some, and await all of them.
 * Where the store says that it does not know a run it had accepted, they submit it again, and in the end they ask for all once
 * more: what they were told may have been lost since.
 */
import type { Broker, Event } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import type { SubmitError } from "@arpeggio/core/Client"
import type { BrokerUnavailable, IncompatibleStore } from "@arpeggio/core/Failure"
import type { Outcome } from "@arpeggio/core/Run"
import * as RedisBroker from "@arpeggio/broker-redis/RedisBroker"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Job } from "./Job.ts"
import * as Loss from "./Loss.ts"
import type { StoreSettings } from "./Settings.ts"

/** What became of a job, as its user saw it. Times in milliseconds of this machine's clock. */
export interface Story {
  readonly job: Job
  /** What the store said of it, in order: that it had accepted it, or did not know it. */
  readonly answers: Array<{ readonly said: "accepted" | "unknown"; readonly at: number }>
  cancel: "not asked" | "acknowledged" | "too late" | "unanswered"
  /** When its user was told how it had ended, and how. */
  told: Told | undefined
  /** The same, asked once more when nothing went wrong any more, where it had not been removed by then. */
  final: Told | undefined
  /** Whether it ended so long ago that the store need not have it any more, and whether it has not. */
  isOld: boolean
  isRemoved: boolean
  /** What should not have happened. */
  trouble: string | undefined
}

export interface Told {
  readonly at: number
  readonly outcome: Outcome
}

/** Two events of a run that exclude each other, in the order of the store; times are the store's. */
export interface Contradiction {
  readonly what: string
  readonly first: number
  readonly second: number
}

/** What was seen in the stream of events, which may have gaps. */
export interface Watch {
  readonly events: { count: number; lost: number; released: number; retrying: number }
  readonly contradictions: Array<Contradiction>
}

export interface Counts {
  /** Calls that failed with `BrokerUnavailable` and were made again. */
  retried: number
  /** Of those, submissions refused because the memory was full. */
  refused: number
  conflicts: number
  /** Retries of runs that had failed. */
  recoveries: number
}

/** The users of a campaign, and what they have seen so far. */
export interface Users {
  readonly stories: ReadonlyArray<Story>
  readonly watch: Watch
  readonly counts: Counts
}

export const make = (jobs: ReadonlyArray<Job>): Users => ({
  stories: jobs.map((job) => ({
    job,
    answers: [],
    cancel: "not asked",
    told: undefined,
    final: undefined,
    isOld: false,
    isRemoved: false,
    trouble: undefined
  })),
  watch: { events: { count: 0, lost: 0, released: 0, retrying: 0 }, contradictions: [] },
  counts: { retried: 0, refused: 0, conflicts: 0, recoveries: 0 }
})

const connect = (
  settings: StoreSettings
): Effect.Effect<Context.Context<Broker>, BrokerUnavailable | IncompatibleStore, Scope.Scope> =>
  Layer.build(RedisBroker.layer(settings))

const again = Schedule.jittered(Schedule.spaced("100 millis"))

/**
 * Plays all jobs, evenly over `window` milliseconds, and asks for all outcomes once more when there is `peace`. Whoever has
 * not got an answer `patience` milliseconds after that gives up. The store keeps the last `retention`
 * of those that ended alike.
 */
export const play = (
  { counts, stories, watch }: Users,
  options: {
    readonly direct: StoreSettings
    readonly proxied: StoreSettings
    readonly losses: ReadonlyArray<Loss.Loss>
    readonly window: number
    readonly peace: Effect.Effect<unknown>
    readonly patience: number
    readonly retention: number
  }
): Effect.Effect<void, BrokerUnavailable | IncompatibleStore> =>
  Effect.scoped(
    Effect.gen(function* () {
      const near = yield* connect(options.direct)
      const far = yield* connect(options.proxied)
      // Of runs that are retried much may happen twice.
      const recovering = new Set(stories.flatMap(({ job }) => (job.shape === "recovered" ? [job.id] : [])))
      yield* Effect.forkScoped(Effect.provideContext(watched(watch, recovering), near))

      const persist = <A, E>(call: Effect.Effect<A, E, Broker>, broker: Context.Context<Broker>): Effect.Effect<A, E> =>
        Effect.provideContext(call, broker).pipe(
          Effect.retry({
            schedule: again,
            while: (error) => {
              const isAway = tagOf(error) === "BrokerUnavailable"
              if (isAway) counts.retried++
              if (isAway && String((error as { readonly reason?: string }).reason).startsWith("OOM")) counts.refused++
              return isAway
            }
          })
        )

      const submit = ({ answers, job }: Story, broker: Context.Context<Broker>): Effect.Effect<void, SubmitError> =>
        Effect.map(persist(Client.submit(job.flow, job.input, { id: job.id }), broker), () => {
          answers.push({ said: "accepted", at: Date.now() })
        })

      /** A run that the store does not know is submitted again, with the same id. */
      const insist = <A, E>(
        story: Story,
        call: Effect.Effect<A, E, Broker>,
        broker: Context.Context<Broker>
      ): Effect.Effect<A, E | SubmitError> =>
        persist(call, broker).pipe(
          Effect.tapError((error) => {
            if (tagOf(error) !== "RunNotFound") return Effect.void
            story.answers.push({ said: "unknown", at: Date.now() })
            return submit(story, broker)
          }),
          Effect.retry({ while: (error) => tagOf(error) === "RunNotFound" })
        )

      /** How it ended. Where it is to recover and has failed, be it once more because the store has lost that, it is retried. */
      const outcome = (story: Story, broker: Context.Context<Broker>): Effect.Effect<Told, unknown> =>
        Effect.flatMap(insist(story, Client.outcome(story.job.id), broker), (ended): Effect.Effect<Told, unknown> => {
          if (story.job.shape !== "recovered" || ended._tag !== "Failed" || ended.failed.tag !== "Refused")
            return Effect.succeed({ at: Date.now(), outcome: ended })
          return insist(story, Client.retry(story.job.id), broker).pipe(
            Effect.tap(() => Effect.sync(() => counts.recoveries++)),
            // An earlier sending of this has retried it.
            Effect.catchIf(
              (error) => tagOf(error) === "RunNotEnded",
              () => Effect.void
            ),
            Effect.andThen(outcome(story, broker))
          )
        })

      const isSafe = ({ answers }: Story): boolean =>
        !options.losses.some((loss) => answers.some(({ at }) => Loss.covers(loss, at)))

      const user = (
        story: Story,
        [mine, other]: ReadonlyArray<Context.Context<Broker>>
      ): Effect.Effect<void, unknown> =>
        Effect.gen(function* () {
          const { job } = story
          const connections = job.twice ? [mine!, other!] : [mine!]
          yield* Effect.forEach(connections, (broker) => submit(story, broker), { concurrency: 2 })
          // Where the store has lost the run, another one may have its id.
          if (job.twice && job.shape === "slow" && isSafe(story)) {
            const wrong = yield* Effect.exit(persist(Client.submit(job.flow, { n: -1, ms: 0 }, { id: job.id }), other!))
            if (isConflict(wrong)) counts.conflicts++
            else story.trouble = `another input under the same id gave ${String(wrong)}`
          }
          if (job.cancelAfter !== undefined) {
            yield* Effect.sleep(job.cancelAfter)
            story.cancel = "unanswered"
            story.cancel = (yield* insist(story, Client.cancel(job.id), other!)) ? "acknowledged" : "too late"
          }
          story.told = yield* outcome(story, mine!)
        })

      const trouble = (story: Story) => (cause: Cause.Cause<unknown>) =>
        Effect.sync(() => {
          story.trouble = Cause.pretty(cause)
        })

      const places = [
        [near, far],
        [far, near]
      ]
      const gap = options.window / stories.length
      const startedAt = Date.now()
      const users = yield* FiberSet.make()
      for (const [index, story] of stories.entries()) {
        yield* Effect.sleep(Math.max(0, startedAt + index * gap - Date.now()))
        yield* FiberSet.run(users, Effect.catchCause(user(story, places[index % 2]!), trouble(story)))
      }
      yield* options.peace
      const patiently = Effect.timeoutOption(Duration.millis(options.patience))
      yield* patiently(FiberSet.awaitEmpty(users))
      const ended = stories.filter(({ told }) => told !== undefined)
      yield* Effect.forEach(
        ended,
        (story, index) =>
          Effect.gen(function* () {
            const broker = places[index % 2]![0]!
            // Others were told their ends about when the store noted them.
            story.isOld = countLater(ended, story) > options.retention / 2
            if (story.isOld) {
              const known = yield* Effect.exit(persist(Client.outcome(story.job.id), broker))
              story.isRemoved = Exit.isFailure(known) && isOfUnknown(known.cause)
            }
            story.final = story.isRemoved ? story.told : yield* outcome(story, broker)
          }).pipe(Effect.catchCause(trouble(story))),
        { concurrency: 100, discard: true }
      ).pipe(patiently)
    })
  )

/** However they ended: retention counts a run that failed and was retried among the failed ones as well. */
const countLater = (stories: ReadonlyArray<Story>, { told }: Story): number =>
  stories.filter((other) => other.told!.at > told!.at).length

export const isOfUnknown = ({ reasons }: Cause.Cause<unknown>): boolean =>
  reasons.some((reason) => Cause.isFailReason(reason) && tagOf(reason.error) === "RunNotFound")

const tagOf = (error: unknown): string | undefined => (error as { readonly _tag?: string })._tag

const isConflict = (exit: Exit.Exit<unknown, { readonly _tag: string }>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) => Cause.isFailReason(reason) && reason.error._tag === "DuplicateRun")

// ---- events -----------------------------------------------------------------------------------------------------------

/** Follows the events of all runs for as long as it lives; they come in the order of the store. */
const watched = (watch: Watch, recovering: ReadonlySet<string>): Effect.Effect<void, never, Broker> => {
  const cancelling = new Map<string, number>()
  const ended = new Map<string, number>()
  const see = (event: Event): void => {
    const { contradictions, events } = watch
    events.count++
    const { at, run } = event
    const contradict = (first: number | undefined, what: string) => {
      if (first !== undefined && !recovering.has(run))
        contradictions.push({ what: `${run}: ${what}`, first, second: at })
    }
    switch (event._tag) {
      case "RunCancelling":
        cancelling.set(run, at)
        return
      case "NodeStarted":
        contradict(cancelling.get(run), `${event.node} was granted after the cancel was recorded`)
        contradict(ended.get(`${run} ${event.node}`), `${event.node} was granted after it had ended`)
        return
      case "NodeEnded":
        contradict(ended.get(`${run} ${event.node}`), `the end of ${event.node} was recorded twice`)
        ended.set(`${run} ${event.node}`, at)
        return
      case "NodeReleased":
        events[event.reason]++
        return
      case "NodeRetrying":
        events.retrying++
        return
      case "RunEnded":
        contradict(ended.get(run), "its end was recorded twice")
        ended.set(run, at)
        return
      case "RunStarted":
      case "RunDecided":
        return
    }
  }
  return Stream.runForEach(Client.events(), (event) => Effect.sync(() => see(event))).pipe(
    Effect.catchCause(() => Effect.sleep("200 millis")),
    Effect.forever
  )
}

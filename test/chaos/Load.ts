/**
 * The users of a campaign: they submit runs over two connections, some twice, cancel some, and await all of them.
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
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Job } from "./Job.ts"
import type { StoreSettings } from "./Settings.ts"

/** What became of a job, as its user saw it. */
export interface Story {
  readonly job: Job
  acceptedAt: number | undefined
  cancel: "not asked" | "acknowledged" | "too late" | "unanswered"
  endedAt: number | undefined
  outcome: Outcome | undefined
  /** What should not have happened. */
  trouble: string | undefined
}

/** What was seen in the stream of events, which may have gaps. */
export interface Watch {
  readonly events: { count: number; lost: number; released: number; retrying: number }
  /** By run: what contradicts itself in the order of the store. */
  readonly contradictions: Array<string>
}

export interface Counts {
  /** Calls that failed with `BrokerUnavailable` and were made again. */
  retried: number
  /** Of those, submissions refused because the memory was full. */
  refused: number
  conflicts: number
}

export interface Users {
  readonly stories: ReadonlyArray<Story>
  readonly watch: Watch
  readonly counts: Counts
}

const connect = (
  settings: StoreSettings
): Effect.Effect<Context.Context<Broker>, BrokerUnavailable | IncompatibleStore, Scope.Scope> =>
  Layer.build(RedisBroker.layer(settings))

const again = Schedule.jittered(Schedule.spaced("100 millis"))

/** Plays all jobs, evenly over `window` milliseconds; whoever has not got an answer by `deadline` milliseconds gives up. */
export const play = (
  jobs: ReadonlyArray<Job>,
  options: {
    readonly direct: StoreSettings
    readonly proxied: StoreSettings
    readonly window: number
    readonly deadline: number
  }
): Effect.Effect<Users, BrokerUnavailable | IncompatibleStore> =>
  Effect.scoped(
    Effect.gen(function* () {
      const near = yield* connect(options.direct)
      const far = yield* connect(options.proxied)
      const counts: Counts = { retried: 0, refused: 0, conflicts: 0 }
      const watch: Watch = { events: { count: 0, lost: 0, released: 0, retrying: 0 }, contradictions: [] }
      yield* Effect.forkScoped(Effect.provideContext(watched(watch), near))

      const persist = <A, E>(call: Effect.Effect<A, E, Broker>, broker: Context.Context<Broker>): Effect.Effect<A, E> =>
        Effect.provideContext(call, broker).pipe(
          Effect.retry({
            schedule: again,
            while: (error) => {
              const isAway = (error as { readonly _tag?: string })._tag === "BrokerUnavailable"
              if (isAway) counts.retried++
              if (isAway && String((error as { readonly reason?: string }).reason).startsWith("OOM")) counts.refused++
              return isAway
            }
          })
        )

      const user = (story: Story, index: number): Effect.Effect<void, unknown> =>
        Effect.gen(function* () {
          const { job } = story
          yield* Effect.sleep((options.window * index) / jobs.length)
          const [mine, other] = index % 2 === 0 ? [near, far] : [far, near]
          const submit = (broker: Context.Context<Broker>): Effect.Effect<unknown, SubmitError> =>
            persist(Client.submit(job.flow, job.input, { id: job.id }), broker)
          yield* Effect.all(job.twice ? [submit(mine), submit(other)] : [submit(mine)], { concurrency: 2 })
          story.acceptedAt = Date.now()
          if (job.twice && job.shape === "slow") {
            const wrong = yield* Effect.exit(persist(Client.submit(job.flow, { n: -1, ms: 0 }, { id: job.id }), other))
            if (isConflict(wrong)) counts.conflicts++
            else story.trouble = `another input under the same id gave ${String(wrong)}`
          }
          if (job.cancelAfter !== undefined) {
            yield* Effect.sleep(job.cancelAfter)
            story.cancel = "unanswered"
            story.cancel = (yield* persist(Client.cancel(job.id), other)) ? "acknowledged" : "too late"
          }
          story.outcome = yield* Effect.provideContext(Client.outcome(job.id), mine)
          story.endedAt = Date.now()
        })

      const stories = jobs.map((job): Story => ({
        job,
        acceptedAt: undefined,
        cancel: "not asked",
        endedAt: undefined,
        outcome: undefined,
        trouble: undefined
      }))
      yield* Effect.forEach(
        stories,
        (story, index) =>
          user(story, index).pipe(
            Effect.catchCause((cause) =>
              Effect.sync(() => {
                story.trouble = Cause.pretty(cause)
              })
            )
          ),
        { concurrency: "unbounded", discard: true }
      ).pipe(Effect.timeoutOption(Duration.millis(options.deadline)))
      return { stories, watch, counts }
    })
  )

const isConflict = (exit: Exit.Exit<unknown, { readonly _tag: string }>): boolean =>
  Exit.isFailure(exit) &&
  exit.cause.reasons.some((reason) => Cause.isFailReason(reason) && reason.error._tag === "DuplicateRun")

// ---- events -----------------------------------------------------------------------------------------------------------

/** Follows the events of all runs for as long as it lives; they come in the order of the store. */
const watched = (watch: Watch): Effect.Effect<void, never, Broker> => {
  const cancelling = new Set<string>()
  const ended = new Set<string>()
  const see = (event: Event): void => {
    const { contradictions, events } = watch
    events.count++
    const { run } = event
    switch (event._tag) {
      case "RunCancelling":
        cancelling.add(run)
        return
      case "NodeStarted":
        if (cancelling.has(run)) contradictions.push(`${run}: ${event.node} was granted after the cancel was recorded`)
        if (ended.has(`${run} ${event.node}`))
          contradictions.push(`${run}: ${event.node} was granted after it had ended`)
        return
      case "NodeEnded":
        if (ended.has(`${run} ${event.node}`))
          contradictions.push(`${run}: the end of ${event.node} was recorded twice`)
        ended.add(`${run} ${event.node}`)
        return
      case "NodeReleased":
        events[event.reason]++
        return
      case "NodeRetrying":
        events.retrying++
        return
      case "RunEnded":
        if (ended.has(run)) contradictions.push(`${run}: its end was recorded twice`)
        ended.add(run)
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

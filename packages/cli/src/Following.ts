/**
 * A run in a store that others work on, followed from here until it has ended: its live view, what no worker can run, and
 * in the end its result. Leaving it leaves the run as it is.
 */
import type { RunView } from "@arpeggio/core/Broker"
import { Broker } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import type { BrokerUnavailable, RunDamaged, RunNotFound } from "@arpeggio/core/Failure"
import * as Outage from "@arpeggio/core/Outage"
import type { Plan } from "@arpeggio/core/Plan"
import * as Effect from "effect/Effect"
import type { RunFailed } from "./ExitCode.ts"
import * as LiveView from "./LiveView.ts"
import * as MissingWorkers from "./MissingWorkers.ts"
import * as Outcome from "./Outcome.ts"
import * as Store from "./Store.ts"

export interface Options {
  readonly run: string
  readonly store: Store.Store
  /** A module that has the handlers, for advice. */
  readonly module: string
  /** Nothing but the result, and errors. */
  readonly quiet: boolean
  readonly json: boolean
  readonly color: boolean
}

/** Milliseconds between two looks at the workers. */
const interval = 2_000

/** Shows the run until it has ended, then its result. Interrupted, it says that the run goes on and how to come back. */
export const follow = (
  options: Options
): Effect.Effect<void, RunFailed | RunNotFound | RunDamaged | BrokerUnavailable, Broker> =>
  Effect.gen(function* () {
    const { run, store, quiet, json, color } = options
    const broker = yield* Broker
    const plan = yield* Client.plan(run)
    const shown = !quiet && !json
    const watched = Effect.gen(function* () {
      let trouble: string | undefined
      const announce: Outage.Announce = (error, back) => {
        const text = `${Store.sentence(store, error)} Trying again; the run is kept there.`
        if (!shown) process.stderr.write(`arpeggio: ${text}\n`)
        trouble = text
        return Effect.ensuring(
          back,
          Effect.sync(() => (trouble = undefined))
        )
      }
      if (shown) {
        const missing = yield* watchWorkers(broker, plan, options)
        const notes = () => [...missing(), ...(trouble === undefined ? [] : [trouble])]
        yield* LiveView.follow(run, { color, notes })
      }
      return yield* Outage.rideOut(broker, run, Effect.andThen(broker.await(run), broker.run(run)), announce)
    })
    const view = yield* Effect.onInterrupt(Effect.scoped(watched), () => Effect.sync(() => detach(options)))
    const result = yield* Outcome.read(run)
    yield* Outcome.report({ plan, view, result, wall: wallOf(view), worker: undefined }, options)
  })

/** What of the run no worker can run, in words, kept up to date until the scope closes. */
const watchWorkers = Effect.fnUntraced(function* (
  broker: Broker["Service"],
  plan: Plan,
  { run, store, module }: Options
) {
  let notes: ReadonlyArray<string> = []
  const look = Effect.gen(function* () {
    const missing = MissingWorkers.of(plan, yield* broker.run(run), yield* broker.workers)
    notes = MissingWorkers.inWords(missing, module, store.flags)
  })
  yield* look
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(interval), Effect.ignore(look))))
  return () => notes
})

const detach = ({ run, store, json }: Options): void => {
  const next = { watch: `arpeggio watch ${run}${store.flags}`, cancel: `arpeggio cancel ${run}${store.flags}` }
  process.stderr.write(
    json
      ? `${JSON.stringify({ detached: { run, ...next } })}\n`
      : `\nDetached: run ${run} goes on.\nWatch it:   ${next.watch}\nCancel it:  ${next.cancel}\n`
  )
}

const wallOf = (view: RunView): number => Math.max(0, (view.endedAt ?? Date.now()) - view.submittedAt)

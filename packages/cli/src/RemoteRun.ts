/**
 * A step submitted to a store, for workers elsewhere to run, and followed from here.
 */
import type { Broker } from "@arpeggio/core/Broker"
import type { BrokerUnavailable, RunDamaged, RunNotFound } from "@arpeggio/core/Failure"
import * as Effect from "effect/Effect"
import type { RunFailed, StoreUnavailable, WrongUse } from "./ExitCode.ts"
import * as Following from "./Following.ts"
import type { Store } from "./Store.ts"
import * as Submission from "./Submission.ts"

export interface Request extends Submission.Submission {
  readonly store: Store
  /** The module of the step, which may have the handlers, too. */
  readonly source: string
  readonly quiet: boolean
  readonly json: boolean
  readonly color: boolean
}

/** Submits it, shows it until it has ended, and prints its result. Interrupted, it leaves the run as it is. */
export const runAndReport = (
  request: Request
): Effect.Effect<
  void,
  WrongUse | RunFailed | StoreUnavailable | RunNotFound | RunDamaged | BrokerUnavailable,
  Broker
> =>
  Effect.gen(function* () {
    const checked = yield* Submission.check(request)
    const { id } = yield* Submission.submit(checked)
    if (!request.quiet && !request.json)
      process.stderr.write(`Run ${id} of ${checked.compiled.plan.flow}, on ${request.store.name}.\n`)
    yield* Following.follow({ ...request, run: id, module: request.source })
  })

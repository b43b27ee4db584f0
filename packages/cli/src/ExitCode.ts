/**
 * Exit codes: 0 done; 1 the run failed or was cancelled, or the store is not sound; 2 wrong use, by `WrongUse`; 3 the
 * store can't be used, by `StoreUnavailable`; 130 interrupted, or stopped at once by a second signal.
 */
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

/**
 * The command line can't do what it is asked, and says so before it does anything: what happened, where, and what to do
 * about it. Exit code 2.
 */
export class WrongUse extends Schema.TaggedError<WrongUse>()("WrongUse", {
  /** What it is about, for programs that read `--json`. */
  reason: Schema.Literals([
    "Usage",
    "ModuleNotFound",
    "ModuleNotLoaded",
    "NotAWorkerModule",
    "UnknownFlow",
    "InputNotRead",
    "InputNotJson",
    "InputDoesNotFit",
    "InvalidPlan",
    "InvalidTrace",
    "DuplicateRun",
    "InvalidRunId",
    "NoStore",
    "RunNotFound",
    "RunDamaged",
    "RunNotEnded",
    "NodeNotFound"
  ]),
  message: Schema.String
}) {
  override readonly [Runtime.errorExitCode] = 2
}

/** The store can't be reached, refuses to let anybody in, or is none: what happened and the way out. Exit code 3. */
export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", {
  message: Schema.String
}) {
  override readonly [Runtime.errorExitCode] = 3
}

/** `doctor` found errors in the store and has printed them. Exit code 1. */
export class StoreUnsound extends Schema.TaggedError<StoreUnsound>()("StoreUnsound", { errors: Schema.Int }) {
  override readonly [Runtime.errorExitCode] = 1
}

/** The run ended otherwise than with a value; everything about it was said already. Exit code 1. */
export class RunFailed extends Schema.TaggedError<RunFailed>()("RunFailed", { run: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 1
}

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
    "BrokerUnavailable"
  ]),
  message: Schema.String
}) {
  override readonly [Runtime.errorExitCode] = 2
}

/** The run ended otherwise than with a value; everything about it was said already. Exit code 1. */
export class RunFailed extends Schema.TaggedError<RunFailed>()("RunFailed", { run: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 1
}

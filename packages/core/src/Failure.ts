/**
 * Everything that can go wrong, by name. A failure says what happened, to what, and what to do about it.
 *
 * Three families: what a caller of the client gets (`InvalidInput` … `RunError`), what ends a node although its task
 * declares no such error (`StepFailure`), and what only the parts of Arpeggio tell each other.
 */
import * as Schema from "effect/Schema"

// ---- how a node fails beside its declared errors --------------------------------------------------------------------

/** An attempt took longer than its policy's `timeout`. `after` is in milliseconds. */
export class TimedOut extends Schema.TaggedError<TimedOut>()("TimedOut", { after: Schema.Number }) {
  override get message() {
    return `The attempt took longer than its time-out of ${this.after} ms. Raise \`timeout\`, or make the task smaller.`
  }
}

/** The node was ready for longer than its policy's `expires` and nobody claimed it. `after` is in milliseconds. */
export class Expired extends Schema.TaggedError<Expired>()("Expired", { after: Schema.Number }) {
  override get message() {
    return `No worker claimed it within ${this.after} ms. Start more workers for its queue, or raise \`expires\`.`
  }
}

/** Its workers died while they ran it, `deliveries` times. */
export class PoisonPill extends Schema.TaggedError<PoisonPill>()("PoisonPill", { deliveries: Schema.Int }) {
  override get message() {
    return `${this.deliveries} workers died while they ran it. Look for a crash, or for memory running out, then retry the run.`
  }
}

/** A recorded value does not fit the schema of who reads it. `where` is the input, the output or the error; `issue` says the path. */
export class PayloadMismatch extends Schema.TaggedError<PayloadMismatch>()("PayloadMismatch", {
  where: Schema.Literals(["input", "output", "error"]),
  task: Schema.String,
  issue: Schema.String
}) {
  override get message() {
    return `The ${this.where} of task ${this.task} does not fit its schema: ${this.issue}`
  }
}

/** The handler died: it threw, or failed with what its task does not declare. `cause` is readable text with the stack. */
export class Defect extends Schema.TaggedError<Defect>()("Defect", { summary: Schema.String, cause: Schema.String }) {
  override get message() {
    return `The handler died: ${this.summary}`
  }
}

/** The run was cancelled, or closed by another failure, before the node ended. */
export class Cancelled extends Schema.TaggedError<Cancelled>()("Cancelled", {}) {
  override get message() {
    return "It was cancelled before it ended."
  }
}

/**
 * What the store had of the run was not as it was written, and somebody ended the run for it. It is what the run as a whole
 * failed with: no step does, so none can handle it. `issue` says what was wrong.
 */
export class Damaged extends Schema.TaggedError<Damaged>()("Damaged", { issue: Schema.String }) {
  override get message() {
    return `What the store had of the run was damaged: ${this.issue}. Find out who else writes to it, then retry the run.`
  }
}

/** How a node fails otherwise than by an error its task declares. */
export type StepFailure = TimedOut | Expired | PoisonPill | PayloadMismatch | Defect | Cancelled | Damaged
export const StepFailure: Schema.Codec<StepFailure, unknown> = Schema.Union([
  TimedOut,
  Expired,
  PoisonPill,
  PayloadMismatch,
  Defect,
  Cancelled,
  Damaged
])

// ---- what a caller gets -----------------------------------------------------------------------------------------------

/** One thing that is wrong with a definition, and where. */
export interface Problem {
  /** The step, by its readable id, or the flow. */
  readonly step: string
  /** The call site, `file:line:column`, where it is known. */
  readonly site: string | undefined
  /** What is wrong and what to do, in a sentence. */
  readonly message: string
}
export const Problem: Schema.Codec<Problem> = Schema.Struct({
  step: Schema.String,
  site: Schema.UndefinedOr(Schema.String),
  message: Schema.String
})

/** The definition can't be compiled; all that is wrong with it, at once. */
export class InvalidPlan extends Schema.TaggedError<InvalidPlan>()("InvalidPlan", {
  flow: Schema.String,
  problems: Schema.Array(Problem)
}) {
  override get message() {
    const lines = this.problems.map(
      (problem) =>
        `  ${problem.step}: ${problem.message}${problem.site === undefined ? "" : `\n    at ${problem.site}`}`
    )
    const count = this.problems.length === 1 ? "a problem" : `${this.problems.length} problems`
    return `Flow ${this.flow} has ${count}:\n${lines.join("\n")}`
  }
}

/** The input does not fit the flow's input schema; nothing was submitted. */
export class InvalidInput extends Schema.TaggedError<InvalidInput>()("InvalidInput", {
  flow: Schema.String,
  issue: Schema.String
}) {
  override get message() {
    return `The input does not fit flow ${this.flow}: ${this.issue}`
  }
}

/** No run can have this id; nothing was submitted. */
export class InvalidRunId extends Schema.TaggedError<InvalidRunId>()("InvalidRunId", {
  id: Schema.String,
  issue: Schema.String
}) {
  override get message() {
    return `${JSON.stringify(this.id.slice(0, 80))} can't be the id of a run: ${this.issue}. Choose another, or leave it out.`
  }
}

/** There is a run of this id with another plan or input. */
export class DuplicateRun extends Schema.TaggedError<DuplicateRun>()("DuplicateRun", { run: Schema.String }) {
  override get message() {
    return `Run ${this.run} exists with another plan or input. Choose another id, or submit exactly the same to join it.`
  }
}

/** The broker knows no such run. */
export class RunNotFound extends Schema.TaggedError<RunNotFound>()("RunNotFound", { run: Schema.String }) {
  override get message() {
    return `There is no run ${this.run}. It was never submitted here, or retention has removed it.`
  }
}

/**
 * What the store has of the run is not as it was written: somebody else writes there, or this is a fault of Arpeggio. The run
 * stands still until somebody ends it (`arpeggio doctor --repair`); the others go on. `issue` says what is wrong.
 */
export class RunDamaged extends Schema.TaggedError<RunDamaged>()("RunDamaged", {
  run: Schema.String,
  issue: Schema.String
}) {
  override get message() {
    return `What the store has of run ${this.run} is damaged: ${this.issue}. \`arpeggio doctor\` names such runs, and what to do about them.`
  }
}

/** The run has no such node. */
export class NodeNotFound extends Schema.TaggedError<NodeNotFound>()("NodeNotFound", {
  run: Schema.String,
  node: Schema.String
}) {
  override get message() {
    return `Run ${this.run} has no node ${this.node}. Name it as the graph and the list of nodes do: \`resize\`, \`each[3].resize\`.`
  }
}

/** The run is still running, so it can't be retried. */
export class RunNotEnded extends Schema.TaggedError<RunNotEnded>()("RunNotEnded", { run: Schema.String }) {
  override get message() {
    return `Run ${this.run} has not ended. Await it or cancel it first.`
  }
}

/** A value is larger than the broker takes. Sizes in characters. */
export class PayloadTooLarge extends Schema.TaggedError<PayloadTooLarge>()("PayloadTooLarge", {
  run: Schema.String,
  size: Schema.Int,
  limit: Schema.Int
}) {
  override get message() {
    return `A value of run ${this.run} has ${this.size} characters; the limit is ${this.limit}. Store it elsewhere and pass a reference.`
  }
}

/** The store can't be reached, or did not answer in time. */
export class BrokerUnavailable extends Schema.TaggedError<BrokerUnavailable>()("BrokerUnavailable", {
  reason: Schema.String,
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message() {
    return `The broker is unavailable: ${this.reason}`
  }
}

/**
 * What is there is not a store to keep runs in: too old, free to evict what it keeps, with data of another layout, closed to
 * this user, or spoken to as it does not understand. Trying again does not help; the reason says what does.
 */
export class IncompatibleStore extends Schema.TaggedError<IncompatibleStore>()("IncompatibleStore", {
  reason: Schema.String
}) {
  override get message() {
    return `The store can't be used: ${this.reason}`
  }
}

/** A run ended otherwise than with a value or an error its flow declares. */
export class RunError extends Schema.TaggedError<RunError>()("RunError", {
  run: Schema.String,
  /** Readable id of the node that failed; nothing when the run was cancelled. */
  node: Schema.UndefinedOr(Schema.String),
  attempt: Schema.Int,
  failure: StepFailure
}) {
  override get message() {
    return this.node === undefined
      ? `Run ${this.run} was cancelled.`
      : `Run ${this.run} failed at ${this.node}, attempt ${this.attempt}: ${this.failure.message}`
  }
}

// ---- what the parts of Arpeggio tell each other -----------------------------------------------------------------------

/**
 * A worker could not renew its lease in time, so somebody else may be given what it holds. It is the reason of the abort
 * signal of an attempt that is interrupted for this; the attempt is not reported as failed, it runs again.
 */
export class LeaseLost extends Schema.TaggedError<LeaseLost>()("LeaseLost", {
  run: Schema.String,
  /** Readable id of the node. */
  node: Schema.String,
  attempt: Schema.Int
}) {
  override get message() {
    return (
      `The worker can't be sure of its lease any more, so attempt ${this.attempt} of ${this.node} in run ${this.run} may ` +
      "run elsewhere now. Stop, and write nothing outside without the attempt's `fence`."
    )
  }
}

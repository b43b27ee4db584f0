/**
 * A recorded workflow: which tasks ran, for how long, and which had to wait for which. `toFlow` makes it a flow whose
 * tasks sleep as long as the recorded ones worked, so that it can be drawn, planned and replayed.
 */
import * as Flow from "@arpeggio/core/Flow"
import type { Handler } from "@arpeggio/core/Handler"
import type { Node } from "@arpeggio/core/Plan"
import type { Ref } from "@arpeggio/core/Ref"
import * as Task from "@arpeggio/core/Task"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

/** One recorded task. */
export interface TracedTask {
  readonly id: string
  readonly name: string
  /** What it has in common with others: the program it ran. */
  readonly kind: string
  readonly seconds: number
  /** Positions in `Trace.tasks` of the tasks it waited for, all before its own, ascending. */
  readonly parents: ReadonlyArray<number>
}

export interface Trace {
  readonly name: string
  /** How long the recorded run took from beginning to end, in seconds. */
  readonly makespan: number
  /** Every task comes after its parents. */
  readonly tasks: ReadonlyArray<TracedTask>
}

/** How many dependencies the trace has. */
export const edgeCount = (trace: Trace): number => trace.tasks.reduce((sum, task) => sum + task.parents.length, 0)

/** The seconds of all tasks together, to the millisecond. */
const totalSeconds = (trace: Trace): number =>
  Math.round(trace.tasks.reduce((sum, task) => sum + task.seconds * 1_000, 0)) / 1_000

/** What a replay is given: how many seconds it takes for a recorded one. */
export const ReplayInput = Schema.Struct({ scale: Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)) })

/** What a replay gives: how many tasks there were, and their recorded seconds together. */
export const ReplayOutput = Schema.Struct({ tasks: Schema.Int, seconds: Schema.Finite })

const SleepInput = Schema.Struct({ name: Schema.String, seconds: Schema.Finite, scale: Schema.Finite })

/** A task that sleeps `seconds * scale` in the place of one that worked. */
type Sleep = Task.Task<string, typeof SleepInput, typeof Schema.Null, typeof Schema.Never>

/** A trace as a flow, with the handlers of its tasks. */
export interface Replay {
  readonly flow: Flow.Flow<string, typeof ReplayInput, typeof ReplayOutput, never>
  readonly handlers: Layer.Layer<Handler<string>>
}

/**
 * Makes a flow of a trace. A task of the flow stands for all recorded tasks of one kind, a step for each recorded one; the
 * edges are the recorded ones.
 *
 * @example
 * ```ts
 * import * as Trace from "@arpeggio/cli/Trace"
 * import * as WfFormat from "@arpeggio/cli/WfFormat"
 * import * as Result from "effect/Result"
 *
 * export const replay = (text: string) => Result.map(WfFormat.parse(text), Trace.toFlow)
 * ```
 */
export const toFlow = (trace: Trace): Replay => {
  const sleeps = new Map<string, Sleep>()
  for (const { kind } of trace.tasks) {
    if (!sleeps.has(kind)) sleeps.set(kind, Task.make(kind, { input: SleepInput, output: Schema.Null }))
  }
  const seconds = totalSeconds(trace)
  const flow = Flow.make(trace.name, { input: ReplayInput }, ({ scale }) => {
    const refs: Array<Ref<typeof Schema.Null>> = []
    const isLast = trace.tasks.map(() => true)
    for (const { kind, name, seconds, parents } of trace.tasks) {
      const [first, ...rest] = parents.map((parent) => refs[parent]!)
      const slept = sleeps.get(kind)!({ name, seconds, scale })
      refs.push(first === undefined ? slept : Flow.after(slept, first, ...rest))
      for (const parent of parents) isLast[parent] = false
    }
    const [first, ...rest] = refs.filter((_, i) => isLast[i])
    const summary = Flow.succeed(ReplayOutput, { tasks: trace.tasks.length, seconds })
    return first === undefined ? summary : Flow.after(summary, first, ...rest)
  })
  const handlers = Array.from(sleeps.values(), (sleep) =>
    sleep.toLayer(({ seconds, scale }) => Effect.as(Effect.sleep(Duration.seconds(seconds * scale)), null))
  )
  return { flow, handlers: Layer.mergeAll(Layer.empty, ...handlers) }
}

/** How long the task that a node of the flow stands for ran when it was recorded, in seconds. */
export const secondsOf = (node: Node): number => {
  if (node._tag !== "Task" || !("struct" in node.input)) return 0
  const seconds = node.input.struct["seconds"]
  return seconds !== undefined && "literal" in seconds ? Number(seconds.literal) : 0
}

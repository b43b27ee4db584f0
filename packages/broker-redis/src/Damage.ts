/**
 * Runs whose data in the store is not as it was written, as the functions have noted them: see `scripts/damage.lua`.
 */
import type { BrokerUnavailable } from "@arpeggio/core/Failure"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import type { Command } from "./Inspection.ts"
import * as Keys from "./Keys.ts"

export interface Damaged {
  readonly run: string
  /** When it was found: milliseconds since the epoch. */
  readonly since: number
  /** What is wrong, in words. */
  readonly issue: string
}

/** What the hash `damaged` says of a run. */
export const parse = (run: string, note: string): Damaged => {
  const blank = note.indexOf(" ")
  return { run, since: Number(note.slice(0, blank)), issue: note.slice(blank + 1) }
}

/** All of a partition, the oldest first. */
export const list = (command: Command): Effect.Effect<ReadonlyArray<Damaged>, BrokerUnavailable> =>
  Effect.map(command("HGETALL", Keys.damaged), (reply) => {
    const pairs = reply as ReadonlyArray<string>
    return Array.from({ length: pairs.length / 2 }, (_, i) => parse(pairs[2 * i]!, pairs[2 * i + 1]!)).toSorted(
      (a, b) => a.since - b.since
    )
  })

const damagedRuns = Metric.gauge("arpeggio_runs_damaged", {
  description: "Runs that stand still because their data in the store is damaged."
})

/** Told how many there are, it counts them in a metric, and says of each once that it is. */
export const teller = (
  command: Command,
  partition: number
): ((count: number) => Effect.Effect<void, BrokerUnavailable>) => {
  const gauge = Metric.withAttributes(damagedRuns, { partition: String(partition) })
  let told: ReadonlySet<string> = new Set()
  return Effect.fnUntraced(function* (count) {
    yield* Metric.update(gauge, count)
    if (count === told.size) return
    const all = yield* list(command)
    const news = all.filter(({ run }) => !told.has(run))
    told = new Set(all.map(({ run }) => run))
    for (const { issue, run } of news)
      yield* Effect.logError(
        `What the store has of run ${run} is damaged: ${issue}. It stands still, the others go on; \`arpeggio doctor\` says what can be done.`
      )
  })
}

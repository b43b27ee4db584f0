/**
 * What a campaign came to, in words and figures.
 */
import type { Outcome } from "./Campaign.ts"

const quantile = (values: ReadonlyArray<number>, part: number): string => {
  if (values.length === 0) return "-"
  const sorted = values.toSorted((a, b) => a - b)
  return String(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))])
}

const spread = (values: ReadonlyArray<number>): string =>
  `${quantile(values, 0.5)} / ${quantile(values, 0.99)} / ${quantile(values, 1)} ms of ${values.length}`

export const table = ({ counts, events, figures, losses, tally, took, violations }: Outcome): string => {
  const rows: ReadonlyArray<readonly [string, string | number]> = [
    ["runs accepted and ended", figures.runs],
    ["  succeeded / failed / cancelled", `${figures.succeeded} / ${figures.failed} / ${figures.cancelled}`],
    ["  removed by retention", figures.removed],
    ["nodes of the others", figures.nodes],
    ["seconds", (took / 1_000).toFixed(1)],
    ["deliveries / handlers started", `${figures.claims} / ${figures.starts}`],
    ["attempts started again, for whatever reason", figures.repeated],
    ["  most of one process", figures.mostRepeatedOfOne],
    ["deliveries handed out again, their worker lost", figures.redispatched],
    ["reports answered `already`", figures.already],
    ["reports answered `stale`, deliveries dropped", `${figures.stale}, ${figures.dropped}`],
    ["workers given up by the store", figures.forgotten],
    ["the store lost what it had confirmed, so much time", spread(losses.map(({ from, to }) => to - from))],
    ["  runs it did not know any more, accepted again", figures.unknown],
    ["  runs that ended again after their users were told", figures.endedAgain],
    ["  attempts started again for that", figures.undone],
    ["workers that lost the store / found it again", `${figures.away} / ${figures.back}`],
    ["calls of users made again / refused for memory", `${counts.retried} / ${counts.refused}`],
    ["runs that had failed and were retried", counts.recoveries],
    ["events seen", events.count],
    ["run accepted to user told, p50 / p99 / max", spread(figures.ranFor)],
    ["kill to next delivery", spread(figures.redispatchAfterKill)],
    ["interrupted by a stop to next delivery", spread(figures.claimedAfterStop)],
    ["store away for a worker", spread(figures.awayFor)],
    ...[...tally].sort().map(([fault, count]) => [fault, count] as const),
    ["violations", violations.length]
  ]
  return rows.map(([name, value]) => `${name.padEnd(52)}${value}`).join("\n")
}

/** What should have been seen, given the faults there were, and was not: such a campaign proves nothing. */
export const idleFaults = ({ events, figures, losses, tally }: Outcome): ReadonlyArray<string> => {
  const idle: Array<string> = []
  const expect = (isSeen: boolean, what: string) => {
    if (!isSeen) idle.push(what)
  }
  // Two per node, and more for a run; some are lost with their connection.
  expect(events.count > 1.5 * figures.starts, "most of the events were not seen, which are checked as well")
  if (tally.has("worker killed"))
    expect(figures.redispatched > 0, "no delivery was handed out again after its worker died")
  if (tally.has("worker frozen longer than its lease")) {
    expect(figures.stale + figures.dropped > 0, "no frozen worker reported too late")
    expect(figures.forgotten > 0, "no frozen worker was given up")
  }
  if (tally.has("replies dropped")) expect(figures.already > 0, "no report was sent again and answered `already`")
  // A store that is killed is often back before a worker has lost it.
  if (tally.has("network silent")) expect(figures.back > 0, "no worker lost the store and found it again")
  if (losses.length > 0) {
    expect(figures.unknown > 0, "no run was accepted and then lost by the store")
    expect(figures.undone > 0, "no attempt was started again because the store had lost it")
  }
  return idle
}

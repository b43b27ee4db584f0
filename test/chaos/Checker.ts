/**
 * Whether a campaign kept the promise: every accepted run ended, as its flow implies; each outcome was recorded once;
 * nothing started before what it depends on; nothing was done twice without a reason. And whether the faults hit at all.
 */
import type { NodeView, RunView } from "@arpeggio/core/Broker"
import * as Plan from "@arpeggio/core/Plan"
import * as Address from "@arpeggio/core/plan/Address"
import * as Result from "effect/Result"
import * as Dependencies from "./Dependencies.ts"
import type { Member } from "./Fleet.ts"
import type { Job } from "./Job.ts"
import type { Entry } from "./Ledger.ts"
import type { Story, Users } from "./Load.ts"

/** A run as the store shows it in the end. */
export interface Shown {
  readonly view: RunView
  readonly nodes: ReadonlyArray<NodeView>
}

export interface Evidence {
  readonly users: Users
  readonly entries: ReadonlyArray<Entry>
  readonly members: ReadonlyArray<Member>
  /** By run. */
  readonly shown: ReadonlyMap<string, Shown>
  readonly concurrency: number
}

export interface Verdict {
  /** What the promise forbids, in sentences. */
  readonly violations: ReadonlyArray<string>
  readonly figures: Figures
}

export interface Figures {
  readonly runs: number
  readonly succeeded: number
  readonly failed: number
  readonly cancelled: number
  readonly nodes: number
  readonly claims: number
  readonly starts: number
  /** Starts of an attempt that had been started before. */
  readonly repeated: number
  /** The most that one process lost at once. */
  readonly mostRepeatedOfOne: number
  /** Deliveries of attempts that were lost with a worker before. */
  readonly redispatched: number
  readonly already: number
  readonly stale: number
  /** Deliveries that workers were told to drop. */
  readonly dropped: number
  /** How often a worker found that the store had given it up. */
  readonly forgotten: number
  /** How often workers lost the store, and found it again. */
  readonly away: number
  readonly back: number
  readonly releasedEvents: number
  /** Milliseconds. */
  readonly redispatchAfterKill: ReadonlyArray<number>
  readonly claimedAfterStop: ReadonlyArray<number>
  readonly awayFor: ReadonlyArray<number>
}

export const check = (evidence: Evidence): Verdict => {
  const { entries, members, shown, users } = evidence
  const violations: Array<string> = [...users.watch.contradictions]
  for (const story of users.stories) violations.push(...checkStory(story, shown.get(story.job.id)))
  const plans = new Map(users.stories.map(({ job }) => [job.id, planOf(job)]))
  const idOf = (run: string, address: string) => Address.toId(plans.get(run)!, address)

  // ---- one pass over the ledger, in its order ---------------------------------------------------------------------------

  const claims = new Map<string, number>()
  const starts = new Map<string, number>()
  const succeeded = new Set<string>()
  /** By attempt: who started it last. */
  const starters = new Map<string, string>()
  const superseded = new Map<string, number>()
  const incidents = new Map(
    members.map((member) => [
      member.name,
      member.incidents.length + (member.incidents.length === 0 && member.endedAt !== undefined ? 1 : 0)
    ])
  )
  const dependencies = new Map<string, ReadonlySet<string>>()
  const counts = {
    claims: 0,
    starts: 0,
    repeated: 0,
    redispatched: 0,
    already: 0,
    stale: 0,
    dropped: 0,
    forgotten: 0,
    away: 0,
    back: 0
  }
  const redispatchAfterKill: Array<number> = []
  const stoppedAt = new Map<string, number>()
  const claimedAfterStop: Array<number> = []
  const awaySince = new Map<string, number>()
  const awayFor: Array<number> = []
  const killedAt = new Map(
    members.flatMap((member) =>
      member.incidents.flatMap(({ at, what }) => (what === "killed" ? [[member.name, at] as const] : []))
    )
  )

  for (const entry of entries) {
    const [, worker, at] = entry
    switch (entry[0]) {
      case "claim": {
        const [, , , run, address, attempt, lost, generation] = entry
        const node = idOf(run, address)
        add(claims, [worker, run, node, attempt, lost, generation].join(" "))
        counts.claims++
        const name = [run, node, attempt, generation].join(" ")
        if (lost > 0) counts.redispatched++
        const killed = killedAt.get(starters.get(name) ?? "")
        if (killed !== undefined && lost > 0) redispatchAfterKill.push(at - killed)
        const stopped = stoppedAt.get(name)
        if (stopped !== undefined) claimedAfterStop.push(at - stopped)
        stoppedAt.delete(name)
        break
      }
      case "start": {
        const [, , , run, node, attempt, lost, generation] = entry
        counts.starts++
        const claim = [worker, run, node, attempt, lost, generation].join(" ")
        add(starts, claim)
        if (starts.get(claim)! > (claims.get(claim) ?? 0))
          violations.push(`${run}: ${worker} started ${node}, attempt ${attempt}, more often than it was given it`)
        const name = [run, node, attempt, generation].join(" ")
        const before = starters.get(name)
        if (before !== undefined) {
          counts.repeated++
          add(superseded, before)
        }
        starters.set(name, worker)
        const place = `${run} ${node}`
        if (!dependencies.has(place)) dependencies.set(place, dependenciesOf(plans.get(run)!, node, shown.get(run)))
        for (const dependency of dependencies.get(place)!) {
          if (!succeeded.has(`${run} ${dependency}`))
            violations.push(`${run}: ${node} started before ${dependency} had succeeded`)
        }
        break
      }
      case "ok":
        succeeded.add(`${entry[3]} ${entry[4]}`)
        break
      case "failed":
        break
      case "stopped": {
        const [, , , run, node, attempt, , generation] = entry
        stoppedAt.set([run, node, attempt, generation].join(" "), at)
        break
      }
      case "already":
      case "stale":
        counts[entry[0]]++
        break
      case "dropped":
        counts.dropped += entry[3]
        break
      case "forgotten":
        counts.forgotten++
        add(incidents, worker)
        break
      case "away":
        counts.away++
        awaySince.set(worker, at)
        break
      case "back":
        counts.back++
        awayFor.push(at - awaySince.get(worker)!)
        awaySince.delete(worker)
        break
      case "up":
      case "down":
        break
    }
  }

  for (const [worker, count] of superseded) {
    const most = evidence.concurrency * (incidents.get(worker) ?? 0)
    if (count > most)
      violations.push(
        `${count} attempts of ${worker} were started again by others; what happened to it explains ${most}`
      )
  }
  for (const member of members) {
    if (member.kind === "worker" && member.endedAt === undefined && awaySince.has(member.name)) {
      violations.push(`${member.name} lost the store and never found it again`)
    }
  }
  for (const [run, { nodes, view }] of shown) {
    for (const node of nodes) {
      if (node.state !== "succeeded" || view.nodes.length === 0) continue
      const plan = plans.get(run)!
      const index = Address.parse(node.address)!.node
      if (plan.nodes[index]!._tag === "Task" && !succeeded.has(`${run} ${Address.toId(plan, node.address)}`)) {
        violations.push(`${run}: ${Address.toId(plan, node.address)} is recorded as succeeded, and no handler had`)
      }
    }
  }

  const outcomes = users.stories.map(({ outcome }) => outcome?._tag)
  return {
    violations,
    figures: {
      runs: users.stories.length,
      succeeded: outcomes.filter((tag) => tag === "Succeeded").length,
      failed: outcomes.filter((tag) => tag === "Failed").length,
      cancelled: outcomes.filter((tag) => tag === "Cancelled").length,
      nodes: [...shown.values()].reduce((total, { nodes }) => total + nodes.length, 0),
      ...counts,
      mostRepeatedOfOne: Math.max(0, ...superseded.values()),
      releasedEvents: users.watch.events.released,
      redispatchAfterKill,
      claimedAfterStop,
      awayFor
    }
  }
}

const add = (counts: Map<string, number>, key: string): void => void counts.set(key, (counts.get(key) ?? 0) + 1)

const plansOf = new WeakMap<object, Plan.Plan>()

const planOf = ({ flow }: Job): Plan.Plan => {
  const known = plansOf.get(flow)
  if (known !== undefined) return known
  const { plan } = Result.getOrThrow(Plan.compile(flow))
  plansOf.set(flow, plan)
  return plan
}

/** Readable ids of what must have succeeded before this node starts. */
const dependenciesOf = (plan: Plan.Plan, id: string, shown: Shown | undefined): ReadonlySet<string> => {
  const address = Address.fromId(plan, id)
  if (address === undefined || shown === undefined) return new Set()
  const addresses = new Set(shown.nodes.map((node) => node.address))
  return new Set([...Dependencies.of(plan, address, addresses)].map((dependency) => Address.toId(plan, dependency)))
}

const checkStory = (
  { acceptedAt, cancel, job, outcome, trouble }: Story,
  shown: Shown | undefined
): ReadonlyArray<string> => {
  const wrong = (what: string) => [`${job.id} (${job.shape}): ${what}`]
  if (trouble !== undefined) return wrong(trouble)
  if (acceptedAt === undefined) return wrong("nobody ever accepted it")
  if (outcome === undefined)
    return wrong(
      `it was accepted and never ended: ${shown === undefined ? "the store has lost it" : JSON.stringify(shown.view.nodes)}`
    )
  if (shown === undefined) return wrong("it has ended, and the store does not know it")
  if (shown.view.state === "running") return wrong("it has ended, and the store shows it running")
  const open = shown.view.nodes.reduce(
    (total, node) => total + node.blocked + node.ready + node.running + node.scheduled,
    0
  )
  if (open > 0) return wrong(`it has ended with ${open} nodes open`)
  if (outcome._tag === "Cancelled") {
    // A cancel that was sent again may find the run ended by its first sending.
    return cancel === "not asked" ? wrong("it was cancelled, and nobody had asked for it") : []
  }
  const { expected } = job
  if (outcome._tag === "Succeeded") {
    return "ok" in expected && JSON.stringify(outcome.value) === JSON.stringify(expected.ok)
      ? []
      : wrong(`it gave ${JSON.stringify(outcome.value)} instead of ${inWords(expected)}`)
  }
  return "fail" in expected && expected.fail.has(outcome.failed.tag)
    ? []
    : wrong(
        `it failed at ${outcome.node} with ${outcome.failed.tag} ${outcome.failed.error} instead of ${inWords(expected)}`
      )
}

const inWords = (expected: Job["expected"]): string =>
  "ok" in expected ? JSON.stringify(expected.ok) : `failing with ${[...expected.fail].join(" or ")}`

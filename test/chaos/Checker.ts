/**
 * Whether a campaign kept the promise: every accepted run ended, as its flow implies; each outcome was recorded once;
 * nothing started before what it depends on; nothing was done twice without a reason.
 *
 * What the store has confirmed and then lost (`Loss.ts`) is such a reason, for exactly this, and for what was confirmed in
 * that stretch of time only:
 * - it does not know a run it had accepted, or says of one it had ended that it ends otherwise;
 * - an attempt is started again that was handed out or recorded then;
 * - an event contradicts one of then.
 * On the other hand, what depends on something that was surely recorded then and lost has to wait for it once more.
 */
import type { NodeView, RunView } from "@arpeggio/core/Broker"
import * as Plan from "@arpeggio/core/Plan"
import * as Address from "@arpeggio/core/plan/Address"
import * as Result from "effect/Result"
import { isDeepStrictEqual } from "node:util"
import * as Dependencies from "./Dependencies.ts"
import type { Member } from "./Fleet.ts"
import type { Job } from "./Job.ts"
import type { Entry } from "./Ledger.ts"
import type { Story, Users } from "./Load.ts"
import * as Loss from "./Loss.ts"

/** A run as the store shows it in the end. */
export interface Shown {
  readonly view: RunView
  readonly nodes: ReadonlyArray<NodeView>
}

export interface Evidence {
  readonly users: Users
  /** In order. */
  readonly entries: Iterable<Entry>
  readonly members: ReadonlyArray<Member>
  /** Workers that were well when nothing went wrong any more, and since when they should have been given something. */
  readonly muster: { readonly names: ReadonlyArray<string>; readonly at: number }
  readonly losses: ReadonlyArray<Loss.Loss>
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
  /** Of those, removed by the store as it should. */
  readonly removed: number
  readonly nodes: number
  readonly claims: number
  readonly starts: number
  /** Starts of an attempt that had been started before. */
  readonly repeated: number
  /** Of those, after the store had lost that. */
  readonly undone: number
  /** Runs that the store did not know any more, and accepted again. */
  readonly unknown: number
  /** Runs whose end its user was told, and that ended once more since. */
  readonly endedAgain: number
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
  /** From the first acceptance of a run to when its user was told its end, where nobody cancelled it. */
  readonly ranFor: ReadonlyArray<number>
}

/** When something was asked of the store, and when its confirmation was heard. */
type Confirmed = readonly [sentAt: number, at: number]

/** What a worker was given, and how often it was given the same, and started it. */
interface Delivery {
  readonly worker: string
  readonly claimed: Confirmed
  readonly given: number
  started: number
}

interface Attempt {
  /** How often it was handed out. */
  given: number
  /** By whom it was started last, and whether its worker gave it up since because its lease might have been over. */
  starter: Delivery | undefined
  isGivenUp: boolean
  /** Since then. */
  recorded: Confirmed | undefined
}

export const check = (evidence: Evidence): Verdict => {
  const { entries, losses, members, muster, shown, users } = evidence
  const violations: Array<string> = []
  for (const { first, second, what } of users.watch.contradictions) {
    if (!losses.some((loss) => Loss.mayHold(loss, first, first) && second >= loss.to)) violations.push(what)
  }
  for (const story of users.stories) violations.push(...checkStory(story, shown.get(story.job.id), losses))
  if (losses.some(({ back }) => back === Infinity))
    violations.push("the store never came back after it had lost something")
  const plans = new Map(users.stories.map(({ job }) => [job.id, planOf(job)]))
  const idOf = (run: string, address: string) => Address.toId(plans.get(run)!, address)

  // ---- one pass over the ledger, in its order ---------------------------------------------------------------------------

  const deliveries = new Map<string, Delivery>()
  const attempts = new Map<string, Attempt>()
  const attemptOf = (run: string, node: string, attempt: string): Attempt => {
    const name = [run, node, attempt].join(" ")
    let known = attempts.get(name)
    if (known === undefined)
      attempts.set(name, (known = { given: 0, starter: undefined, isGivenUp: false, recorded: undefined }))
    return known
  }
  /** Nodes whose handler has succeeded; of those, what has to succeed once more; and what will have to, after the next loss. */
  const succeeded = new Set<string>()
  const undone = new Set<string>()
  const doomed: Array<string> = []
  let lossesSeen = 0
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
    undone: 0,
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
  /** The greatest that was given for a node. */
  const fences = new Map<string, { readonly at: number; readonly fence: number }>()
  const claimedAfterStop: Array<number> = []
  const awaySince = new Map<string, number>()
  const awayFor: Array<number> = []
  const mustered = new Set<string>()
  const killedAt = new Map(
    members.flatMap((member) =>
      member.incidents.flatMap(({ at, what }) => (what === "killed" ? [[member.name, at] as const] : []))
    )
  )
  /** Whether that may be lost by then. */
  const isLost = (confirmed: Confirmed | undefined, by: number): boolean =>
    confirmed !== undefined && losses.some((loss) => Loss.mayHold(loss, ...confirmed) && loss.to <= by)

  for (const entry of entries) {
    const [, worker, at] = entry
    while (lossesSeen < losses.length && losses[lossesSeen]!.to < at) {
      for (const place of doomed.splice(0)) undone.add(place)
      lossesSeen++
    }
    switch (entry[0]) {
      case "claim": {
        const [, , , run, address, number, lost, sentAt, fence] = entry
        const node = idOf(run, address)
        const before = fences.get(`${run} ${node}`)
        if (before !== undefined && before.at < sentAt && before.fence >= fence)
          violations.push(`${run}: a delivery of ${node} has the fence ${fence}, one before had ${before.fence}`)
        if (before === undefined || fence > before.fence) fences.set(`${run} ${node}`, { at, fence })
        const key = [worker, run, node, number, lost].join(" ")
        const { given, started } = deliveries.get(key) ?? { given: 0, started: 0 }
        deliveries.set(key, { worker, claimed: [sentAt, at], given: given + 1, started })
        const attempt = attemptOf(run, node, number)
        attempt.given++
        counts.claims++
        if (at >= muster.at) mustered.add(worker)
        if (lost > 0) counts.redispatched++
        const killed = attempt.starter && killedAt.get(attempt.starter.worker)
        if (killed !== undefined && lost > 0) redispatchAfterKill.push(at - killed)
        const name = [run, node, number].join(" ")
        const stopped = stoppedAt.get(name)
        if (stopped !== undefined) claimedAfterStop.push(at - stopped)
        stoppedAt.delete(name)
        break
      }
      case "start": {
        const [, , , run, node, number, lost] = entry
        counts.starts++
        const delivery = deliveries.get([worker, run, node, number, lost].join(" "))
        if (delivery === undefined || delivery.started === delivery.given) {
          violations.push(`${run}: ${worker} started ${node}, attempt ${number}, more often than it was given it`)
          break
        }
        delivery.started++
        const attempt = attemptOf(run, node, number)
        if (attempt.starter !== undefined) {
          counts.repeated++
          if (isLost(attempt.starter.claimed, at) || isLost(attempt.recorded, at)) counts.undone++
          else if (!attempt.isGivenUp) add(superseded, attempt.starter.worker)
        }
        attempt.starter = delivery
        attempt.isGivenUp = false
        attempt.recorded = undefined
        const place = `${run} ${node}`
        if (!dependencies.has(place)) dependencies.set(place, dependenciesOf(plans.get(run)!, node, shown.get(run)))
        for (const dependency of dependencies.get(place)!) {
          if (!succeeded.has(`${run} ${dependency}`))
            violations.push(`${run}: ${node} started before ${dependency} had succeeded`)
          else if (undone.has(`${run} ${dependency}`) && !isLost(delivery.claimed, at))
            violations.push(
              `${run}: ${node} started on the strength of an end of ${dependency} that the store had lost`
            )
        }
        break
      }
      case "ok":
        succeeded.add(`${entry[3]} ${entry[4]}`)
        undone.delete(`${entry[3]} ${entry[4]}`)
        break
      case "failed":
        break
      case "stopped":
      case "unsure": {
        const [, , , run, node, number] = entry
        stoppedAt.set([run, node, number].join(" "), at)
        const attempt = attemptOf(run, node, number)
        if (entry[0] === "unsure" && attempt.starter?.worker === worker) attempt.isGivenUp = true
        break
      }
      case "recorded": {
        const [, , , run, address, number, sentAt] = entry
        const node = idOf(run, address)
        const attempt = attemptOf(run, node, number)
        attempt.recorded = [sentAt, at]
        stoppedAt.delete([run, node, number].join(" "))
        const next = losses[lossesSeen]
        // Of an attempt that several had, another one's report may be recorded in its place.
        const isDoomed = next !== undefined && Loss.holds(next, sentAt, at) && attempt.given === 1
        if (isDoomed && succeeded.has(`${run} ${node}`)) doomed.push(`${run} ${node}`)
        break
      }
      case "already": {
        // Confirmed as well, though it may have been recorded before this sending.
        const [, , , run, address, number, sentAt] = entry
        attemptOf(run, idOf(run, address), number).recorded ??= [sentAt, at]
        counts.already++
        break
      }
      case "stale":
        counts.stale++
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
  for (const name of muster.names) {
    if (!mustered.has(name)) violations.push(`${name} is alive, and took nothing when there was work for all`)
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

  const outcomes = users.stories.map(({ final }) => final?.outcome._tag)
  return {
    violations,
    figures: {
      runs: users.stories.length,
      succeeded: outcomes.filter((tag) => tag === "Succeeded").length,
      failed: outcomes.filter((tag) => tag === "Failed").length,
      cancelled: outcomes.filter((tag) => tag === "Cancelled").length,
      removed: users.stories.filter(({ isRemoved }) => isRemoved).length,
      nodes: [...shown.values()].reduce((total, { nodes }) => total + nodes.length, 0),
      ...counts,
      unknown: users.stories.flatMap(({ answers }) => answers.filter(({ said }) => said === "unknown")).length,
      endedAgain: users.stories.filter((story) => hasEndedAgain(story, shown.get(story.job.id))).length,
      mostRepeatedOfOne: Math.max(0, ...superseded.values()),
      releasedEvents: users.watch.events.released,
      redispatchAfterKill,
      claimedAfterStop,
      awayFor,
      ranFor: users.stories.flatMap(({ answers, cancel, told }) =>
        told === undefined || cancel !== "not asked" ? [] : [told.at - answers[0]!.at]
      )
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
  { answers, cancel, final, isRemoved, job, told, trouble }: Story,
  shown: Shown | undefined,
  losses: ReadonlyArray<Loss.Loss>
): ReadonlyArray<string> => {
  const wrong = (what: string) => [`${job.id} (${job.shape}): ${what}`]
  if (trouble !== undefined) return wrong(trouble)
  if (!answers.some(({ said }) => said === "accepted")) return wrong("nobody ever accepted it")
  let acceptances: Array<number> = []
  for (const { at, said } of answers) {
    if (said === "accepted") acceptances.push(at)
    else if (acceptances.every((time) => losses.some((loss) => loss.to <= at && Loss.covers(loss, time))))
      acceptances = []
    else return wrong(`it was accepted at ${acceptances.join(", ")}, and at ${at} the store did not know it any more`)
  }
  if (told === undefined || final === undefined)
    return wrong(
      `it was accepted and never ended${told === undefined ? "" : " again"}: ${shown === undefined ? "the store has lost it" : JSON.stringify(shown.view.nodes)}`
    )
  if (shown === undefined && !isRemoved) return wrong("it has ended, and the store does not know it")
  if (shown?.view.state === "running") return wrong("it has ended, and the store shows it running")
  const open = (shown?.view.nodes ?? []).reduce(
    (total, node) => total + node.blocked + node.ready + node.running + node.scheduled,
    0
  )
  if (open > 0) return wrong(`it has ended with ${open} nodes open`)
  // It takes several calls to learn an outcome, the last of which may have had to wait for the store.
  const mayEndAgain = losses.some((loss) => Loss.mayHold(loss, told.at - patience, told.at))
  if (hasEndedAgain({ told }, shown) && !mayEndAgain)
    return wrong(`its user was told its end at ${told.at}, and it ended once more at ${shown?.view.endedAt}`)
  if (!isDeepStrictEqual(told.outcome, final.outcome) && !mayEndAgain)
    return wrong(`it ended with ${JSON.stringify(told.outcome)}, and later with ${JSON.stringify(final.outcome)}`)
  return [told, final].flatMap(({ outcome }) => {
    // A cancel that was sent again may find the run ended by its first sending.
    if (outcome._tag === "Cancelled")
      return cancel === "not asked" ? wrong("it was cancelled, and nobody had asked") : []
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
  })
}

/** How long a call tries to reach the store, and what comes of it takes: milliseconds. */
const patience = 2_000

/** Times of the store and of its users, who hear of an end after it was recorded. */
const hasEndedAgain = ({ told }: Pick<Story, "told">, shown: Shown | undefined): boolean =>
  told !== undefined && shown?.view.endedAt !== undefined && shown.view.endedAt > told.at

const inWords = (expected: Job["expected"]): string =>
  "ok" in expected ? JSON.stringify(expected.ok) : `failing with ${[...expected.fail].join(" or ")}`

/**
 * What must hold between any two transitions, computed from scratch. The engine counts as it goes; here everything is
 * looked up again, the slow way, and compared. For tests and for a broker's self-check: it takes time in proportion to
 * all that the store holds.
 *
 * - A cell knows of its edges what their sources' ends say, no more and no less; what waits in the worklist is not said yet.
 * - Nothing started before its gate and its join let it, and nothing waits that could go.
 * - An end has its reason: a skipped cell a cause, a void one a branch not taken, a cancelled one a closing or a cancelled source.
 * - A cell is where its phase says: in one queue, with one worker, or with a timer.
 * - Counters are what counting gives, limits are kept, and a run has ended when its last cell has.
 */
import * as MutableList from "effect/MutableList"
import { phases } from "../Phase.ts"
import type { Cell, Expansion, Frame, Queue, Run, Store } from "./Store.ts"
import { addressOf, frames, isEnd } from "./Store.ts"
import { decidedBy, isClosedFor } from "./advance.ts"
import { isSuspect } from "./suspicion.ts"
import {
  count,
  deathOf,
  Deferrals,
  edgesOf,
  gateOf,
  inWords,
  isResolved,
  isVoid,
  noDeferrals,
  waits
} from "./sayings.ts"

/** What does not hold, in words; nothing when all is well. */
export const violations = (store: Store): ReadonlyArray<string> => {
  const check = new Check(store)
  for (const run of store.runs.values()) check.run(run)
  check.workers()
  check.places()
  return check.found
}

class Check {
  readonly found: Array<string> = []
  readonly store: Store
  /** Every cell of every run. */
  readonly live = new Set<Cell>()
  /** Cells with a timer for their current phase, and when it is due. */
  readonly timed = new Map<Cell, number>()
  /** Runs that a timer will start. */
  readonly toStart = new Set<Run>()
  readonly finished = new Map<Run, number>()

  constructor(store: Store) {
    this.store = store
    for (const { due, value } of store.timers.heap) {
      if ("run" in value) this.toStart.add(value.run)
      else if (value.ticket === value.cell.ticket) this.timed.set(value.cell, due)
    }
    for (const ended of Object.values(store.finished)) {
      for (const { generation, run } of MutableList.toArray(ended)) {
        if (generation === run.generation) this.finished.set(run, (this.finished.get(run) ?? 0) + 1)
      }
    }
  }

  say(subject: Run | Cell, what: string): void {
    const at = "frame" in subject ? `${subject.run.id}/${addressOf(subject)} (${subject.node.node.id})` : subject.id
    this.found.push(`${at}: ${what}`)
  }

  // ---- runs ---------------------------------------------------------------------------------------------------------

  run(run: Run): void {
    const deferred = new Deferrals(run)
    const counts = run.tally.map(() => new Map<string, number>())
    let open = 0
    for (const frame of frames(run)) {
      for (const cell of frame.cells) {
        this.live.add(cell)
        const count = counts[cell.node.index]!
        count.set(cell.phase, (count.get(cell.phase) ?? 0) + 1)
        if (!isEnd(cell.phase)) open++
        this.cell(cell, deferred)
      }
    }
    if (open !== run.open) this.say(run, `has ${open} open cells and counts ${run.open}`)
    run.tally.forEach((tally, node) => {
      for (const phase of phases) {
        const count = counts[node]!.get(phase) ?? 0
        if (tally[phase] !== count) this.say(run, `node ${node} has ${count} ${phase} cells and counts ${tally[phase]}`)
      }
    })
    this.outcome(run)
    this.life(run, deferred)
  }

  outcome(run: Run): void {
    const exit = run.root.cells[run.root.body.exit]!
    if ((run.decided !== undefined) !== isEnd(exit.phase)) {
      this.say(run, `its exit is ${exit.phase}, its outcome ${run.decided ?? "not decided"}`)
    }
    if (run.decided !== undefined && run.decided !== "cancelled" && run.decided !== decidedBy(exit)) {
      this.say(run, `is decided as ${run.decided}, but its exit is ${exit.phase}`)
    }
    if (run.decided === "failed" && run.onFailure === "cancel" && run.closing === undefined) {
      this.say(run, "is decided as failed and does not close")
    }
    if (run.closing === "failure" && run.decided !== "failed")
      this.say(run, `closes for a failure, but is ${run.decided}`)
  }

  life(run: Run, deferred: Deferrals): void {
    if (deferred.isEmpty === this.store.deferred.has(run))
      this.say(run, "is known as deferred when it is not, or the reverse")
    if (run.startAt !== undefined) {
      if (run.closing !== undefined) this.say(run, "waits for its start, and closes")
      if (!this.toStart.has(run)) this.say(run, "has no timer to start it")
      if (run.open !== run.root.cells.length || run.tally.some((tally) => tally.blocked > 1))
        this.say(run, "began before its start")
    }
    if (run.state === "running") {
      if (run.open === 0) this.say(run, "has no open cell and did not end")
      if (run.endedAt !== undefined) this.say(run, "runs and has an end")
      if (this.finished.has(run)) this.say(run, "runs and is among the finished")
      return
    }
    if (run.open > 0) this.say(run, `has ended with ${run.open} open cells`)
    if (run.endedAt === undefined) this.say(run, "has ended, nobody knows when")
    if (run.state !== run.decided) this.say(run, `is ${run.state} and was decided as ${run.decided}`)
    if (!deferred.isEmpty) this.say(run, "has ended with deferred work")
    if (this.finished.get(run) !== 1) this.say(run, `is ${this.finished.get(run) ?? 0} times among the finished`)
  }

  // ---- cells --------------------------------------------------------------------------------------------------------

  cell(cell: Cell, deferred: Deferrals): void {
    const { attempts } = cell.node.policy
    if (cell.tries > attempts) this.say(cell, `has had ${cell.tries} of ${attempts} attempts`)
    if (cell.lost > this.store.options.maxDeliveries) this.say(cell, `was lost ${cell.lost} times`)
    if (cell.expansion !== undefined) this.expansion(cell.expansion, cell, deferred)
    switch (cell.phase) {
      case "blocked":
        return this.blocked(cell, deferred)
      case "ready":
      case "running":
      case "scheduled":
        this.started(cell)
        if (!cell.node.work) this.say(cell, `is no work and is ${cell.phase}`)
        if (cell.tries >= attempts) this.say(cell, `is ${cell.phase} after its last attempt`)
        if (cell.lost >= this.store.options.maxDeliveries) this.say(cell, `is ${cell.phase} after its last delivery`)
        if (cell.phase !== "running" && isClosedFor(cell)) this.say(cell, `is ${cell.phase} in a run that closes`)
        return
      case "failed":
        if (cell.failed === undefined) this.say(cell, "has failed with nothing")
        if (!cell.node.work) this.say(cell, "is no work and has failed")
        return this.started(cell)
      case "succeeded":
        return this.started(cell)
      default:
        return this.stopped(cell)
    }
  }

  blocked(cell: Cell, deferred: Deferrals): void {
    const gate = gateOf(cell, deferred)
    const isGated = gate !== undefined && gate !== "fire"
    if (isGated !== cell.gated)
      this.say(cell, `has a gate that ${inWords(gate)} and says ${cell.gated ? "it waits" : "it does not wait"}`)
    if (isGated && gate !== "unresolved") this.say(cell, `waits behind a gate that ${inWords(gate)}`)
    const edges = edgesOf(cell, deferred)
    const said = count(edges)
    const dropped = cell.expansion?.dropped === true ? 1 : 0
    if (said.unresolved !== cell.pending)
      this.say(cell, `has ${said.unresolved} edges to wait for and counts ${cell.pending}`)
    if (said.void !== cell.voids) this.say(cell, `has ${said.void} void edges and counts ${cell.voids}`)
    if (said.cancelled + dropped !== cell.cancels)
      this.say(cell, `has ${said.cancelled} cancelled edges and counts ${cell.cancels}`)
    if (cell.from < 0 ? said.fire > 0 : edges[cell.from] !== "fire")
      this.say(cell, `takes edge ${cell.from} for the first that fired`)
    if (cell.node.node.join !== "settled" && dropped === 0) {
      const death = deathOf(cell, edges)
      if (death !== cell.death) this.say(cell, `dies of ${inWords(death)} and says of ${inWords(cell.death)}`)
    }
    if (!isGated && cell.run.startAt === undefined && !waits(cell, said)) this.say(cell, "waits for nothing")
  }

  /** A cell that runs, or ran, or will as soon as somebody takes it. */
  started(cell: Cell): void {
    const gate = gateOf(cell, noDeferrals)
    if (gate !== undefined && gate !== "fire") this.say(cell, `is ${cell.phase}, but its gate ${inWords(gate)}`)
    const edges = edgesOf(cell, noDeferrals)
    const { fire, unresolved } = count(edges)
    const join = cell.node.node.join
    if (join === "all" && fire < edges.length)
      this.say(cell, `is ${cell.phase}, but only ${fire} of ${edges.length} edges fired`)
    if (join === "any" && edges[cell.from] !== "fire")
      this.say(cell, `is ${cell.phase}, but edge ${cell.from} did not fire`)
    if (join === "settled" && unresolved > 0) this.say(cell, `is ${cell.phase}, but ${unresolved} edges are open`)
    if (cell.node.collects !== undefined && cell.expansion === undefined) this.say(cell, "has collected nothing")
  }

  /** A cell that ended without having been run to its end. */
  stopped(cell: Cell): void {
    const gate = gateOf(cell, noDeferrals)
    const edges = edgesOf(cell, noDeferrals)
    const said = count(edges)
    if (cell.phase === "skipped") {
      const { cause } = cell
      if (cause === undefined || cause.phase !== "failed" || !this.isCurrent(cause))
        this.say(cell, "was skipped for nothing that failed")
      else if (gate !== cause && !edges.includes(cause))
        this.say(cell, `was skipped for ${addressOf(cause)}, which no edge says`)
      const isChosen = said.cancelled === 0 && cause === deathOf(cell, edges)
      if ((gate === undefined || gate === "fire") && cell.node.node.join === "any" && !isChosen) {
        this.say(cell, "was skipped for another cause than the last, or in spite of a cancellation")
      }
    } else if (cell.phase === "void") {
      if (gate !== "void" && !isVoid(cell, edges)) this.say(cell, "is void, which no branch says")
    } else if (
      gate !== "cancelled" &&
      said.cancelled === 0 &&
      cell.run.closing === undefined &&
      cell.run.generation === 1
    ) {
      this.say(cell, "is cancelled, which nobody asked for")
    }
  }

  /** Whether the cell can be reached from its run: a retry discards instances. */
  isCurrent(cell: Cell): boolean {
    for (let frame: Frame = cell.frame; frame.expansion !== undefined; frame = frame.parent!) {
      const collect = frame.expansion.frame.cells[frame.body.collect]!
      if (collect.expansion?.frames[frame.index] !== frame) return false
    }
    return true
  }

  expansion(expansion: Expansion, collect: Cell, deferred: Deferrals): void {
    const { body, dropped, elements, frames } = expansion
    if (frames.length > elements.length)
      this.say(collect, `has ${frames.length} instances of ${elements.length} elements`)
    const ended = frames.filter((frame) => isResolved(frame.cells[body.exit]!, "leave", deferred)).length
    if (collect.phase !== "blocked") return
    if (expansion.ended !== ended) this.say(collect, `has ${ended} ended instances and counts ${expansion.ended}`)
    const isOpen = frames.length - ended
    // Instances that a retry starts again are not released anew.
    if (collect.run.generation === 1 && isOpen > body.concurrency) {
      this.say(collect, `has ${isOpen} open instances of ${body.concurrency} at once`)
    }
    const releases = expansion.frame.cells[body.release]!
    const isDue =
      !dropped && frames.length < elements.length && isOpen < body.concurrency && releases.phase === "succeeded"
    if (isDue && !deferred.releases(expansion) && isResolved(releases, "open", deferred))
      this.say(collect, "has elements that nobody releases")
  }

  // ---- places -------------------------------------------------------------------------------------------------------

  workers(): void {
    for (const worker of this.store.workers.values()) {
      const { id } = worker.info
      for (const [nonce, cell] of worker.holding) {
        if (cell.phase !== "running" || cell.worker !== id || cell.nonce !== nonce || !this.live.has(cell)) {
          this.say(cell, `is held by ${id}, but is ${cell.phase} with ${cell.worker ?? "nobody"}`)
        }
      }
      for (const nonce of worker.interrupts) {
        const cell = worker.holding.get(nonce)
        if (cell === undefined) this.found.push(`${id} is asked to stop ${nonce}, which it does not hold`)
        else if (!isClosedFor(cell)) this.say(cell, "is asked to stop in a run that does not close")
      }
      if (worker.alone !== undefined && !worker.holding.has(worker.alone))
        this.found.push(`${id} is alone with ${worker.alone}, which it does not hold`)
    }
  }

  places(): void {
    const queued = new Map<Cell, Queue>()
    for (const queue of this.store.queues.values()) {
      for (const { band, cell } of entriesOf(queue)) {
        if (cell.phase !== "ready") this.say(cell, `is a suspect and ${cell.phase}`)
        if (!this.live.has(cell)) this.say(cell, "is queued and belongs to no run")
        if (queue.name !== cell.node.policy.queue) this.say(cell, `is in queue ${queue.name}`)
        if (
          isSuspect(cell.lost, this.store.options.maxDeliveries)
            ? band !== "suspect"
            : band !== cell.node.policy.priority
        )
          this.say(cell, `is in band ${band}`)
        queued.set(cell, queue)
      }
    }
    for (const cell of this.live) {
      const { expires } = cell.node.policy
      if (cell.phase === "ready" && !queued.has(cell)) this.say(cell, "is ready and in no queue")
      if (cell.phase === "ready" && expires !== undefined && !this.timed.has(cell))
        this.say(cell, "is ready and will never expire")
      if (cell.phase === "scheduled" && this.timed.get(cell) !== cell.dueAt)
        this.say(cell, "is scheduled without a timer")
      if (cell.phase !== "running") {
        if (cell.worker !== undefined) this.say(cell, `is ${cell.phase} and with ${cell.worker}`)
        continue
      }
      const worker = this.store.workers.get(cell.worker ?? "")
      if (worker?.holding.get(cell.nonce) !== cell) this.say(cell, "is running and held by nobody")
      else if (isClosedFor(cell) && !worker.interrupts.has(cell.nonce))
        this.say(cell, "runs in a run that closes, and nobody asks it to stop")
    }
  }
}

/** What a claim can find; entries that it passes over are left out. */
function* entriesOf(queue: Queue): Generator<{ readonly cell: Cell; readonly band: number | "suspect" }> {
  for (const bands of [queue.bands, ...queue.parked.values()]) {
    for (let band = 0; band < bands.length; band++) {
      if (bands[band]!.length === 0) continue
      for (const { cell, ticket } of MutableList.toArray(bands[band]!)) if (cell.ticket === ticket) yield { cell, band }
    }
  }
  for (const { cell, ticket } of queue.suspects) if (cell.ticket === ticket) yield { cell, band: "suspect" }
}

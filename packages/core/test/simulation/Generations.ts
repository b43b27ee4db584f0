/**
 * The history of runs: what happened to each in each generation, and what may happen once only. And what a retry has to
 * restart, worked out from the plan, without a look at how the engine does it.
 */
import type { Delivery, Event, Settlement, WorkerInfo } from "../../src/Broker.ts"
import type { Cell, Run, Store } from "../../src/engine/Store.ts"
import type { Condition } from "../../src/plan/Document.ts"
import { wrong } from "./Wrong.ts"

interface History {
  readonly generation: number
  /** Addresses that ended. */
  readonly ended: Map<string, string>
  /** Attempts delivered. */
  readonly attempts: Map<string, number>
  /** When deliveries were lost or given back last. */
  readonly released: Map<string, number>
  /** How many deliveries of the current attempt were lost. */
  readonly lost: Map<string, number>
  /** How many instances there were when it began to close. */
  instances: number | undefined
  isCancelled: boolean
  isDecided: boolean
  hasEnded: boolean
}

export class Generations {
  readonly #store: Store
  readonly #histories = new Map<string, History>()

  constructor(store: Store) {
    this.#store = store
  }

  heard(event: Event): void {
    const { run } = event
    if (event._tag === "RunStarted") {
      const before = this.#histories.get(run)
      if (event.generation !== (before?.generation ?? 0) + 1)
        wrong(`${run} starts generation ${event.generation} after ${before?.generation}`)
      this.#histories.set(run, {
        generation: event.generation,
        ended: new Map(),
        attempts: new Map(),
        released: new Map(),
        lost: new Map(),
        instances: undefined,
        isCancelled: false,
        isDecided: false,
        hasEnded: false
      })
      return
    }
    const history = this.#histories.get(run) ?? wrong(`${run} does something before its start`)
    if (history.hasEnded) wrong(`${run} tells ${event._tag} after its end`)
    switch (event._tag) {
      case "NodeEnded": {
        const before = history.ended.get(event.node)
        if (before !== undefined) wrong(`${run}/${event.node} ended as ${before}, then as ${event.state}`)
        history.ended.set(event.node, event.state)
        return
      }
      case "RunDecided":
        if (history.isDecided) wrong(`${run} was decided twice`)
        if (history.isCancelled && event.state !== "cancelled")
          wrong(`${run} was cancelled, then decided as ${event.state}`)
        history.isDecided = true
        return
      case "RunEnded":
        history.hasEnded = true
        return
      case "NodeStarted":
        if (history.ended.has(event.node)) wrong(`${run}/${event.node} was started after its end`)
        return
      case "NodeReleased":
        history.released.set(event.node, event.at)
        if (event.reason === "lost") history.lost.set(event.node, (history.lost.get(event.node) ?? 0) + 1)
        if (history.ended.has(event.node)) wrong(`${run}/${event.node} is given back after its end`)
        return
      case "NodeRetrying":
        if (history.ended.has(event.node)) wrong(`${run}/${event.node} goes on after its end`)
        return
      case "RunCancelling":
        history.isCancelled = true
    }
  }

  lostAt(run: string, node: string): number {
    return this.#histories.get(run)?.released.get(node) ?? wrong(`${run}/${node} was never lost`)
  }

  cancelled(run: Run): void {
    if (!this.#histories.has(run.id)) wrong(`${run.id} was cancelled before it started`)
  }

  ended(run: Run): void {
    const history = this.#histories.get(run.id)!
    if (!history.hasEnded || history.generation !== run.generation) wrong(`${run.id} ended without a word`)
  }

  delivered(delivery: Delivery, worker: WorkerInfo): void {
    const { attempt, node, run: id } = delivery
    const run = this.#store.runs.get(id)!
    const cell = [...this.#store.workers.get(worker.id)!.holding.values()].find((cell) => cell.nonce === delivery.nonce)
    if (cell === undefined) return wrong(`${delivery.nonce} was delivered and is not held`)
    const definition = cell.node.node
    if (run.closing !== undefined && definition.cleanup !== true)
      wrong(`${id}/${node} was delivered while its run closes`)
    if (definition._tag === "Task" && !worker.tasks.includes(definition.task))
      wrong(`${worker.id} got ${definition.task}`)
    if (!worker.queues.includes(cell.node.policy.queue))
      wrong(`${worker.id} got something of ${cell.node.policy.queue}`)
    const { attempts, lost } = this.#histories.get(id)!
    const before = attempts.get(node) ?? 0
    if (attempt !== before && attempt !== before + 1)
      wrong(`${id}/${node} is delivered for attempt ${attempt} after ${before}`)
    if (attempt !== before) lost.set(node, 0)
    if (delivery.lost !== lost.get(node))
      wrong(`${id}/${node} was lost ${lost.get(node)} times, and says ${delivery.lost}`)
    attempts.set(node, attempt)
  }

  /** A report that was recorded: whether the node is tried again, and when. */
  reported({ node, outcome, run: id }: Settlement, now: number): void {
    if (outcome._tag !== "Failed") return
    const run = this.#store.runs.get(id)!
    const cell = cellAt(run, node)
    const policy = run.program.plan.nodes[cell.node.index]!
    const {
      attempts = 1,
      backoff = "exponential",
      base = 1_000,
      except = [],
      jitter = true,
      max = 60_000
    } = policy._tag === "Task" ? (policy.policy ?? {}) : {}
    const attempt = this.#histories.get(id)!.attempts.get(node)!
    const closes = run.closing !== undefined && policy.cleanup !== true
    // It may be that this failure has closed the run.
    const isTried = outcome.retryable && attempt < attempts && !except.includes(outcome.failed.tag) && !closes
    if (isTried !== (cell.phase === "scheduled"))
      wrong(`${id}/${node} failed with ${outcome.failed.tag} and is ${cell.phase}`)
    if (!isTried) return
    const longest = outcome.retryAfter ?? Math.min(max, backoff === "fixed" ? base : base * 2 ** (attempt - 1))
    const shortest = jitter && outcome.retryAfter === undefined ? 0 : longest
    const delay = cell.dueAt - now
    if (delay < shortest || delay > longest)
      wrong(`${id}/${node} is tried again in ${delay} ms, not in ${shortest} to ${longest}`)
  }

  /** Nothing is added to a run that closes. */
  check(): void {
    for (const run of this.#store.runs.values()) {
      if (run.closing === undefined) continue
      const history = this.#histories.get(run.id)!
      const instances = countInstances(run.root.cells)
      history.instances ??= instances
      if (instances > history.instances) wrong(`${run.id} closes, and releases elements`)
    }
  }

  // ---- retry --------------------------------------------------------------------------------------------------------

  /** Which cells the next generation of an ended run restarts, or discards. */
  restarts(run: Run, from: Cell | undefined): ReadonlySet<Cell> {
    const cells = allCells(run)
    const sources = new Map(cells.map((cell) => [cell, sourcesOf(cell)]))
    const targets = new Map<Cell, Array<Cell>>()
    for (const [cell, incoming] of sources) {
      for (const { source } of incoming) targets.set(source, [...(targets.get(source) ?? []), cell])
    }
    const isBad = (cell: Cell) => cell.phase === "failed" || cell.phase === "skipped" || cell.phase === "cancelled"
    const exit = run.root.cells[run.root.body.exit]!
    const set = new Set(cells.filter((cell) => isBad(cell) && (cell === exit || !targets.has(cell))))
    if (from !== undefined) set.add(from)
    // Backward over edges that died of a cause or of cancellation.
    for (const cell of set) {
      if (cell.phase === "succeeded") continue
      for (const { source, when } of sources.get(cell)!) if (died(source, when, cell)) set.add(source)
    }
    // Forward over all edges, and with it what was cancelled and is needed.
    for (const cell of set) {
      for (const target of targets.get(cell) ?? []) set.add(target)
      for (const { source, when } of sources.get(cell)!)
        if (source.phase === "cancelled" && died(source, when, cell)) set.add(source)
    }
    // A fork that is restarted makes new instances.
    const discarded: Array<Cell> = []
    for (const cell of cells) {
      for (let frame = cell.frame; frame.expansion !== undefined; frame = frame.parent!) {
        if (set.has(frame.expansion.frame.cells[frame.body.fork]!)) discarded.push(cell)
      }
    }
    return new Set([...set, ...discarded])
  }
}

const cellAt = (run: Run, address: string): Cell => {
  const numbers = address.split(".").map(Number)
  let cells = run.root.cells
  for (let i = 0; i + 1 < numbers.length; i += 2) {
    cells = cells.find((cell) => cell.node.index === numbers[i])!.expansion!.frames[numbers[i + 1]!]!.cells
  }
  return cells.find((cell) => cell.node.index === numbers[numbers.length - 1])!
}

/** Of collects that are no cleanup, and of those in their instances. */
const countInstances = (cells: ReadonlyArray<Cell>): number => {
  let count = 0
  for (const { expansion, node } of cells) {
    if (expansion === undefined) continue
    if (node.node.cleanup !== true) count += expansion.frames.length
    for (const frame of expansion.frames) count += countInstances(frame.cells)
  }
  return count
}

const allCells = (run: Run): ReadonlyArray<Cell> => {
  const found: Array<Cell> = []
  const visit = (cells: ReadonlyArray<Cell>): void => {
    for (const cell of cells) {
      found.push(cell)
      for (const frame of cell.expansion?.frames ?? []) visit(frame.cells)
    }
  }
  visit(run.root.cells)
  return found
}

const sourcesOf = (cell: Cell): ReadonlyArray<{ readonly source: Cell; readonly when: Condition }> => {
  const { nodes } = cell.run.program.plan
  const definition = nodes[cell.node.index]!
  const edges = definition.gate === undefined ? definition.edges : [...definition.edges, definition.gate]
  const sources = edges.map(({ from, when = "success" }) => {
    let frame = cell.frame
    while (from < frame.body.first || from >= frame.body.first + frame.body.nodes.length) frame = frame.parent!
    return { source: frame.cells[from - frame.body.first]!, when: when as Condition }
  })
  for (const frame of cell.expansion?.frames ?? [])
    sources.push({ source: frame.cells[frame.body.exit]!, when: "success" })
  return sources
}

/** Whether an edge died of a cause or of cancellation. */
const died = (source: Cell, when: Condition, target: Cell): boolean => {
  if (source.phase === "cancelled") return !(when === "settled" && target.node.node.cleanup === true)
  return (source.phase === "failed" || source.phase === "skipped") && when === "success"
}

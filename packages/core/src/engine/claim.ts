/**
 * Hands ready nodes to a worker: highest priority first over all its queues, in the order they became ready.
 *
 * A node whose task the worker can't run is parked by task key, where workers that can look first. A suspect, a node over
 * which two workers died, or all but one that may, is handed out alone: it reserves a worker, which gets nothing more until
 * what it holds is done, then only the suspect. A suspect that has waited a whole lease like this goes with the others:
 * rather a doubtful blame than a node that waits for ever.
 */
import * as MutableList from "effect/MutableList"
import type { Delivery, Ended, Ends } from "../Broker.ts"
import * as Address from "../plan/Address.ts"
import type { Cell, Entry, Frame, Queue, Run, Store, Worker } from "./Store.ts"
import { addressOf, isEnd, makeBands } from "./Store.ts"
import { move } from "./advance.ts"

export const claim = (
  store: Store,
  worker: Worker,
  max: number,
  nonce: string,
  now: number
): ReadonlyArray<Delivery> => {
  if (max <= 0 || worker.alone !== undefined) return []
  // Microseconds, but for a clock that was set back, and for calls within one.
  store.fence = Math.max(now * 1_000, store.fence + 1)
  const suspect = takeSuspect(store, worker, now)
  if (suspect === "wait") return []
  const deliveries: Array<Delivery> = []
  if (suspect !== undefined) {
    const delivery = deliver(store, worker, suspect, `${nonce}.0`, now)
    worker.alone = delivery.nonce
    return [delivery]
  }
  const queues = worker.info.queues
  for (let band = 0; band < 10; band++) {
    for (const name of queues) {
      const queue = store.queues.get(name)
      if (queue === undefined) continue
      while (deliveries.length < max) {
        const cell = take(queue, band, worker)
        if (cell === undefined) break
        deliveries.push(deliver(store, worker, cell, `${nonce}.${deliveries.length}`, now))
      }
    }
  }
  return deliveries
}

export const canRun = (worker: Worker, cell: Cell): boolean =>
  cell.node.task === undefined || worker.tasks.has(cell.node.task)

/** The next cell of a band that is still ready and that the worker can run. */
const take = (queue: Queue, band: number, worker: Worker): Cell | undefined => {
  if (queue.parked.size > 0) {
    for (const task of queue.parked.keys()) {
      if (!worker.tasks.has(task)) continue
      const entry = takeReady(queue.parked.get(task)![band]!)
      if (entry !== undefined) return entry.cell
    }
  }
  const entries = queue.bands[band]!
  for (let entry = takeReady(entries); entry !== undefined; entry = takeReady(entries)) {
    if (canRun(worker, entry.cell)) return entry.cell
    park(queue, entry, band)
  }
  return undefined
}

/** Cells leave the ready phase without leaving their list (cancelled, expired): those are passed over here. */
const takeReady = (entries: MutableList.MutableList<Entry>): Entry | undefined => {
  while (entries.length > 0) {
    const entry = MutableList.take(entries) as Entry
    if (entry.cell.ticket === entry.ticket) return entry
  }
  return undefined
}

const park = (queue: Queue, entry: Entry, band: number): void => {
  const task = entry.cell.node.task!
  let bands = queue.parked.get(task)
  if (bands === undefined) {
    bands = makeBands()
    queue.parked = new Map([...queue.parked, [task, bands] as const].toSorted(([a], [b]) => (a < b ? -1 : 1)))
  }
  MutableList.append(bands[band]!, entry)
}

const takeSuspect = (store: Store, worker: Worker, now: number): Cell | "wait" | undefined => {
  for (const name of worker.info.queues) {
    const suspects = store.queues.get(name)?.suspects
    if (suspects === undefined || suspects.length === 0) continue
    for (let i = 0; i < suspects.length; i++) {
      const suspect = suspects[i]!
      if (suspect.cell.ticket !== suspect.ticket) {
        suspects.splice(i--, 1)
        continue
      }
      if (!canRun(worker, suspect.cell)) continue
      const reserved =
        suspect.reservedBy !== undefined &&
        suspect.reservedBy !== worker.info.id &&
        store.workers.has(suspect.reservedBy)
      const patient = now - suspect.since < store.options.lease
      if (reserved && patient) continue
      if (worker.holding.size > 0 && patient) {
        suspect.reservedBy = worker.info.id
        return "wait"
      }
      suspects.splice(i, 1)
      return suspect.cell
    }
  }
  return undefined
}

const deliver = (store: Store, worker: Worker, cell: Cell, nonce: string, now: number): Delivery => {
  move(cell, "running")
  cell.nonce = nonce
  cell.worker = worker.info.id
  cell.claimedAt = now
  worker.holding.set(nonce, cell)
  const run = cell.run
  const node = addressOf(cell)
  if (store.watched) {
    store.events.push({
      _tag: "NodeStarted",
      run: run.id,
      at: now,
      node,
      attempt: cell.tries + 1,
      worker: worker.info.id
    })
  }
  return {
    run: run.id,
    node,
    attempt: cell.tries + 1,
    nonce,
    fence: store.fence,
    planHash: run.program.hash,
    flow: run.program.plan.flow,
    generation: run.generation,
    lost: cell.lost,
    input: run.input,
    items: items(cell.frame),
    ends: endsOf(run)
  }
}

const items = (frame: Frame): ReadonlyArray<string> => {
  if (frame.parent === undefined) return []
  return [...items(frame.parent), frame.item]
}

// ---- what has ended -----------------------------------------------------------------------------------------------

/** A live view on the ends of a run. */
export const endsOf = (run: Run): Ends => ({
  get: (address) => {
    const cell = cellAt(run, address)
    return cell === undefined ? undefined : endedOf(cell)
  }
})

export const endedOf = (cell: Cell): Ended | undefined => {
  if (!isEnd(cell.phase)) return undefined
  switch (cell.phase) {
    case "failed":
    case "skipped": {
      const cause = cell.cause ?? cell
      return { _tag: "Failed", failed: cause.failed!, cause: addressOf(cause) }
    }
    case "void":
      return { _tag: "Void" }
    case "cancelled":
      return { _tag: "Cancelled" }
    default:
      return succeededOf(cell)
  }
}

const succeededOf = (cell: Cell): Ended => {
  switch (cell.node.node._tag) {
    case "Task":
      return cell.value === undefined ? { _tag: "Succeeded" } : { _tag: "Succeeded", value: cell.value }
    case "Pass":
      return { _tag: "Succeeded", from: cell.from }
    default:
      return { _tag: "Succeeded", count: cell.count }
  }
}

/** The cell an address names; undefined when there is none (yet). */
export const cellAt = (run: Run, address: string): Cell | undefined => {
  const parsed = Address.parse(address)
  if (parsed === undefined) return undefined
  let frame: Frame | undefined = run.root
  for (const [collect, index] of parsed.frame) {
    const node = run.program.nodes[collect]
    frame =
      node === undefined || node.body !== frame.body.index
        ? undefined
        : frame.cells[node.local]!.expansion?.frames[index]
    if (frame === undefined) return undefined
  }
  const node = run.program.nodes[parsed.node]
  return node === undefined || node.body !== frame.body.index ? undefined : frame.cells[node.local]
}

/**
 * Takes deliveries back from a worker: because it gives them back untried, or because its lease ran out.
 */
import type { Claimed, Failed } from "../Broker.ts"
import type { Cell, Store, Worker } from "./Store.ts"
import { addressOf } from "./Store.ts"
import { advance, end, enqueue, fail, isClosedFor } from "./advance.ts"
import { bury } from "./deadLetters.ts"

/** Gives back what the worker claimed: first in its queue again. Claims it does not hold are passed over. */
export const release = (store: Store, worker: Worker, claims: ReadonlyArray<Claimed>, now: number): void => {
  // The last one first, so that they stand in their queue in the order they were claimed.
  for (let i = claims.length - 1; i >= 0; i--) {
    const cell = worker.holding.get(claims[i]!.nonce)
    if (cell !== undefined) giveBack(store, worker, cell, "released", now)
  }
}

/** Forgets a worker and gives back all it holds: as `released`, or as `lost` when it fell silent. */
export const dismiss = (store: Store, worker: Worker, reason: "released" | "lost", now: number): void => {
  store.workers.delete(worker.info.id)
  for (const cell of [...worker.holding.values()].reverse()) giveBack(store, worker, cell, reason, now)
}

export const giveBack = (store: Store, worker: Worker, cell: Cell, reason: "released" | "lost", now: number): void => {
  worker.holding.delete(cell.nonce)
  worker.interrupts.delete(cell.nonce)
  if (worker.alone === cell.nonce) worker.alone = undefined
  cell.worker = undefined
  cell.nonce = ""
  if (store.watched) {
    store.events.push({
      _tag: "NodeReleased",
      run: cell.run.id,
      at: now,
      node: addressOf(cell),
      attempt: cell.tries + 1,
      reason
    })
  }
  if (reason === "lost") cell.lost++
  if (cell.lost >= store.options.maxDeliveries) giveUp(store, cell, now)
  else if (isClosedFor(cell)) end(store, cell, "cancelled", now)
  else enqueue(store, cell, now, "first")
  advance(store, cell.run, now, store.options.slice)
}

/** The attempt has failed, whatever it did. */
const giveUp = (store: Store, cell: Cell, now: number): void => {
  cell.tries++
  fail(store, cell, poisonPill(cell.lost), now)
  bury(store, cell, now)
}

const poisonPill = (deliveries: number): Failed => ({
  tag: "PoisonPill",
  declared: false,
  error: JSON.stringify({ _tag: "PoisonPill", deliveries })
})

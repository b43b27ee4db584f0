/**
 * Nodes that were given up because workers died over them, for people to look at. A dead letter is a note about a cell: it
 * holds as long as the cell stands as it was given up. A retry that starts the cell again, or discards it with its
 * instance, and retention end that.
 */
import type { DeadLetter } from "../Broker.ts"
import * as Address from "../plan/Address.ts"
import { cellAt } from "./claim.ts"
import type { Cell, Dead, Store } from "./Store.ts"
import { addressOf } from "./Store.ts"

/** Those that are kept: the newest. */
const most = 10_000

/** Notes that a cell has been given up just now. */
export const bury = (store: Store, cell: Cell, now: number): void => {
  store.dead.push({ cell, ticket: cell.ticket, since: now })
  if (store.dead.length > most) store.dead.shift()
}

/** Lets go of those that hold no more, so that no removed run is kept. */
export const prune = (store: Store): void => {
  if (store.dead.length > 0) store.dead = store.dead.filter((dead) => holds(store, dead))
}

/** Newest first. */
export const list = (store: Store, limit: number): ReadonlyArray<DeadLetter> => {
  const letters: Array<DeadLetter> = []
  for (const dead of store.dead.toReversed()) {
    if (letters.length >= limit) break
    if (holds(store, dead)) letters.push(letterOf(dead))
  }
  return letters
}

const holds = (store: Store, { cell, ticket }: Dead): boolean =>
  cell.ticket === ticket && store.runs.get(cell.run.id) === cell.run && cellAt(cell.run, addressOf(cell)) === cell

const letterOf = ({ cell, since }: Dead): DeadLetter => {
  const { node, run } = cell
  const { plan } = run.program
  const address = addressOf(cell)
  return {
    run: run.id,
    flow: plan.flow,
    state: run.state,
    node: Address.toId(plan, address),
    address,
    task: node.task,
    queue: node.policy.queue,
    attempt: cell.tries,
    lost: cell.lost,
    since
  }
}

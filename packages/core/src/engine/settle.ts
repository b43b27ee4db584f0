/**
 * Records what became of attempts. The fence decides: only the delivery that is current may say so; the same report sent
 * again has happened already; anything else is stale and changes nothing.
 */
import type { Failed, Payload, Receipt, Settlement } from "../Broker.ts"
import type { Cell, Store, Worker } from "./Store.ts"
import { addressOf } from "./Store.ts"
import { advance, end, fail, isClosedFor, schedule, succeed } from "./advance.ts"
import { cellAt } from "./claim.ts"
import { giveBack } from "./release.ts"

/** `random`, from 0 to 1, is for the jitter of delays. */
export const settle = (
  store: Store,
  worker: Worker | undefined,
  settlement: Settlement,
  random: number,
  now: number
): Receipt => {
  const cell = worker?.holding.get(settlement.nonce)
  if (worker === undefined || cell === undefined || cell.tries + 1 !== settlement.attempt)
    return receiptFor(store, settlement)
  const { outcome } = settlement
  if (outcome._tag === "Interrupted" && !isClosedFor(cell)) {
    giveBack(store, worker, cell, "released", now)
    return "recorded"
  }
  letGo(worker, cell, now)
  cell.tries++
  switch (outcome._tag) {
    case "Succeeded": {
      const issue = tooLarge(outcome.value, store.options.payloadLimit) ?? decideForks(cell, outcome.elements)
      if (issue === undefined) succeed(store, cell, outcome.value, now)
      else fail(store, cell, mismatch(cell, issue), now)
      break
    }
    case "Failed": {
      const delay = retryDelay(cell, outcome, random)
      if (delay === undefined) fail(store, cell, outcome.failed, now)
      else retryLater(store, cell, outcome.failed, now + delay, now)
      break
    }
    case "Interrupted":
      end(store, cell, "cancelled", now)
  }
  advance(store, cell.run, now, store.options.slice)
  return "recorded"
}

/** The worker's hold on a delivery ends; the cell keeps the nonce, to know the same report again. */
const letGo = (worker: Worker, cell: Cell, now: number): void => {
  worker.holding.delete(cell.nonce)
  worker.interrupts.delete(cell.nonce)
  if (worker.alone === cell.nonce) worker.alone = undefined
  cell.run.tally[cell.node.index]!.busy += Math.max(0, now - cell.claimedAt)
  cell.worker = undefined
}

const receiptFor = (store: Store, { nonce, node, run }: Settlement): Receipt => {
  const cell = store.runs.get(run)
  const settled = cell === undefined ? undefined : cellAt(cell, node)
  return settled !== undefined && settled.nonce === nonce && settled.phase !== "running" ? "already" : "stale"
}

const tooLarge = (value: Payload | undefined, limit: number): string | undefined =>
  value === undefined || value.length <= limit
    ? undefined
    : `it has ${value.length} characters, the limit is ${limit}; store it elsewhere and return a reference`

/** Gives its elements to every fork the node decides; says what is wrong when the report brings none for one of them. */
const decideForks = (
  cell: Cell,
  elements: ReadonlyMap<number, ReadonlyArray<Payload>> | undefined
): string | undefined => {
  const { node } = cell.node
  const decided =
    node._tag === "Decide" ? [{ node: cell.node.index }] : node._tag === "Task" ? (node.decides ?? []) : []
  for (const { node: fork } of decided) {
    const own = elements?.get(fork)
    if (own === undefined) return `the report has no elements for ${cell.run.program.plan.nodes[fork]!.id}`
    const target = cell.frame.cells[fork - cell.frame.body.first]!
    target.elements = own
    if (target === cell) cell.count = own.length
  }
  return undefined
}

const mismatch = (cell: Cell, issue: string): Failed => ({
  tag: "PayloadMismatch",
  declared: false,
  error: JSON.stringify({ _tag: "PayloadMismatch", where: "output", task: cell.node.task ?? cell.node.node.id, issue })
})

/** Milliseconds to the next attempt; undefined when this was the last. Full jitter: Marc Brooker, "Exponential Backoff And Jitter". */
const retryDelay = (
  cell: Cell,
  outcome: { readonly failed: Failed; readonly retryAfter?: number; readonly retryable: boolean },
  random: number
): number | undefined => {
  const { attempts, backoff, base, except, jitter, max } = cell.node.policy
  if (!outcome.retryable || cell.tries >= attempts || isClosedFor(cell) || except.includes(outcome.failed.tag))
    return undefined
  if (outcome.retryAfter !== undefined) return outcome.retryAfter
  const delay = Math.min(max, backoff === "fixed" ? base : base * 2 ** (cell.tries - 1))
  return jitter ? Math.round(delay * random) : delay
}

const retryLater = (store: Store, cell: Cell, failed: Failed, dueAt: number, now: number): void => {
  cell.lost = 0
  cell.failed = failed
  cell.run.tally[cell.node.index]!.retries++
  schedule(store, cell, dueAt)
  if (!store.watched) return
  store.events.push({
    _tag: "NodeRetrying",
    run: cell.run.id,
    at: now,
    node: addressOf(cell),
    attempt: cell.tries,
    dueAt,
    failed
  })
}

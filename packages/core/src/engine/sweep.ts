/**
 * What needs a clock: due timers, workers that fell silent, work that was deferred, runs past their retention. Bounded,
 * and idempotent: whoever sweeps first does it, a second sweep finds nothing.
 */
import * as MutableList from "effect/MutableList"
import type { Failed, Swept } from "../Broker.ts"
import type { Cell, Store } from "./Store.ts"
import { advance, advanceDeferred, enqueue, fail, start } from "./advance.ts"
import { prune } from "./deadLetters.ts"
import { dismiss } from "./release.ts"
import * as Timers from "./Timers.ts"

export const sweep = (store: Store, now: number): Swept => {
  advanceDeferred(store, now, store.options.slice)
  return { ...fireTimers(store, now), workers: dismissSilent(store, now), removed: retire(store, now) }
}

const fireTimers = (store: Store, now: number): Pick<Swept, "timers" | "late"> => {
  let fired = 0
  let late = 0
  while (fired < store.options.slice) {
    const due = Timers.nextDue(store.timers)
    const timer = Timers.take(store.timers, now)
    if (timer === undefined) break
    if ("run" in timer) {
      if (timer.run.startAt === undefined) continue
      start(store, timer.run, now)
      advance(store, timer.run, now, store.options.slice)
    } else {
      const { cell, ticket } = timer
      if (cell.ticket !== ticket) continue
      if (cell.phase === "scheduled") enqueue(store, cell, now)
      else {
        expire(store, cell, now)
        advance(store, cell.run, now, store.options.slice)
      }
    }
    if (fired++ === 0) late = now - due!
  }
  return { timers: fired, late }
}

/** The attempt that nobody began has failed: what is shown counts it. */
const expire = (store: Store, cell: Cell, now: number): void => {
  cell.tries++
  fail(store, cell, expired(cell.node.policy.expires!), now)
}

const expired = (after: number): Failed => ({
  tag: "Expired",
  declared: false,
  error: JSON.stringify({ _tag: "Expired", after })
})

const dismissSilent = (store: Store, now: number): number => {
  let silent = 0
  for (const worker of store.workers.values()) {
    if (worker.leaseUntil > now) continue
    dismiss(store, worker, "lost", now)
    silent++
  }
  return silent
}

const retire = (store: Store, now: number): number => {
  const { age, count } = store.options.retention
  let removed = 0
  for (const finished of Object.values(store.finished)) {
    while (finished.length > 0 && removed < store.options.slice) {
      const [oldest] = MutableList.toArrayN(finished, 1)
      const { generation, run } = oldest!
      const current = run.state !== "running" && run.generation === generation && store.runs.get(run.id) === run
      if (current && finished.length <= count && now - run.endedAt! < age) break
      MutableList.take(finished)
      if (!current) continue
      store.runs.delete(run.id)
      removed++
    }
  }
  if (removed > 0) prune(store)
  return removed
}

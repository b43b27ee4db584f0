/**
 * Makes workers known and keeps their leases.
 */
import type { Renewed, WorkerInfo } from "../Broker.ts"
import type { Store, Worker } from "./Store.ts"

/** A new worker, or what a known one can run now; what it holds stays. */
export const register = (store: Store, info: WorkerInfo, now: number): void => {
  const known = store.workers.get(info.id)
  if (known === undefined) {
    const worker: Worker = {
      info,
      tasks: new Set(info.tasks),
      leaseUntil: now + store.options.lease,
      holding: new Map(),
      interrupts: new Set(),
      alone: undefined
    }
    store.workers.set(info.id, worker)
  } else {
    known.info = info
    known.tasks.clear()
    for (const task of info.tasks) known.tasks.add(task)
    known.leaseUntil = now + store.options.lease
  }
  for (const queue of info.queues) store.woken.add(queue)
}

/** Extends a lease and asks nothing. */
export const keep = (store: Store, id: string, now: number): void => {
  const worker = store.workers.get(id)
  if (worker !== undefined) worker.leaseUntil = now + store.options.lease
}

/** Extends a lease. What the worker says it holds and does not is `lost`. */
export const renew = (store: Store, id: string, holding: ReadonlyArray<string>, now: number): Renewed => {
  const worker = store.workers.get(id)
  if (worker === undefined) return { lost: holding, interrupt: [], unknown: true }
  worker.leaseUntil = now + store.options.lease
  return {
    lost: holding.filter((nonce) => !worker.holding.has(nonce)),
    interrupt: [...worker.interrupts],
    unknown: false
  }
}

/**
 * A worker that belongs to several partitions: what it holds of all of them, which ones may have something for it, and the
 * rule that a suspect runs alone.
 *
 * ```
 *  free ──a suspect comes──► alone: takes nothing until it is reported
 *  busy ──a suspect comes──► the suspect is given back; waiting: asks for one thing at a time, where the suspect is
 *  waiting ──it is free, or a lease has passed──► alone with it        waiting ──somebody else has it──► busy
 *  busy ──one comes that has waited for a lease in its own partition──► alone with it, beside what it holds
 * ```
 *
 * All of it lives in the worker's process and is made up anew with the worker. Nothing but the rule depends on it.
 */
import type { Delivery } from "@arpeggio/core/Broker"
import * as Suspicion from "@arpeggio/core/engine/suspicion"

export interface Member {
  /** Workers that may die over one attempt before it fails. */
  readonly maxDeliveries: number
  /** What it runs at once. */
  concurrency: number
  /** What it holds, by nonce. */
  readonly held: Map<string, Held>
  /** Partitions that may have something for it. */
  readonly promising: Set<number>
  /** Partitions in which a run closes of which it holds something, and which are to say what to stop. */
  readonly closing: Set<number>
  /** Who is asked first next time. */
  turn: number
  /** The partition of a suspect that waits for it to be free, and since when. */
  waiting: Waiting | undefined
}

interface Held {
  readonly partition: number
  readonly isSuspect: boolean
}

interface Waiting {
  readonly partition: number
  readonly since: number
}

export const make = (partitions: number, maxDeliveries: number): Member => ({
  maxDeliveries,
  concurrency: Infinity,
  held: new Map(),
  promising: new Set(Array(partitions).keys()),
  closing: new Set(),
  turn: 0,
  waiting: undefined
})

/** What it may ask for, with these reports made: so much, first of that partition, and of others only if it does not wait. */
export interface Quota {
  readonly claim: number
  readonly first: number
  readonly isWaiting: boolean
}

export const quota = (
  self: Member,
  options: {
    readonly reported: ReadonlySet<string>
    readonly claim: number
    readonly partitions: number
    readonly now: number
    readonly lease: number
  }
): Quota => {
  const holding = Array.from(self.held).filter(([nonce]) => !options.reported.has(nonce))
  const isAlone = holding.some(([, { isSuspect }]) => isSuspect)
  if (self.waiting !== undefined && holding.length > 0 && isPatient(self, options))
    return { claim: isAlone ? 0 : Math.min(options.claim, 1), first: self.waiting.partition, isWaiting: true }
  return { claim: isAlone ? 0 : options.claim, first: self.turn++ % options.partitions, isWaiting: false }
}

/** Whether it has no use for more now. */
export const isBusy = ({ concurrency, held, waiting }: Member): boolean =>
  waiting !== undefined || held.size >= concurrency || Array.from(held.values()).some(({ isSuspect }) => isSuspect)

const isPatient = ({ waiting }: Member, { lease, now }: { readonly lease: number; readonly now: number }): boolean =>
  waiting === undefined || now - waiting.since < lease

interface Options {
  readonly partitionOf: (run: string) => number
  readonly now: number
  readonly lease: number
}

/** What it takes of what it was handed, all that it had asked for being this. */
export const accept = (
  self: Member,
  deliveries: ReadonlyArray<Delivery>,
  options: Options
): { readonly kept: ReadonlyArray<Delivery>; readonly givenBack: ReadonlyArray<Delivery> } => {
  const suspect = deliveries.find((delivery) => isSuspect(self, delivery))
  if (suspect === undefined) {
    self.waiting = undefined
    return keep(self, deliveries, [], options)
  }
  // What gave a suspect gave nothing beside it, and what is given back is still there.
  for (const { run } of deliveries) self.promising.add(options.partitionOf(run))
  const partition = options.partitionOf(suspect.run)
  // A partition gives a suspect beside what the worker has of it only when the suspect has waited for a lease.
  const hasWaited = Array.from(self.held.values()).some((held) => held.partition === partition)
  if (self.held.size > 0 && !hasWaited && isPatient(self, options)) {
    self.waiting = { partition, since: self.waiting?.since ?? options.now }
    return keep(
      self,
      deliveries.filter((delivery) => !isSuspect(self, delivery)),
      deliveries.filter((delivery) => isSuspect(self, delivery)),
      options
    )
  }
  self.waiting = undefined
  return keep(
    self,
    [suspect],
    deliveries.filter((delivery) => delivery !== suspect),
    options
  )
}

const isSuspect = ({ maxDeliveries }: Member, { lost }: Delivery): boolean => Suspicion.isSuspect(lost, maxDeliveries)

const keep = (
  self: Member,
  kept: ReadonlyArray<Delivery>,
  givenBack: ReadonlyArray<Delivery>,
  { partitionOf }: Options
) => {
  for (const delivery of kept)
    self.held.set(delivery.nonce, { partition: partitionOf(delivery.run), isSuspect: isSuspect(self, delivery) })
  return { kept, givenBack }
}

/** It does not hold these any more. */
export const drop = (self: Member, nonces: Iterable<string>): void => {
  for (const nonce of nonces) self.held.delete(nonce)
}

/** It holds nothing but these. */
export const reconcile = (self: Member, nonces: ReadonlySet<string>): void =>
  drop(
    self,
    Array.from(self.held.keys()).filter((nonce) => !nonces.has(nonce))
  )

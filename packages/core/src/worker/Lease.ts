/**
 * How sure a worker may be that what it holds is its own.
 *
 * The store's clock decides when a lease ends, and nobody can read it from here. What a worker knows for certain is this: a
 * renewal that succeeded was carried out after it was sent, so the lease lasts at least its length from the moment of
 * *sending*, by this machine's monotonic clock. A margin is taken off: for clocks that don't run at the same speed or count
 * whole milliseconds, and for the time that handlers take to stop.
 *
 * ```
 *  sent        carried out                    sent + lease - margin      carried out + lease
 *   ├───────────────┼──────────────────────────────────┤─────── margin ────────┤
 *   └──────────── certainly the worker's ──────────────┘ it stops its handlers └─ a sweep may give it all to others
 * ```
 */
import type { Clock } from "effect/Clock"
import type { Heartbeat } from "../Broker.ts"
import * as Defaults from "../Defaults.ts"

export class Lease {
  readonly #clock: Clock
  /** Milliseconds that a renewal is good for. */
  readonly #lasts: number
  #renewedAt = -Infinity
  #heartbeat: Heartbeat | undefined

  /** `length` of the lease, in milliseconds. */
  constructor(clock: Clock, length: number) {
    this.#clock = clock
    this.#lasts = length * (1 - Defaults.leaseMargin)
  }

  /** Milliseconds of a clock that nobody sets, for `renewed`: to be read before a renewal is sent. */
  now(): number {
    return Number(this.#clock.monotonicTimeNanosUnsafe()) / 1e6
  }

  /** A renewal that was sent then has succeeded. */
  renewed(sentAt: number): void {
    this.#renewedAt = Math.max(this.#renewedAt, sentAt)
  }

  /** Renewals from outside count too. */
  keptBy(heartbeat: Heartbeat): void {
    this.#heartbeat = heartbeat
  }

  /** For how many milliseconds more it is certainly the worker's; nothing or less when it may be over. */
  left(): number {
    const left = this.#lasts - (this.now() - this.#renewedAt)
    return this.#heartbeat === undefined ? left : Math.max(left, this.#lasts - this.#heartbeat.sinceRenewal())
  }

  /** Cheaper than `left`: asked before every handler. */
  isOurs(): boolean {
    if (this.now() - this.#renewedAt < this.#lasts) return true
    return this.#heartbeat !== undefined && this.#heartbeat.sinceRenewal() < this.#lasts
  }
}

/**
 * A stretch of time in which the store confirmed what it then lost: a power loss takes what was not on the disk yet, a
 * fail-over what the replica had not received. It goes on from an earlier state.
 *
 * ```
 *   kept            perhaps kept        lost                  away
 *  ───────── from ────────────── cut ──────────────── to ─────────────── back ─────────
 * ```
 *
 * Everything that a campaign forgives the store on account of a loss is within one of these.
 */

/** Milliseconds of this machine's clock, which is also the store's. What has not come yet is infinitely far. */
export interface Loss {
  /** What was confirmed before is kept. */
  readonly from: number
  /** What was sent after that is lost, if it was confirmed before the store was away. */
  cut: number
  /** The store confirmed nothing of this past after that. */
  to: number
  /** It answers again. */
  back: number
}

export const begin = (): Loss => ({ from: Date.now(), cut: Infinity, to: Infinity, back: Infinity })

/** Whether what was asked and confirmed at these times may be lost with it. Who was stopped meanwhile hears of it late. */
export const mayHold = (loss: Loss, sentAt: number, confirmedAt: number): boolean =>
  sentAt <= loss.to && confirmedAt >= loss.from

/** Whether what was asked and confirmed at these times is lost with it for certain. */
export const holds = (loss: Loss, sentAt: number, confirmedAt: number): boolean =>
  sentAt >= loss.cut && confirmedAt <= loss.to

/** Whether what somebody who is never stopped was told at that time may be lost with it. */
export const covers = (loss: Loss, at: number): boolean => loss.from <= at && at <= loss.back

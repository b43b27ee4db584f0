/**
 * One call in flight, and everything asked for meanwhile goes with the next: one round trip at low load, large batches at
 * high load, no timer and nothing to tune.
 */
import * as Effect from "effect/Effect"

interface Waiting<A, B, E> {
  readonly item: A
  readonly resume: (effect: Effect.Effect<B, E>) => void
}

export interface Options<A, B, E> {
  /** Items of one call at most. */
  readonly most: number
  /** What they may weigh together; a heavier one goes alone. */
  readonly mostWeight: number
  readonly weigh: (item: A) => number
  /** Answers each of them, in order. */
  readonly send: (items: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E>
}

export const make = <A, B, E>({
  most,
  mostWeight,
  send,
  weigh
}: Options<A, B, E>): ((item: A) => Effect.Effect<B, E>) => {
  // In order; a set, so that thousands who are interrupted together leave it at once.
  const waiting = new Set<Waiting<A, B, E>>()
  let isSending = false

  const next: Effect.Effect<void> = Effect.suspend(() => {
    const batch: Array<Waiting<A, B, E>> = []
    let weight = 0
    for (const entry of waiting) {
      weight += weigh(entry.item)
      if (batch.length === most || (batch.length > 0 && weight > mostWeight)) break
      waiting.delete(entry)
      batch.push(entry)
    }
    if (batch.length === 0) {
      isSending = false
      return Effect.void
    }
    return send(batch.map(({ item }) => item)).pipe(
      Effect.matchCause({
        onFailure: (cause) => {
          for (const { resume } of batch) resume(Effect.failCause(cause))
        },
        onSuccess: (answers) => batch.forEach(({ resume }, i) => resume(Effect.succeed(answers[i]!)))
      }),
      Effect.andThen(next)
    )
  })

  return (item) =>
    Effect.callback<B, E>((resume) => {
      const entry = { item, resume }
      waiting.add(entry)
      if (!isSending) {
        isSending = true
        Effect.runFork(next)
      }
      return Effect.sync(() => {
        waiting.delete(entry)
      })
    })
}

/**
 * One call in flight, and everything asked for meanwhile goes with the next: one round trip at low load, large batches at
 * high load, no timer and nothing to tune.
 */
import * as Effect from "effect/Effect"

interface Waiting<A, B, E> {
  readonly item: A
  readonly resume: (effect: Effect.Effect<B, E>) => void
}

/** `send` gets at most `most` items and answers each of them, in order. */
export const make = <A, B, E>(
  most: number,
  send: (items: ReadonlyArray<A>) => Effect.Effect<ReadonlyArray<B>, E>
): ((item: A) => Effect.Effect<B, E>) => {
  // In order; a set, so that thousands who are interrupted together leave it at once.
  const waiting = new Set<Waiting<A, B, E>>()
  let isSending = false

  const next: Effect.Effect<void> = Effect.suspend(() => {
    const batch: Array<Waiting<A, B, E>> = []
    for (const entry of waiting) {
      if (batch.length === most) break
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

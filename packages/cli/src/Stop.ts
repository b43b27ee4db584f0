/**
 * The signals that ask a process to stop. Where nobody says otherwise the first one interrupts the command, which the
 * runtime does, and a second one ends the process at once. A command that stops in its own way, such as a worker, takes
 * them over.
 *
 * One Ctrl-C may come as two signals, from the terminal and from a parent such as pnpm that passes it on, so what comes at
 * once counts as one.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export type Signal = "SIGINT" | "SIGTERM"

const signals: ReadonlyArray<Signal> = ["SIGINT", "SIGTERM"]

/** Milliseconds. */
const sameRequest = 300

/** The exit code of a process that a second signal ends. */
export const atOnce = 130

/** What a command that stops in its own way waits for. */
export interface Requests {
  readonly first: Effect.Effect<Signal>
  /** Somebody has lost patience. */
  readonly second: Effect.Effect<Signal>
}

/** Hears requests: calls back with the first one, and with the next that is none of the same. */
const hear = (onFirst: (signal: Signal) => void, onSecond: (signal: Signal) => void) => {
  let askedAt: number | undefined
  return (signal: Signal) => {
    if (askedAt === undefined) {
      askedAt = performance.now()
      onFirst(signal)
    } else if (performance.now() - askedAt > sameRequest) onSecond(signal)
  }
}

/** Makes a second signal end the process. */
export const endAtOnceWhenAskedTwice = (): void => {
  const listener = hear(
    () => {},
    () => process.exit(atOnce)
  )
  for (const signal of signals) process.on(signal, listener)
}

let taken = false

/** Whether a command took the signals over and was asked to stop: whatever it left behind, the process is to end. */
export const wasTaken = (): boolean => taken

/** Takes the signals over until the scope closes: they interrupt nothing, and end nothing. */
export const requests: Effect.Effect<Requests, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => {
      const first = Deferred.makeUnsafe<Signal>()
      const second = Deferred.makeUnsafe<Signal>()
      const listener = hear(
        (signal) => {
          taken = true
          Deferred.doneUnsafe(first, Effect.succeed(signal))
        },
        (signal) => void Deferred.doneUnsafe(second, Effect.succeed(signal))
      )
      const others = signals.map((signal) => [signal, process.listeners(signal)] as const)
      for (const signal of signals) process.removeAllListeners(signal).on(signal, listener)
      return { first, second, listener, others }
    }),
    ({ listener, others }) =>
      Effect.sync(() => {
        for (const [signal, listeners] of others) {
          process.off(signal, listener)
          for (const other of listeners) process.on(signal, other)
        }
      })
  ),
  ({ first, second }) => ({ first: Deferred.await(first), second: Deferred.await(second) })
)

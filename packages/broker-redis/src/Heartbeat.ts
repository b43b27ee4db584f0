/**
 * Keeps the lease of a worker from a thread beside its event loop, so that a handler that holds the loop up for longer than
 * the lease loses nothing. It keeps the lease only while the loop has shown life within the stall budget: a handler that
 * never lets go of the loop must lose its work in the end.
 *
 * ```
 *  loop    beat ─────── beat ─────── beat ▒▒▒▒ a handler blocks ▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒▒
 *  thread     renew ─ renew ─ renew ─ renew ─ renew ─ renew ─ renew│ silent
 *                                         └──── stall budget ──────┘└─ lease ─┘ a sweep gives the work to others
 * ```
 *
 * The thread reconciles nothing; the loop's own renewals do that and go on beside it, so a worker whose thread can't run or
 * has died works as before. A thread that dies is started again.
 */
import type { Heartbeat } from "@arpeggio/core/Broker"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { extname } from "node:path"
import { Worker as Thread } from "node:worker_threads"
import type { Options as ConnectionOptions } from "./Connection.ts"
import type * as Dialer from "./Dialer.ts"
import * as Memory from "./heartbeat/Memory.ts"
import * as Scripts from "./Scripts.ts"
import { revealed } from "./Server.ts"

export interface Options {
  readonly worker: string
  /** Of the partitions that know the worker. */
  readonly prefixes: ReadonlyArray<string>
  /** In milliseconds. */
  readonly lease: number
  /** For how many milliseconds without a beat the lease is kept. */
  readonly stallBudget: number
  readonly connection: ConnectionOptions
}

/** What a thread is told when it starts. */
export interface Instructions extends Omit<Options, "connection"> {
  readonly connection: Dialer.Options
  readonly script: Scripts.Script
  readonly memory: Memory.Memory
}

/** What a thread says. */
export type Notice =
  /** It keeps the lease no longer, until the loop shows life again. */
  | { readonly _tag: "Stalled" }
  /** The first of a row of renewals failed. */
  | { readonly _tag: "Unreachable"; readonly reason: string }

class ThreadEnded extends Data.TaggedError("ThreadEnded")<{ readonly reason: string }> {}

/** A heartbeat that runs until the scope closes. */
export const make = (options: Options): Effect.Effect<Heartbeat, never, Scope.Scope> =>
  Effect.gen(function* () {
    const memory = Memory.make()
    yield* Effect.forkScoped(supervised(options, memory))
    return {
      beat: () => Memory.mark(memory, Memory.beatAt, process.hrtime.bigint()),
      sinceRenewal: () => Memory.since(memory, Memory.renewedAt)
    }
  })

const supervised = (options: Options, memory: Memory.Memory): Effect.Effect<void> =>
  Effect.suspend(() => {
    const instructions = instructionsOf(options, memory)
    if (!isCloneable(instructions)) {
      return Effect.logWarning(
        "Some of the options for ioredis can't be given to a thread (functions, a secure context), so the lease of this " +
          "worker is kept by its event loop only: a handler that blocks it for longer than the lease loses its work."
      )
    }
    return run(instructions).pipe(
      Effect.tapError(({ reason }) =>
        Effect.logWarning(
          `The thread that keeps the lease of this worker ended (${reason}) and is started again; until then the event ` +
            "loop keeps the lease by itself."
        )
      ),
      Effect.retry(backOff),
      Effect.ignore
    )
  })

/** One thread; ends when it does. */
const run = (instructions: Instructions): Effect.Effect<never, ThreadEnded> =>
  Effect.flatMap(Effect.context<never>(), (context) => {
    const log = Effect.runForkWith(context)
    return Effect.callback((resume) => {
      const thread = new Thread(module, { name: "arpeggio heartbeat", workerData: instructions, execArgv: [] })
      thread.on("message", (notice: Notice) => log(Effect.logWarning(sentence(notice, instructions))))
      thread.on("error", (error) => resume(Effect.fail(new ThreadEnded({ reason: String(error) }))))
      thread.on("exit", (code) => resume(Effect.fail(new ThreadEnded({ reason: `exit code ${code}` }))))
      // After the listeners, which would hold the process again.
      thread.unref()
      return Effect.promise(() => thread.terminate())
    })
  })

/** The thread's file is beside this one, as source and as built. */
const module = new URL(`./heartbeat/thread${extname(import.meta.url)}`, import.meta.url)

const sentence = (notice: Notice, { connection: { deadline }, stallBudget }: Instructions): string => {
  switch (notice._tag) {
    case "Stalled":
      return (
        `The event loop stood still for longer than the stall budget of ${stallBudget} ms, so the lease was not kept: what ` +
        "this worker held may have gone to others. Move long computations to a thread or a process, or raise `stallBudget`."
      )
    case "Unreachable":
      return `The thread that keeps the lease of this worker can't renew it within ${deadline} ms and tries again: ${notice.reason}`
  }
}

const instructionsOf = (options: Options, memory: Memory.Memory): Instructions => {
  const { connection, lease } = options
  // How to connect again is up to the thread.
  const { reconnectOnError: _, retryStrategy: __, sentinelRetryStrategy: ___, ...redis } = connection.redis
  // A renewal that takes longer comes too late; a new connection has the time to try again.
  const deadline = Math.min(connection.deadline, lease / 4)
  return {
    ...options,
    // A worker beats ten times within its lease; what is shorter than two beats says nothing about its loop.
    stallBudget: Math.max(options.stallBudget, lease / 5),
    connection: { server: revealed(connection.server), redis, deadline },
    memory,
    script: Scripts.beat
  }
}

/** Never in part: a connection that lacks some of its options could be one without TLS. */
const isCloneable = (instructions: Instructions): boolean => {
  try {
    structuredClone(instructions)
    return true
  } catch {
    return false
  }
}

const backOff = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("10 seconds")]).pipe(
  Schedule.jittered
)

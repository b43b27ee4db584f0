/**
 * The thread that keeps a worker's lease. It has an event loop and a connection of its own, so nothing that holds up the
 * worker holds up its renewals; and it looks at whether the worker's loop lives, for a worker that hangs for ever must lose
 * what it holds.
 *
 * ```
 *  wait ─► connect ─► renew ─► wait ─► renew ─► …      silent while the loop's last beat is older than the stall budget
 *             ▲         │ failed, or took longer than its deadline
 *             └─ wait ──┘ with a new connection: the old one is not trusted any more
 * ```
 *
 * A worker has just registered when its thread starts. What talks to Redis is loaded when the first renewal is due and not at
 * once: it takes as long as some thousand tasks, when the worker has the most to do.
 */
import { setTimeout as pause } from "node:timers/promises"
import { parentPort, workerData } from "node:worker_threads"
import type { Client } from "../Dialer.ts"
import type { Instructions, Notice } from "../Heartbeat.ts"
import * as Memory from "./Memory.ts"

const { connection, lease, memory, prefixes, script, stallBudget, worker } = workerData as Instructions
const { deadline } = connection

// Not all at the same moment.
const aWhile = (): Promise<void> => pause(lease / 4 + (Math.random() * lease) / 12)

// Another thread may have died in the place of which this one starts.
const isFirst = Memory.since(memory, Memory.renewedAt) === Infinity
if (isFirst) await aWhile()

const Dialer = await import("../Dialer.ts")
const Library = await import("../Library.ts")
const dialer = Dialer.make(connection)

// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of Node has no origin
const tell = (notice: Notice): void => parentPort!.postMessage(notice)

let isStalled = false
const loopLives = (): boolean => {
  const silence = Memory.since(memory, Memory.beatAt)
  const wasStalled = isStalled
  isStalled = silence > stallBudget
  if (isStalled && !wasStalled) tell({ _tag: "Stalled" })
  return !isStalled
}

/** A renewal counts from before it was sent, and only when every partition knows the worker. */
const renew = async (client: Client): Promise<void> => {
  const sentAt = process.hrtime.bigint()
  const replies = await inTime(
    Promise.all(prefixes.map((prefix) => Library.call(client, script, prefix, [worker, lease])))
  )
  if (replies.every((reply) => reply === 1)) Memory.mark(memory, Memory.renewedAt, sentAt)
}

const inTime = <A>(call: Promise<A>): Promise<A> => {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${deadline} ms`)), deadline)
  })
  return Promise.race([call, late]).finally(() => clearTimeout(timer))
}

const keep = async (client: Client): Promise<never> => {
  for (;;) {
    if (loopLives()) {
      await renew(client)
      failures = 0
    }
    await aWhile()
  }
}

let failures = 0
for (;;) {
  let client: Client | undefined
  try {
    client = await dialer.connect()
    await keep(client)
  } catch (error) {
    if (failures++ === 0) tell({ _tag: "Unreachable", reason: Dialer.reasonOf(error) })
  } finally {
    client?.disconnect()
  }
  await pause(Math.random() * Math.min(lease / 4, 50 * 2 ** Math.min(failures, 10)))
}

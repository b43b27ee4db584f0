/**
 * Connections to Redis that can't go deaf. The client of ioredis carries calls and knows the protocol, Sentinel and Cluster;
 * whether a call is tried again, and when a connection is given up, is decided here:
 *
 * - Every call has a deadline. Within it the call is tried again, with back-off and jitter, while what happened may pass: a
 *   connection that broke, a server that loads, a fail-over, a slot that moves, functions flushed once more. That is safe
 *   because every function is idempotent. After it the call fails with `BrokerUnavailable`.
 *   What a process spends blocked, by a long computation say, is hardly counted: the reply may have been there all along.
 *   Nor is what a slow network needs for much: see `slowest`.
 * - ioredis itself keeps nothing: it neither queues calls while it has no connection nor sends them again after it lost one,
 *   so no call happens after its caller has given up, but for the one that was on its way.
 * - A socket over which nothing came while a call missed its deadline is destroyed. A client that has said nothing at all since
 *   before such a call is replaced by a new one, whatever state it believes to be in.
 * - What can't pass is not tried again: a right that is missing, a function that fails. It ends the call with a defect,
 *   `Refused`, that says what to do; loops of workers log it and come back later, with back-off.
 */
import { BrokerUnavailable, IncompatibleStore } from "@arpeggio/core/Failure"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { RedisOptions } from "ioredis"
import type { Socket } from "node:net"
import * as Certificates from "./Certificates.ts"
import * as Diagnosis from "./Diagnosis.ts"
import type { Client } from "./Dialer.ts"
import * as Dialer from "./Dialer.ts"
import * as Library from "./Library.ts"
import * as Rights from "./Rights.ts"
import type { Script } from "./Scripts.ts"
import { describe, revealed } from "./Server.ts"
import type { Server } from "./Server.ts"
import * as Subscriber from "./Subscriber.ts"

export interface Options {
  readonly server: Server
  /** How long a call may take, in milliseconds, but for what its network needs to carry much. */
  readonly deadline: number
  /** What else ioredis should know of each connection. */
  readonly redis: Omit<RedisOptions, "replyMapping">
}

/** What a reply may be; replies to scripts and inspections are strings, numbers and arrays of them. */
export type Reply = string | number | null | ReadonlyArray<Reply>

export interface Connection {
  readonly options: Options
  /** Calls a function of the library on the partition whose keys begin with `prefix`: on the node that has them. */
  readonly run: (
    script: Script,
    prefix: string,
    args: ReadonlyArray<string | number>
  ) => Effect.Effect<Reply, BrokerUnavailable>
  /** A command; in a cluster on the node that has its key, or on any where it has none. */
  readonly command: (name: string, ...args: ReadonlyArray<string | number>) => Effect.Effect<Reply, BrokerUnavailable>
  /** Listens to channels until the scope closes. Messages may be lost. */
  readonly listen: Subscriber.Listen
}

/**
 * Redis refuses what it was asked, and would again. `isOfData` when it is about the data that the call was about, so that
 * calls about other data may work; otherwise it is about who we are, and nothing works.
 */
export class Refused extends Error {
  readonly isOfData: boolean
  constructor(message: string, isOfData: boolean) {
    super(message)
    this.name = "Refused"
    this.isOfData = isOfData
  }
}

/** Whether Redis refused something for its data. */
export const isOfData = (defect: unknown): boolean => defect instanceof Refused && defect.isOfData

/**
 * Characters that a network must carry in a millisecond: 512 kbit/s. A call is given that much more time for what it sends,
 * and for what is on its way before it; how long an answer takes that keeps coming is not held against it.
 */
const slowest = 64

/** Characters of the longest answer that is waited for. */
const longest = 16_777_216

export const make = (given: Options): Effect.Effect<Connection, BrokerUnavailable | IncompatibleStore, Scope.Scope> =>
  Effect.gen(function* () {
    const { deadline, redis } = given
    // What Node's TLS should know may be among the options of ioredis.
    const tls = typeof given.server.tls === "object" ? given.server.tls : (redis.tls ?? given.server.tls)
    const server = yield* Certificates.load({ ...given.server, tls })
    const options = { ...given, server }
    const dialer = Dialer.make({ ...options, server: revealed(server) })
    let client: Client = yield* Effect.acquireRelease(
      Effect.tryPromise({ try: () => dialer.connect(), catch: Dialer.reasonOf }),
      (): Effect.Effect<void> => Effect.sync(() => client.disconnect())
    ).pipe(Effect.catch((reason) => Effect.flatMap(diagnosis(options, reason), Effect.fail)))
    /** When the client last answered anything. */
    let heardAt = performance.now()
    /** Sent over the client and not answered. */
    let onItsWay = { characters: 0 }
    const tickLength = deadline / 5
    const ticksFor = (characters: number): number => Math.floor(characters / slowest / tickLength)

    // By hand, because every call of a worker comes through here: as effects, the deadline and the retries of a call would
    // cost about as much as all the rest of it. `key` says which node of a cluster is called.
    const call = (
      key: string,
      length: number,
      send: (client: Client) => Promise<unknown>
    ): Effect.Effect<Reply, BrokerUnavailable> =>
      Effect.callback((resume) => {
        const startedAt = performance.now()
        let last: Trouble | undefined
        let pause: NodeJS.Timeout | undefined
        let isOver = false
        let isSent = false
        /** What carries the call since before the last tick, and what had come over it by then. */
        let socket: Socket | undefined
        let bytesRead = 0
        const end = (exit: Effect.Effect<Reply, BrokerUnavailable>): void => {
          stop()
          resume(exit)
        }
        const attempt = (round: number): void => {
          const asked = client
          const load = onItsWay
          isSent = true
          load.characters += length
          send(asked).then(
            (reply) => {
              load.characters -= length
              heardAt = performance.now()
              end(Effect.succeed(reply as Reply))
            },
            (cause) => {
              load.characters -= length
              isSent = false
              socket = undefined
              last = troubleOf(isReply(cause) ? cause : (Dialer.complaintOf(asked, heardAt) ?? cause))
              if (isOver) return
              if (last._tag === "Passing") pause = setTimeout(attempt, backOff(round), round + 1)
              else if (last._tag === "Refused") end(Effect.die(new Refused(last.message, last.isOfData)))
              else end(Effect.fail(new BrokerUnavailable({ reason: last.message })))
            }
          )
        }
        // In ticks, so that a stretch in which this process let no timer fire, nor read a reply, counts as one of them.
        const allowed = 5 + ticksFor(onItsWay.characters + length)
        let ticks = allowed
        let ticksInAll = allowed + ticksFor(longest)
        const tick = (): void => {
          const carries = isSent ? Dialer.socketOf(client, key) : undefined
          const isComing = carries !== undefined && carries === socket && carries.bytesRead > bytesRead
          ticks = isComing ? Math.max(ticks, 5) : ticks - 1
          if (ticks === 0 || --ticksInAll === 0) return giveUp(isComing)
          socket = carries
          bytesRead = carries?.bytesRead ?? 0
          timer = setTimeout(tick, tickLength)
        }
        const giveUp = (isComing: boolean): void => {
          if (heardAt < startedAt) replace()
          else if (!isComing) socket?.destroy(new Error("no answer came over it"))
          const about = last === undefined ? "" : ` What happened last: ${last.message}.`
          const reason = `Redis did not answer within ${Math.round(allowed * tickLength)} ms. Look at its load and at the network.${about}`
          end(Effect.fail(new BrokerUnavailable({ reason })))
        }
        let timer = setTimeout(tick, tickLength)
        const stop = (): void => {
          isOver = true
          clearTimeout(timer)
          clearTimeout(pause)
        }
        attempt(0)
        return Effect.sync(stop)
      })

    const replace = (): void => {
      heardAt = performance.now()
      client.disconnect()
      client = dialer.open()
      onItsWay = { characters: 0 }
    }

    return {
      options,
      run: (script, prefix, args) =>
        call(prefix, lengthOf(args), (client) => Library.call(client, script, prefix, args)),
      command: (name, ...args) => call(String(args[0]), lengthOf(args), (client) => client.call(name, ...args)),
      listen: yield* Subscriber.make(() => dialer.subscriber(client), deadline)
    }
  })

/** Characters that arguments have, or about. */
const lengthOf = (args: ReadonlyArray<string | number>): number => {
  let length = 0
  for (const arg of args) length += typeof arg === "string" ? arg.length : 8
  return length
}

/** Milliseconds before another try: 20 at first and a second at most, with jitter. */
const backOff = (round: number): number => (0.8 + Math.random() * 0.4) * Math.min(1_000, 20 * 2 ** round)

/** Why there is no connection to begin with, in a sentence; `said` is what the client had to say. */
const diagnosis = ({ deadline, server }: Options, said: string): Effect.Effect<BrokerUnavailable | IncompatibleStore> =>
  Effect.map(
    Effect.promise(() => Diagnosis.of(server, Math.min(deadline, 3_000))),
    (trouble) => {
      // All is well by now, or something is wrong that a bare connection does not meet.
      const reason = trouble?.says ?? `Redis at ${describe(server)} can't be used: ${said}. Try again; look at its log.`
      return trouble?.passes === false ? new IncompatibleStore({ reason }) : new BrokerUnavailable({ reason })
    }
  )

// ---- what went wrong --------------------------------------------------------------------------------------------------

type Trouble =
  /** It may be over by itself. */
  | { readonly _tag: "Passing"; readonly message: string }
  /** It passes when somebody makes room. Not waited for: a caller who submits should hear of it. */
  | { readonly _tag: "Full"; readonly message: string }
  | { readonly _tag: "Refused"; readonly message: string; readonly isOfData: boolean }

const passing =
  /^(LOADING|BUSY|TRYAGAIN|CLUSTERDOWN|MASTERDOWN|NOREPLICAS|MISCONF|READONLY|UNBLOCKED|MOVED|ASK)\b|^ERR (max number of clients|Function not found)/

/** What is no answer of the server is about the connection: closed, none at the moment, too many redirections. */
const isReply = (cause: unknown): cause is Error => cause instanceof Error && cause.name === "ReplyError"

const troubleOf = (cause: unknown): Trouble => {
  const message = Dialer.reasonOf(cause)
  if (!isReply(cause) || passing.test(message)) return { _tag: "Passing", message }
  if (message.startsWith("OOM"))
    return { _tag: "Full", message: `${message}. Redis is full: raise its maxmemory, or let runs end and be removed.` }
  if (Rights.isRefusal(message)) {
    const advice =
      "Grant it to the user that Arpeggio connects as; docs/redis.md lists all the rights it needs, `arpeggio doctor` names those it lacks."
    return { _tag: "Refused", message: `Redis refuses for want of a right: ${message}. ${advice}`, isOfData: false }
  }
  if (/^(NOAUTH|WRONGPASS)/.test(message)) {
    return {
      _tag: "Refused",
      message: `Redis does not let us in: ${message}. Correct the user name and the password.`,
      isOfData: false
    }
  }
  const advice =
    "This is no outage: the data under this namespace is not as Arpeggio wrote it, or this is a fault of Arpeggio."
  return {
    _tag: "Refused",
    message: `Redis refuses a call: ${message}. ${advice}`,
    isOfData: true
  }
}

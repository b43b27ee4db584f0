/**
 * What goes wrong in a campaign, and when: drawn from a seed, so the same seed plans the same faults.
 */
import type { Random } from "../../packages/core/test/simulation/Random.ts"
import * as AppendOnlyFile from "../../packages/broker-redis/test/AppendOnlyFile.ts"
import * as StaleReplica from "../../packages/broker-redis/test/StaleReplica.ts"
import type { Fleet, Kind } from "./Fleet.ts"
import * as Loss from "./Loss.ts"
import type { Store } from "./Store.ts"

export interface Arena {
  readonly fleet: Fleet
  readonly store: Store
  /** In milliseconds. */
  readonly lease: number
  /** What the store has lost so far. */
  readonly losses: Array<Loss.Loss>
  readonly log: (line: string) => void
  readonly random: Random
}

/** Does it once; says what it did, or nothing when there was nobody to do it to. */
type Fault = (arena: Arena) => Promise<string | undefined>

const pause = (millis: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, millis))

const serverOf = ({ random, store }: Arena) => random.pick(store.servers)

const victim = ({ fleet, random }: Arena, kind: Kind) => {
  const alive = fleet.alive(kind)
  return alive.length === 0 ? undefined : random.pick(alive)
}

/** Requests that bring the value of a handler. */
const reports = (request: Buffer): boolean => request.includes("\r\n$1\r\nS\r\n")

export const faults = {
  "worker killed": async (arena) => {
    const member = victim(arena, "worker")
    if (member === undefined) return undefined
    arena.fleet.kill(member)
    return member.name
  },
  "worker frozen longer than its lease": async (arena) => {
    const member = victim(arena, "worker")
    if (member === undefined) return undefined
    const millis = Math.round(arena.lease * (1.5 + 1.5 * arena.random.next()))
    await arena.fleet.freeze(member, millis)
    return `${member.name} for ${millis} ms`
  },
  "worker stopped": async (arena) => {
    const member = victim(arena, "worker")
    if (member === undefined) return undefined
    await arena.fleet.stop(member)
    return member.name
  },
  "orchestrator killed": async (arena) => {
    const member = victim(arena, "orchestrator")
    if (member === undefined) return undefined
    arena.fleet.kill(member)
    return member.name
  },
  "store killed and restarted": async (arena) => {
    const millis = 100 + arena.random.below(900)
    const server = serverOf(arena)
    await server.kill()
    await pause(millis)
    await server.restart()
    return `away for ${millis} ms`
  },
  // What was not on the disk yet: with `everysec` what was written in the last second, or two where the disk is busy.
  "power lost": async (arena) => {
    const { losses, random } = arena
    const server = serverOf(arena)
    const file = await AppendOnlyFile.of(server)
    const loss = Loss.begin()
    losses.push(loss)
    const onDisk = file.size()
    await pause(50)
    // Somewhere in here the disk was writing when the power failed, wherever a record or a transaction begins.
    const kept = onDisk + random.below(1 + file.size() - onDisk)
    loss.cut = Date.now()
    await pause(200 + random.below(1_800))
    await server.kill()
    loss.to = Date.now()
    const lost = file.size() - kept
    file.cut(kept)
    await pause(100 + random.below(900))
    await server.restart()
    loss.back = Date.now()
    return `${Math.round(lost / 1_000)} kB of ${loss.to - loss.from} ms gone`
  },
  "failed over to a stale replica": async (arena) => {
    const { losses, random } = arena
    const server = serverOf(arena)
    const replica = await StaleReplica.of(server)
    try {
      const loss = Loss.begin()
      losses.push(loss)
      await replica.catchUp()
      replica.cutOff()
      loss.cut = Date.now()
      await pause(200 + random.below(1_800))
      await server.kill()
      loss.to = Date.now()
      await replica.takeOver()
      loss.back = Date.now()
      return `${loss.to - loss.from} ms gone`
    } finally {
      await replica.stop()
    }
  },
  "failed over without a loss": async ({ store: { failOver } }) => failOver?.(),
  "store frozen": async (arena) => {
    const millis = 200 + arena.random.below(800)
    const server = serverOf(arena)
    server.freeze()
    await pause(millis)
    server.thaw()
    return `${millis} ms`
  },
  "memory full": async (arena) => {
    const server = serverOf(arena)
    const used = Number(/used_memory:(\d+)/.exec(String(await server.command("INFO", "memory")))![1])
    await server.command("CONFIG", "SET", "maxmemory", Math.floor(used * 0.9))
    await pause(600 + arena.random.below(600))
    await server.command("CONFIG", "SET", "maxmemory", 0)
    return `at ${Math.round(used / 1e6)} MB`
  },
  // A replica refuses.
  "functions flushed": (arena) =>
    serverOf(arena)
      .command("FUNCTION", "FLUSH")
      .then(
        () => "all",
        () => undefined
      ),
  "clients killed": async (arena) => {
    const type = arena.random.pick(["normal", "pubsub"])
    return `${await serverOf(arena).command("CLIENT", "KILL", "TYPE", type)} of type ${type}`
  },
  "connections cut": async ({ store: { proxy } }) => proxy && `${proxy.cut()}`,
  "replies dropped": async ({ random, store: { proxy } }) => {
    if (proxy === undefined) return undefined
    const dropped = await proxy.dropReplies(1 + random.below(4), 2_000, random.chance(0.5) ? reports : undefined)
    return dropped === 0 ? undefined : `${dropped}`
  },
  "network silent": async ({ random, store: { proxy } }) => {
    if (proxy === undefined) return undefined
    const millis = 300 + random.below(2_200)
    proxy.blackHole()
    await pause(millis)
    proxy.heal()
    return `${millis} ms`
  },
  "network slow": async ({ random, store: { proxy } }) => {
    if (proxy === undefined) return undefined
    proxy.delay(5 + random.below(60))
    await pause(800)
    proxy.delay(0)
    return "800 ms"
  }
} satisfies { readonly [name: string]: Fault }

export type FaultName = keyof typeof faults

/** Faults that need the store to themselves; the others may come at any time. */
const exclusive: ReadonlySet<FaultName> = new Set([
  "store killed and restarted",
  "power lost",
  "failed over to a stale replica",
  "failed over without a loss",
  "store frozen",
  "memory full",
  "functions flushed",
  "clients killed"
])

/** How often each fault is to come. */
export type Dose = { readonly [F in FaultName]?: number }

export interface Planned {
  /** Milliseconds from the start. */
  readonly at: number
  readonly fault: FaultName
}

/** Spreads the faults over so many milliseconds. */
export const plan = (random: Random, dose: Dose, millis: number): ReadonlyArray<Planned> =>
  (Object.entries(dose) as ReadonlyArray<[FaultName, number]>)
    .flatMap(([fault, count]) =>
      Array.from({ length: count }, () => ({ at: Math.round(random.next() * millis), fault }))
    )
    .sort((a, b) => a.at - b.at)

export type Tally = Map<FaultName, number>

/** Carries a plan out; resolves when the last fault is over. Gives how often each was done to somebody. */
export const unleash = async (arena: Arena, planned: ReadonlyArray<Planned>): Promise<Tally> => {
  const tally: Tally = new Map()
  const start = Date.now()
  let turn: Promise<unknown> = Promise.resolve()
  const strike = async (fault: FaultName) => {
    try {
      const what = await faults[fault](arena)
      if (what === undefined) return
      tally.set(fault, (tally.get(fault) ?? 0) + 1)
      arena.log(`${((Date.now() - start) / 1_000).toFixed(1)} s  ${fault}: ${what}`)
    } catch (error) {
      arena.log(`${((Date.now() - start) / 1_000).toFixed(1)} s  ${fault} could not be done: ${String(error)}`)
    }
  }
  await Promise.all(
    planned.map(async ({ at, fault }) => {
      await pause(at)
      if (!exclusive.has(fault)) return strike(fault)
      turn = turn.then(() => strike(fault))
      return turn
    })
  )
  return tally
}

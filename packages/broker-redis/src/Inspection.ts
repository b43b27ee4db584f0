/**
 * What people see of the store: slow reads, in slices that don't hold Redis up.
 */
import type { DeadLetter, QueueView, RunState, RunSummary, WorkerInfo, WorkerView } from "@arpeggio/core/Broker"
import * as Defaults from "@arpeggio/core/Defaults"
import type { BrokerUnavailable } from "@arpeggio/core/Failure"
import * as Address from "@arpeggio/core/plan/Address"
import * as Effect from "effect/Effect"
import type { StoredPlan } from "./Codec.ts"
import * as Codec from "./Codec.ts"
import type { Reply } from "./Connection.ts"
import { isOfData } from "./Connection.ts"
import * as Fields from "./Fields.ts"
import * as Hydrate from "./Hydrate.ts"
import * as Keys from "./Keys.ts"

/** A Redis command on a key of the partition. */
export type Command = (
  name: string,
  key: string,
  ...args: ReadonlyArray<string | number>
) => Effect.Effect<Reply, BrokerUnavailable>

/** A plan of the partition by its hash. */
type PlanOf = (hash: string) => Effect.Effect<StoredPlan | undefined, BrokerUnavailable>

/** Fields of a run; of one whose key is of another type, nothing. */
const fieldsOf = (
  command: Command,
  run: string,
  ...fields: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string | null>, BrokerUnavailable> =>
  Effect.catchDefect(Fields.read(command, run, fields), (defect) =>
    isOfData(defect) ? Effect.succeed([]) : Effect.die(defect)
  )

/** Entries of a list read at once. */
const page = 500

/** Newest first, without those that are damaged: nothing is sure of them. */
export const listRuns = (
  command: Command,
  planOf: PlanOf,
  state: RunState | undefined,
  limit: number
): Effect.Effect<ReadonlyArray<RunSummary>, BrokerUnavailable> =>
  Effect.gen(function* () {
    const summaries = new Map<string, RunSummary>()
    for (const list of [Keys.runs, Keys.kept]) {
      for (let last = -1; summaries.size < limit; last -= page) {
        const ids = (yield* command("LRANGE", list, last - page + 1, last)) as ReadonlyArray<string>
        if (ids.length === 0) break
        for (const id of ids.toReversed()) {
          // An id that was removed, or looked at by a sweep, and is here twice.
          if (summaries.has(id)) continue
          const [m, c] = yield* fieldsOf(command, id, "m", "c")
          if (typeof m !== "string" || typeof c !== "string") continue
          const meta = Hydrate.parseMeta(m)
          if (meta === undefined) continue
          if (state !== undefined && meta.state !== state) continue
          const stored = yield* planOf(meta.planHash)
          if (stored === undefined) continue
          summaries.set(id, {
            id,
            flow: stored.plan.flow,
            planHash: stored.hash,
            state: meta.state,
            generation: meta.generation,
            submittedAt: Codec.toTime(c),
            endedAt: meta.endedAt
          })
          if (summaries.size === limit) break
        }
      }
    }
    return [...summaries.values()]
  })

/** Newest first. A note from before a retry, or of a run that was removed, holds no more: its cell says something else by now. */
export const listDead = (
  command: Command,
  planOf: PlanOf,
  limit: number
): Effect.Effect<ReadonlyArray<DeadLetter>, BrokerUnavailable> =>
  Effect.gen(function* () {
    const letters: Array<DeadLetter> = []
    const seen = new Set<string>()
    for (let last = -1; letters.length < limit; last -= page) {
      const notes = (yield* command("LRANGE", Keys.dead, last - page + 1, last)) as ReadonlyArray<string>
      if (notes.length === 0) break
      const newest = notes.toReversed().filter((note) => {
        const [run, address] = note.split("\t")
        const cell = `${run}\t${address}`
        return !seen.has(cell) && seen.add(cell)
      })
      const found = yield* Effect.forEach(newest, (note) => letterOf(command, planOf, note), { concurrency: 50 })
      letters.push(...found.filter((letter) => letter !== undefined))
    }
    return letters.slice(0, limit)
  })

const letterOf = (
  command: Command,
  planOf: PlanOf,
  note: string
): Effect.Effect<DeadLetter | undefined, BrokerUnavailable> =>
  Effect.gen(function* () {
    const [run, address, attempt, lost, since] = note.split("\t") as [string, string, string, string, string]
    const [m, cell] = yield* fieldsOf(command, run, "m", address)
    if (typeof m !== "string" || typeof cell !== "string" || !isGivenUp(cell)) return undefined
    const meta = Hydrate.parseMeta(m)
    if (meta === undefined) return undefined
    const plan = (yield* planOf(meta.planHash))?.plan
    const node = plan?.nodes[Address.parse(address)!.node]
    if (plan === undefined || (node?._tag !== "Task" && node?._tag !== "Decide")) return undefined
    return {
      run,
      flow: plan.flow,
      state: meta.state,
      node: Address.toId(plan, address),
      address,
      task: node._tag === "Task" ? node.task : undefined,
      queue: node.policy?.queue ?? Defaults.policy.queue,
      attempt: Number(attempt),
      lost: Number(lost),
      since: Number(since)
    }
  })

/** Whether that is how the cell ended: no report has the mark of the store's own failures, which is empty. */
const isGivenUp = (cell: string): boolean => /^F\d+\|0\|\|0\|PoisonPill\n/.test(cell)

export const listWorkers = (command: Command): Effect.Effect<ReadonlyArray<WorkerView>, BrokerUnavailable> =>
  Effect.gen(function* () {
    const leases = (yield* command("ZRANGE", Keys.leases, 0, -1, "WITHSCORES")) as ReadonlyArray<string>
    const views: Array<WorkerView> = []
    for (let i = 0; i < leases.length; i += 2) {
      const id = leases[i]!
      const info = yield* command("HGET", Keys.workers, id)
      const held = (yield* command("HKEYS", Keys.holding(id))) as ReadonlyArray<string>
      if (typeof info !== "string") continue
      views.push({
        ...(JSON.parse(info) as WorkerInfo),
        running: held.filter((field) => !field.startsWith("#")).length,
        leaseUntil: Math.floor(Number(leases[i + 1]))
      })
    }
    return views
  })

export const listQueues = (command: Command): Effect.Effect<ReadonlyArray<QueueView>, BrokerUnavailable> =>
  Effect.gen(function* () {
    const workers = yield* listWorkers(command)
    const views: Array<QueueView> = []
    for (const queue of yield* queuesInUse(command)) {
      const bands = Array.from((yield* command("HGET", Keys.flags, Keys.bandsFlag(queue))) as string)
      const unroutable: { [task: string]: number } = Object.create(null)
      let ready = yield* readyIn(command, Keys.suspects(queue))
      for (const band of bands) ready += yield* readyIn(command, Keys.band(queue, band))
      for (const task of (yield* command("ZRANGE", Keys.parkedTasks(queue), 0, -1)) as ReadonlyArray<string>) {
        let parked = 0
        for (const band of bands) parked += yield* readyIn(command, Keys.parked(queue, band, task))
        ready += parked
        const isRoutable = workers.some((worker) => worker.queues.includes(queue) && worker.tasks.includes(task))
        if (parked > 0 && !isRoutable) unroutable[task] = parked
      }
      views.push({ queue, ready, unroutable })
    }
    return views
  })

/** Entries of a list whose nodes are still ready: they stay until a claim passes over them. Of a long list the rest is counted as it is. */
const readyIn = (command: Command, list: string): Effect.Effect<number, BrokerUnavailable> =>
  Effect.gen(function* () {
    const length = Number(yield* command("LLEN", list))
    if (length === 0) return 0
    const entries = (yield* command("LRANGE", list, 0, page - 1)) as ReadonlyArray<string>
    const alive = yield* Effect.forEach(
      entries,
      (entry) => {
        const { address, generation, run } = Codec.parseEntry(entry)
        return Effect.map(
          fieldsOf(command, run, "m", address),
          ([m, cell]) =>
            typeof m === "string" &&
            cell?.startsWith("r") === true &&
            String(Hydrate.parseMeta(m)?.generation) === generation
        )
      },
      { concurrency: 50 }
    )
    return length - alive.filter((isAlive) => !isAlive).length
  })

/** Every list in which nodes wait to be handed out. */
export const listsInUse = (command: Command): Effect.Effect<ReadonlyArray<string>, BrokerUnavailable> =>
  Effect.gen(function* () {
    const lists: Array<string> = []
    for (const queue of yield* queuesInUse(command)) {
      const bands = Array.from((yield* command("HGET", Keys.flags, Keys.bandsFlag(queue))) as string)
      lists.push(Keys.suspects(queue), ...bands.map((band) => Keys.band(queue, band)))
      for (const task of (yield* command("ZRANGE", Keys.parkedTasks(queue), 0, -1)) as ReadonlyArray<string>)
        lists.push(...bands.map((band) => Keys.parked(queue, band, task)))
    }
    return lists
  })

const queuesInUse = (command: Command): Effect.Effect<ReadonlyArray<string>, BrokerUnavailable> =>
  Effect.map(command("HKEYS", Keys.flags), (names) =>
    (names as ReadonlyArray<string>)
      .filter((name) => name.startsWith(Keys.bandsFlag("")))
      .map((name) => name.slice(Keys.bandsFlag("").length))
  )

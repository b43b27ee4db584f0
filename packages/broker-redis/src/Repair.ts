/**
 * The way out for runs that are damaged: they end. Where their plan and the shape of their nodes can be read, all that had not
 * ended is cancelled, so that they can be looked at and retried like any run that failed; of others there is nothing left but
 * that they have failed. Retention removes them like all.
 */
import * as Engine from "@arpeggio/core/engine/Store"
import type { BrokerUnavailable } from "@arpeggio/core/Failure"
import * as Effect from "effect/Effect"
import type { StoredPlan } from "./Codec.ts"
import type { Connection } from "./Connection.ts"
import { isOfData } from "./Connection.ts"
import * as Damage from "./Damage.ts"
import * as Fields from "./Fields.ts"
import * as Hydrate from "./Hydrate.ts"
import type { Command } from "./Inspection.ts"
import * as Keys from "./Keys.ts"
import * as Plans from "./Plans.ts"
import * as Record from "./Record.ts"
import * as Scripts from "./Scripts.ts"

export interface Repaired extends Damage.Damaged {
  readonly state: "succeeded" | "failed" | "cancelled"
  /** Whether it can be shown and retried. */
  readonly isReadable: boolean
}

/** The damaged runs of a store, of all its partitions. */
export const list = (
  connection: Connection,
  namespace: string
): Effect.Effect<ReadonlyArray<Damage.Damaged>, BrokerUnavailable> =>
  Effect.flatMap(prefixesOf(connection, namespace), (prefixes) =>
    Effect.map(
      Effect.forEach(prefixes, (prefix) => Damage.list(commandOn(connection, prefix))),
      (all) => all.flat()
    )
  )

/** Ends all of them. What somebody else ends at the same time is left out. */
export const repair = (
  connection: Connection,
  namespace: string
): Effect.Effect<ReadonlyArray<Repaired>, BrokerUnavailable> =>
  Effect.gen(function* () {
    const repaired: Array<Repaired> = []
    for (const prefix of yield* prefixesOf(connection, namespace)) {
      const plans = Plans.make(connection, prefix)
      for (const damaged of yield* Damage.list(commandOn(connection, prefix))) {
        const one = yield* end(connection, prefix, plans, damaged)
        if (one !== undefined) repaired.push(one)
      }
    }
    return repaired
  })

const prefixesOf = (connection: Connection, namespace: string) =>
  Effect.map(connection.command("GET", Keys.prefix(namespace, 0) + Keys.partitions), (count) =>
    Array.from({ length: Number(count ?? 1) }, (_, index) => Keys.prefix(namespace, index))
  )

const commandOn =
  (connection: Connection, prefix: string): Command =>
  (name, key, ...args) =>
    connection.command(name, prefix + key, ...args)

// ---- one run --------------------------------------------------------------------------------------------------------

const letters = { succeeded: "S", failed: "F", cancelled: "X" } as const

const end = (
  connection: Connection,
  prefix: string,
  plans: Plans.Plans,
  damaged: Damage.Damaged
): Effect.Effect<Repaired | undefined, BrokerUnavailable> =>
  Effect.gen(function* () {
    const { issue, run: id } = damaged
    const command = commandOn(connection, prefix)
    const fields = yield* Effect.catchDefect(Fields.readAll(command, id), (defect) =>
      isOfData(defect) ? Effect.succeed(new Map<string, string>()) : Effect.die(defect)
    )
    const m = fields.get("m") ?? ""
    const standing = Hydrate.parseMeta(m)
    if (standing !== undefined && standing.state !== "running") {
      // It had ended before, and what it ended with is kept; retention may have passed it over meanwhile.
      if ((yield* command("HDEL", Keys.damaged, id)) === 0) return undefined
      const entry = standing.generation === 1 ? id : `${id}\t${standing.generation}`
      yield* command("RPUSH", Keys.done(letters[standing.state]), entry)
      return { ...damaged, state: standing.state, isReadable: true }
    }
    const meta = Hydrate.parseMeta(m.replace(/^D/, ""))
    const stored = meta === undefined ? undefined : yield* plans.get(meta.planHash)
    const ending =
      meta === undefined || stored === undefined ? undefined : endingOf({ id, issue, meta, fields, stored })
    const state = ending?.state ?? "failed"
    const giveUp = (how: "" | "S" | "F" | "X", changes: ReadonlyArray<Change>) =>
      connection.run(Scripts.giveUp, prefix, [id, m, how, ...changes.flat()])
    for (const some of Plans.chunksOf(ending?.changes ?? [], Plans.chunk))
      if ((yield* giveUp("", some)) === "changed") return undefined
    if ((yield* giveUp(letters[state], [])) === "changed") return undefined
    return { ...damaged, state, isReadable: ending !== undefined }
  })

/** A field of the run and its value; without one, it is removed. */
type Change = readonly [field: string, value: string]

interface Given {
  readonly id: string
  readonly issue: string
  readonly meta: Hydrate.Meta
  readonly fields: ReadonlyMap<string, string>
  readonly stored: StoredPlan
}

interface Ending {
  readonly state: Repaired["state"]
  readonly changes: ReadonlyArray<Change>
}

/** How the run ends, and what is to be written for it: as after a cancel. Nothing where it can't be told which nodes there are. */
const endingOf = ({ fields, id, issue, meta, stored }: Given): Ending | undefined => {
  const read = new Map(fields)
  for (const [field, value] of fields) {
    if (isAddress(field) && !isEnd(value, fields)) read.set(field, cancelled)
    if (/^e\d/.test(field)) {
      if (!/^\d+,\d+,\d+,[01]$/.test(value)) return undefined
      const [total, released] = value.split(",")
      read.set(field, `${total},${released},${released},${total === released ? 0 : 1}`)
    }
    if (field === "w" || /^j\d/.test(field)) read.set(field, "")
  }
  const exit = String(stored.plan.bodies[0].exit)
  const isDecided = meta.decided !== undefined && fields.has(exit) && fields.get(exit) === read.get(exit)
  try {
    const run = Hydrate.hydrate({ id, meta, fields: read, stored, held: new Map() })
    for (const frame of Engine.frames(run))
      for (const cell of frame.cells) {
        const address = Engine.addressOf(cell)
        if (!read.has(address)) read.set(address, cancelled)
      }
  } catch {
    return undefined
  }
  if (!isDecided) read.set(exit, `F1|0||0|Damaged\n${JSON.stringify({ _tag: "Damaged", issue })}`)
  return {
    state: isDecided ? meta.decided! : "failed",
    changes: [...read].filter(([field, value]) => fields.get(field) !== value)
  }
}

const cancelled = "X"

const isAddress = (field: string): boolean => /^\d[\d.]*$/.test(field)

const isEnd = (text: string, fields: ReadonlyMap<string, string>): boolean => {
  try {
    const record = Record.parse(text)
    if (record._tag === "Active" || record._tag === "Scheduled") return false
    return record._tag !== "Skipped" || Record.parse(fields.get(record.cause) ?? "")._tag === "Failed"
  } catch {
    return false
  }
}

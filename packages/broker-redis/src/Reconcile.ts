/**
 * Finds what ought to move on and stands nowhere, and puts it back: a ready node that is in no queue and with no worker, a
 * delay without its timer, deferred work nobody knows of. No transition leaves such a thing behind; a store that came back with
 * one carried out by half does, and so does somebody who deletes a queue.
 *
 * First it notes what should be somewhere, then it reads the places and crosses off what it meets. What moves meanwhile can be
 * missed; so the store looks at what is left once more before it puts it back, and a node that is in a queue after all is not
 * handed out twice: see `scripts/reconcile.lua`.
 */
import type { BrokerUnavailable } from "@arpeggio/core/Failure"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Command } from "./Inspection.ts"
import * as Codec from "./Codec.ts"
import * as Inspection from "./Inspection.ts"
import * as Keys from "./Keys.ts"
import * as Scripts from "./Scripts.ts"

/** What was seen of a node: its generation and its field. */
type Sight = readonly [generation: string, field: string]

type SurveyReply = readonly [list: string, position: number, cursor: string, found: ReadonlyArray<string>]

/** How often a store that was not started again is looked at: milliseconds. */
const interval = 300_000

/** How long one may take; after that somebody else begins anew: milliseconds. */
const patience = 60_000

/** Fields of runs that one call looks at. */
const fields = 1_000

/** What is noted at once: some tens of megabytes. */
const most = 100_000

/** Redis has others to serve: between two calls it gets this time. */
const pause = Duration.millis(10)

/** Entries of a list read at once, and nodes put back at once. */
const page = 500
const slice = 500

/** Returns how many it has put back; nothing when somebody has looked not long ago. */
export const make = (evaluate: Scripts.Evaluate, command: Command): Effect.Effect<number, BrokerUnavailable> =>
  Effect.gen(function* () {
    const start = (yield* evaluate(Scripts.dueReconcile, [interval, patience])) as string
    if (start === "") return 0
    let restored = 0
    let [list, position, cursor] = [Keys.runs, 0, "0"]
    while (list !== "") {
      const missing = new Map<string, Sight>()
      while (list !== "" && missing.size < most) {
        const reply = (yield* evaluate(Scripts.survey, [list, position, cursor, fields])) as SurveyReply
        for (const [run, generation, address, field] of quadruples(reply[3]))
          missing.set(`${run}\t${address}`, [generation, field])
        ;[list, position, cursor] = reply
        yield* Effect.sleep(pause)
      }
      yield* crossOff(command, missing)
      restored += yield* restore(evaluate, missing)
    }
    // Where the store was started again meanwhile, all of it is looked through anew.
    yield* evaluate(Scripts.reconciled, [start])
    return restored
  })

/** Takes away what stands somewhere. What a worker gives back while the queues are read has been with it before. */
const crossOff = (command: Command, missing: Map<string, Sight>): Effect.Effect<void, BrokerUnavailable> =>
  Effect.gen(function* () {
    const held = Effect.gen(function* () {
      for (const worker of (yield* command("ZRANGE", Keys.leases, 0, -1)) as ReadonlyArray<string>)
        for (const cell of (yield* command("HKEYS", Keys.holding(worker))) as ReadonlyArray<string>)
          missing.delete(cell)
    })
    if (missing.size > 0) yield* held
    if (missing.size > 0)
      for (const list of yield* Inspection.listsInUse(command))
        yield* eachEntry(command, "LRANGE", list, (entry) => {
          const { address, generation, run } = Codec.parseEntry(entry)
          const cell = `${run}\t${address}`
          const sight = missing.get(cell)
          if (sight?.[0] === generation && sight[1].startsWith("r")) missing.delete(cell)
        })
    if (missing.size > 0)
      yield* eachEntry(command, "ZRANGE", Keys.timers, (timer) => {
        const [kind, run, address = "w", , generation] = timer.split("\t")
        const cell = `${run}\t${address}`
        const sight = missing.get(cell)
        // The start of a run, r, or what is to be tried again, s; that a wait expires, x, says nothing of where the node waits.
        const isFor = kind!.endsWith("r") || (kind!.endsWith("s") && sight?.[1].startsWith("s"))
        if (isFor && (generation ?? sight?.[0]) === sight?.[0]) missing.delete(cell)
      })
    if (missing.size > 0) yield* held
  })

/** From the end to the head, where entries are taken away: so none that stays is passed over. */
const eachEntry = (
  command: Command,
  range: "LRANGE" | "ZRANGE",
  key: string,
  visit: (entry: string) => void
): Effect.Effect<void, BrokerUnavailable> =>
  Effect.gen(function* () {
    for (let last = -1; ; last -= page) {
      const entries = (yield* command(range, key, last - page + 1, last)) as ReadonlyArray<string>
      entries.forEach(visit)
      if (entries.length < page) return
    }
  })

const restore = (
  evaluate: Scripts.Evaluate,
  missing: ReadonlyMap<string, Sight>
): Effect.Effect<number, BrokerUnavailable> =>
  Effect.gen(function* () {
    let restored = 0
    const all = [...missing]
    for (let i = 0; i < all.length; i += page) {
      const args = all.slice(i, i + page).flatMap(([cell, [generation, field]]) => {
        const [run, address] = cell.split("\t") as [string, string]
        return [run, generation, address, field]
      })
      restored += (yield* evaluate(Scripts.restore, [slice, ...args])) as number
    }
    return restored
  })

const quadruples = function* (flat: ReadonlyArray<string>) {
  for (let i = 0; i < flat.length; i += 4) yield flat.slice(i, i + 4) as [string, string, string, string]
}

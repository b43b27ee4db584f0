/**
 * Runs as they stand in the store, read: what their nodes have ended with, how they ended, all of one at once.
 */
import type { Ended, RunEnd } from "@arpeggio/core/Broker"
import type { Plan } from "@arpeggio/core/Plan"
import type * as Store from "@arpeggio/core/engine/Store"
import type { BrokerUnavailable } from "@arpeggio/core/Failure"
import { RunNotFound } from "@arpeggio/core/Failure"
import * as Effect from "effect/Effect"
import * as Hydrate from "./Hydrate.ts"
import type { Command } from "./Inspection.ts"
import * as Keys from "./Keys.ts"
import { chunk, chunksOf } from "./Plans.ts"
import type { Plans } from "./Plans.ts"
import * as Record from "./Record.ts"

export interface Runs {
  readonly meta: (id: string) => Effect.Effect<Hydrate.Meta, RunNotFound | BrokerUnavailable>
  readonly ends: (
    id: string,
    nodes: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Ended | undefined>, RunNotFound | BrokerUnavailable>
  /** Of a run with this plan; nothing while it is running. */
  readonly end: (id: string, plan: Plan) => Effect.Effect<RunEnd | undefined, RunNotFound | BrokerUnavailable>
  /** The whole run; a slow read for people, in slices that don't hold Redis up. */
  readonly whole: (id: string) => Effect.Effect<Store.Run, RunNotFound | BrokerUnavailable>
}

export const make = (command: Command, plans: Plans): Runs => {
  const meta: Runs["meta"] = (id) =>
    Effect.flatMap(command("HGET", Keys.run(id), "m"), (m) =>
      m === null ? Effect.fail(new RunNotFound({ run: id })) : Effect.succeed(Hydrate.parseMeta(m as string))
    )

  const ends: Runs["ends"] = (id, nodes) =>
    Effect.gen(function* () {
      const texts = new Map<string, string>()
      const fetch = (addresses: ReadonlyArray<string>) =>
        Effect.forEach(
          chunksOf(addresses, chunk),
          (some) =>
            Effect.map(command("HMGET", Keys.run(id), ...some), (values) => {
              ;(values as ReadonlyArray<string | null>).forEach((value, i) => {
                if (value !== null) texts.set(some[i]!, value)
              })
            }),
          { discard: true }
        )
      yield* fetch(["m", ...nodes])
      const m = texts.get("m")
      if (m === undefined) return yield* new RunNotFound({ run: id })
      const plan = yield* plans.of(Hydrate.parseMeta(m).planHash)
      yield* fetch([...new Set([...texts.values()].flatMap((text) => (text.startsWith("K") ? [text.slice(1)] : [])))])
      return nodes.map((address) => Record.toEnded(plan, address, texts.get(address), (cause) => texts.get(cause)))
    })

  const end: Runs["end"] = (id, plan) =>
    Effect.gen(function* () {
      const exit = String(plan.bodies[0].exit)
      const fields = (yield* command("HMGET", Keys.run(id), "m", "i", exit)) as ReadonlyArray<string | null>
      const [m, input, text] = fields as readonly [string | null, string, string]
      if (m === null) return yield* new RunNotFound({ run: id })
      const { generation, state } = Hydrate.parseMeta(m)
      if (state === "running") return undefined
      const node = text.startsWith("K") ? text.slice(1) : exit
      const cause = node === exit ? text : ((yield* command("HGET", Keys.run(id), node)) as string | null)
      // Retried meanwhile, it is running again.
      if (cause === null) return undefined
      const record = Record.parse(cause)
      const failure = record._tag === "Failed" ? { node, attempt: record.tries, failed: record.failed } : undefined
      const ended = Record.toEnded(plan, exit, text, () => cause)!
      return { state, generation, input, exit: ended, failure: state === "failed" ? failure : undefined }
    })

  const whole: Runs["whole"] = (id) =>
    Effect.gen(function* () {
      const stored = (yield* plans.get((yield* meta(id)).planHash))!
      const fields = new Map<string, string>()
      let cursor = "0"
      do {
        const reply = yield* command("HSCAN", Keys.run(id), cursor, "COUNT", 1_000)
        const [next, pairs] = reply as readonly [string, ReadonlyArray<string>]
        for (let i = 0; i < pairs.length; i += 2) fields.set(pairs[i]!, pairs[i + 1]!)
        cursor = next
      } while (cursor !== "0")
      return Hydrate.hydrate({ id, fields, stored, held: yield* heldOf(id) })
    })

  /** Which worker holds what of it, by address. */
  const heldOf = (id: string) =>
    Effect.gen(function* () {
      const held = new Map<string, string>()
      for (const worker of (yield* command("ZRANGE", Keys.leases, 0, -1)) as ReadonlyArray<string>) {
        for (const field of (yield* command("HKEYS", Keys.holding(worker))) as ReadonlyArray<string>) {
          const [run, address] = field.split("\t")
          if (run === id) held.set(address!, worker)
        }
      }
      return held
    })

  return { meta, ends, end, whole }
}

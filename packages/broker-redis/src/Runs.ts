/**
 * Runs as they stand in the store, read: what their nodes have ended with, how they ended, all of one at once.
 */
import type { Ended, RunEnd } from "@arpeggio/core/Broker"
import type { Plan } from "@arpeggio/core/Plan"
import type * as Store from "@arpeggio/core/engine/Store"
import type { BrokerUnavailable } from "@arpeggio/core/Failure"
import { RunDamaged, RunNotFound } from "@arpeggio/core/Failure"
import * as Effect from "effect/Effect"
import type { StoredPlan } from "./Codec.ts"
import { isOfData } from "./Connection.ts"
import * as Damage from "./Damage.ts"
import * as Fields from "./Fields.ts"
import * as Hydrate from "./Hydrate.ts"
import type { Command } from "./Inspection.ts"
import * as Keys from "./Keys.ts"
import { chunk, mostCharacters } from "./Plans.ts"
import type { Plans } from "./Plans.ts"
import * as Record from "./Record.ts"

export interface Runs {
  /** Fails with what was noted of a damaged run. */
  readonly damaged: (id: string) => Effect.Effect<never, RunDamaged | BrokerUnavailable>
  /** With its plan, where that is known: a run of several nodes is in one place only. */
  readonly meta: (id: string, plan?: Plan) => Effect.Effect<Hydrate.Meta, Missing>
  /** The plan of a run with this meta. */
  readonly planOf: (id: string, meta: Hydrate.Meta) => Effect.Effect<StoredPlan, Missing>
  readonly ends: (id: string, nodes: ReadonlyArray<string>) => Effect.Effect<ReadonlyArray<Ended | undefined>, Missing>
  /** Of a run with this plan; nothing while it is running. */
  readonly end: (id: string, plan: Plan) => Effect.Effect<RunEnd | undefined, Missing>
  /** The whole run; a slow read for people, in slices that don't hold Redis up. */
  readonly whole: (id: string) => Effect.Effect<Store.Run, Missing>
}

/** Why there is nothing to be had of a run. */
type Missing = RunNotFound | RunDamaged | BrokerUnavailable

export const make = (command: Command, plans: Plans): Runs => {
  /** What is wrong was noted when the functions found it, or is found now. */
  const damaged = (id: string, issue = "it was noted as such") =>
    Effect.flatMap(command("HGET", Keys.damaged, id), (note) =>
      Effect.fail(new RunDamaged({ run: id, issue: note === null ? issue : Damage.parse(id, note as string).issue }))
    )

  /** What was read of a run. */
  const sound = <A>(
    id: string,
    read: Effect.Effect<A, BrokerUnavailable>
  ): Effect.Effect<A, RunDamaged | BrokerUnavailable> =>
    Effect.catchDefect(read, (defect) =>
      isOfData(defect) ? damaged(id, "its key is of another type") : Effect.die(defect)
    )
  const fieldsOf = (id: string, names: ReadonlyArray<string>, plan?: Plan) => {
    const read = plan === undefined || plan.nodes.length === 1 ? Fields.read : Fields.readOwn
    return sound(id, read(command, id, names))
  }

  const metaIn = (id: string, m: string | null | undefined): Effect.Effect<Hydrate.Meta, Missing> => {
    if (typeof m !== "string") return Effect.fail(new RunNotFound({ run: id }))
    const meta = Hydrate.parseMeta(m)
    return meta === undefined ? damaged(id, "its field m is unreadable") : Effect.succeed(meta)
  }

  /** What is made of what was read. */
  const readable = <A>(id: string, make: () => A): Effect.Effect<A, RunDamaged | BrokerUnavailable> =>
    Effect.suspend(() => {
      try {
        return Effect.succeed(make())
      } catch (error) {
        return damaged(id, error instanceof Error ? error.message : String(error))
      }
    })

  const meta: Runs["meta"] = (id, plan) => Effect.flatMap(fieldsOf(id, ["m"], plan), ([m]) => metaIn(id, m))

  const planOf: Runs["planOf"] = (id, { planHash }) =>
    Effect.flatMap(plans.get(planHash), (stored) =>
      stored !== undefined
        ? Effect.succeed(stored)
        : // Unless it has been removed meanwhile, and its plan with it.
          Effect.andThen(meta(id), damaged(id, "its plan is not in the store, or unreadable"))
    )

  const ends: Runs["ends"] = (id, nodes) =>
    Effect.gen(function* () {
      const texts = new Map<string, string>()
      const isAlone = nodes.every((address) => address === Fields.only)
      const read = isAlone ? Fields.read : Fields.readOwn
      const fetch = Effect.fnUntraced(function* (addresses: ReadonlyArray<string>) {
        // As many at once as make a reply of bounded length, if they are like the last.
        let size = 64
        for (let at = 0; at < addresses.length;) {
          const some = addresses.slice(at, at + size)
          let characters = 1
          for (const [i, value] of (yield* sound(id, read(command, id, some))).entries()) {
            if (value === null) continue
            characters += value.length
            texts.set(some[i]!, value)
          }
          at += some.length
          size = Math.min(chunk, Math.ceil((some.length * mostCharacters) / characters))
        }
      })
      yield* fetch(["m", ...nodes])
      const { plan } = yield* planOf(id, yield* metaIn(id, texts.get("m")))
      yield* fetch([...new Set([...texts.values()].flatMap((text) => (text.startsWith("K") ? [text.slice(1)] : [])))])
      return yield* readable(id, () =>
        nodes.map((address) => Record.toEnded(plan, address, texts.get(address), (cause) => texts.get(cause)))
      )
    })

  const end: Runs["end"] = (id, plan) =>
    Effect.gen(function* () {
      const exit = String(plan.bodies[0].exit)
      const fields = yield* fieldsOf(id, ["m", "i", exit], plan)
      const [m, input, text] = fields as readonly [string | null, string, string | null]
      const { generation, state } = yield* metaIn(id, m)
      if (state === "running") return undefined
      const node = text?.startsWith("K") === true ? text.slice(1) : exit
      const cause = node === exit ? text : (yield* fieldsOf(id, [node]))[0]!
      const ending = text === null || cause === null ? undefined : endingOf(plan, { state, node, text, cause })
      if (ending !== undefined) return { state, generation, input, ...ending }
      // Retried meanwhile, it is running again.
      if ((yield* fieldsOf(id, ["m"]))[0] !== m) return undefined
      return yield* damaged(id, "how it ended is unreadable")
    })

  const whole: Runs["whole"] = (id) =>
    Effect.gen(function* () {
      const stored = yield* Effect.flatMap(meta(id), (meta) => planOf(id, meta))
      const fields = yield* sound(id, Fields.readAll(command, id))
      const held = yield* heldOf(id)
      const known = yield* metaIn(id, fields.get("m"))
      return yield* readable(id, () => Hydrate.hydrate({ id, meta: known, fields, stored, held }))
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

  return { damaged, meta, planOf, ends, end, whole }
}

/** How a run ended, by what its exit says and by the node that is the cause of it; undefined where they say no such thing. */
const endingOf = (
  plan: Plan,
  { cause, node, state, text }: { readonly [K in "state" | "node" | "text" | "cause"]: string }
): Pick<RunEnd, "exit" | "failure"> | undefined => {
  try {
    const exit = Record.toEnded(plan, String(plan.bodies[0].exit), text, () => cause)
    if (exit === undefined || state !== "failed") return exit && { exit, failure: undefined }
    const record = Record.parse(cause)
    if (record._tag !== "Failed") return undefined
    return { exit, failure: { node, attempt: record.tries, failed: record.failed } }
  } catch {
    return undefined
  }
}

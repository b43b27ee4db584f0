/**
 * The transitions of the kernel over Redis: a function of one Redis library each, written in `scripts/`.
 *
 * A library rather than scripts by hash, because Redis keeps what it has loaded between calls: a call doesn't build the
 * kernel anew, and a plan's nodes, which are named by their content and never change, are parsed once.
 */
import type { BrokerUnavailable } from "@arpeggio/core/Failure"
import type * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { readFileSync } from "node:fs"

/** The files of the library, each using what stands before it. */
const shared = [
  "library",
  "plan",
  "run",
  "work",
  "bucket",
  "save",
  "damage",
  "kernel",
  "instances",
  "restart",
  "advance",
  "delivery",
  "claim",
  "hold"
]
const transitions = [
  "preflight",
  "submit",
  "stage",
  "register",
  "beat",
  "settle",
  "renew",
  "release",
  "waiting",
  "cancel",
  "retry",
  "sweep",
  "reconcile",
  "repair"
] as const

/** Edges and instances one function handles at most: some milliseconds of Redis. */
export const slice = 500

/** The library is shipped as source: the folder is found from `src` and from `dist` alike. */
const directory = new URL("../src/scripts/", import.meta.url)

const read = (name: string): string => readFileSync(new URL(`${name}.lua`, directory), "utf8")

/** What a transition has for itself stays in it: Lua knows 200 names at once. */
const source = [...shared.map(read), ...transitions.map((name) => `do\n${read(name)}end\n`)].join("\n")

/** Named by its content, so that processes of several versions use one Redis without disturbing each other. */
export const library = `arpeggio_${createHash("sha1").update(source).digest("hex").slice(0, 12)}`

/** What FUNCTION LOAD takes. */
const code = `#!lua name=${library}\nlocal LIBRARY = '${library}'\n${source}`

/** A function, and the library that has it. */
export interface Script {
  readonly name: string
  readonly code: string
}

/** Calls a function on a partition. */
export type Evaluate = (
  script: Script,
  args: ReadonlyArray<string | number>
) => Effect.Effect<unknown, BrokerUnavailable>

const named = (name: string): Script => ({ name: `${library}_${name}`, code })

export const preflight = named("preflight")
export const submit = named("submit")
export const stage = named("stage")
export const stageOutcome = named("stageOutcome")
export const register = named("register")
export const beat = named("beat")
export const settle = named("settle")
export const renew = named("renew")
export const release = named("release")
export const leave = named("leave")
export const stopWaiting = named("stopWaiting")
export const passOn = named("passOn")
export const cancel = named("cancel")
export const retry = named("retry")
export const sweep = named("sweep")
export const dueReconcile = named("dueReconcile")
export const reconciled = named("reconciled")
export const survey = named("survey")
export const restore = named("restore")
export const condemn = named("condemn")
export const giveUp = named("giveUp")

/**
 * A run of the store as a run of core's engine, for what is not hot: views, listings, and what a retry starts again.
 */
import * as Program from "@arpeggio/core/engine/Program"
import * as Store from "@arpeggio/core/engine/Store"
import * as MutableList from "effect/MutableList"
import type { StoredPlan } from "./Codec.ts"
import * as Codec from "./Codec.ts"
import * as Record from "./Record.ts"

export interface Dump {
  readonly id: string
  readonly meta: Meta
  readonly fields: ReadonlyMap<string, string>
  readonly stored: StoredPlan
  /** Which worker holds what of it, by address. */
  readonly held: ReadonlyMap<string, string>
}

export interface Meta {
  readonly state: "running" | "succeeded" | "failed" | "cancelled"
  readonly closing: "cancel" | "failure" | undefined
  readonly decided: "succeeded" | "failed" | "cancelled" | undefined
  readonly generation: number
  readonly planHash: string
  readonly endedAt: number | undefined
}

const states = { R: "running", S: "succeeded", F: "failed", X: "cancelled" } as const

/** Undefined where the run is damaged, be it known or not: see `scripts/damage.lua`. */
export const parseMeta = (m: string): Meta | undefined => {
  const found = /^([RSFX])([-CF])([-SFX])..(\d+),\d+,([^,]*),?(\w*)$/.exec(m)
  if (found === null) return undefined
  const [, state, closing, decided, generation, planHash, endedAt] = found as unknown as ReadonlyArray<string>
  return {
    state: states[state as keyof typeof states],
    closing: closing === "C" ? "cancel" : closing === "F" ? "failure" : undefined,
    decided: decided === "-" ? undefined : states[decided as "S" | "F" | "X"],
    generation: Number(generation),
    planHash: planHash!,
    endedAt: endedAt === "" ? undefined : Codec.toTime(endedAt!)
  }
}

export const hydrate = ({ fields, held, id, meta, stored }: Dump): Store.Run => {
  const program = Program.make(stored.plan, stored.hash)
  const body = program.bodies[0]!
  const root: Store.Frame = { body, parent: undefined, expansion: undefined, index: 0, item: "", cells: [] }
  const run: Store.Run = {
    id,
    program,
    input: fields.get("i")!,
    elements: new Map(),
    onFailure: "cancel",
    submittedAt: Codec.toTime(fields.get("c")!),
    root,
    state: meta.state,
    generation: meta.generation,
    startAt: undefined,
    closing: meta.closing,
    decided: meta.decided,
    open: 0,
    endedAt: meta.endedAt,
    worklist: MutableList.make(),
    tally: program.nodes.map(Store.makeTally)
  }
  fill(run, root, "", fields)
  const cells = new Map<string, Store.Cell>()
  for (const frame of Store.frames(run)) for (const cell of frame.cells) cells.set(Store.addressOf(cell), cell)
  for (const [address, cell] of cells) {
    const failure = fields.get(`l${address}`)
    if (failure !== undefined) cell.failed = Record.parseFailure(failure)
    restore(run, cell, fields.get(address), held.get(address), cells)
  }
  return run
}

/** Makes the cells of a frame, and of the instances released in it. */
const fill = (run: Store.Run, frame: Store.Frame, prefix: string, fields: Dump["fields"]): void => {
  for (const node of frame.body.nodes) frame.cells.push(Store.makeCell(run, frame, node))
  for (const cell of frame.cells) {
    const body = cell.node.collects
    const stored = fields.get(`e${prefix}${cell.node.index}`)
    if (body === undefined || stored === undefined) continue
    const [total, released, ended, dropped] = stored.split(",").map(Number)
    const expansion: Store.Expansion = {
      body,
      frame,
      elements: Array.from({ length: total! }, () => ""),
      frames: [],
      ended: ended!,
      dropped: dropped === 1
    }
    cell.expansion = expansion
    for (let index = 0; index < released!; index++) {
      const inner: Store.Frame = { body, parent: frame, expansion, index, item: "", cells: [] }
      expansion.frames.push(inner)
      fill(run, inner, `${prefix}${cell.node.index}.${index}.`, fields)
    }
  }
}

const restore = (
  run: Store.Run,
  cell: Store.Cell,
  text: string | undefined,
  held: string | undefined,
  cells: ReadonlyMap<string, Store.Cell>
): void => {
  if (text === undefined) return
  const record = Record.parse(text)
  const phase = phaseOf(record, held !== undefined)
  const tally = run.tally[cell.node.index]!
  tally[cell.phase]--
  tally[phase]++
  cell.phase = phase
  if (Store.isEnd(phase)) run.open--
  if (held !== undefined) cell.worker = held
  switch (record._tag) {
    case "Active":
      tally.busy += record.took
      tally.retries += record.tries
      cell.tries = record.tries
      cell.lost = record.lost
      break
    case "Scheduled":
      tally.busy += record.took
      tally.retries += record.tries
      cell.dueAt = record.dueAt
      cell.tries = record.tries
      break
    case "Succeeded":
      tally.busy += record.took
      cell.from = record.number
      cell.count = Math.max(0, record.number)
      cell.value = record.value
      cell.tries = cell.node.work ? record.tries : 0
      tally.retries += Math.max(0, cell.tries - 1)
      break
    case "Failed":
      tally.busy += record.took
      cell.tries = record.tries
      cell.failed = record.failed
      tally.retries += Math.max(0, record.tries - 1)
      break
    case "Skipped":
      cell.cause = cells.get(record.cause)
      break
  }
}

const phaseOf = (record: Record.Record, isHeld: boolean): Store.Phase => {
  switch (record._tag) {
    case "Active":
      return isHeld ? "running" : "ready"
    case "Scheduled":
      return "scheduled"
    case "Succeeded":
      return "succeeded"
    case "Failed":
      return "failed"
    case "Skipped":
      return "skipped"
    case "Void":
      return "void"
    case "Cancelled":
      return "cancelled"
  }
}

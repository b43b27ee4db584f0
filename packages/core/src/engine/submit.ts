/**
 * Accepts a run: makes its root frame and lets go what waits for nothing.
 */
import * as MutableList from "effect/MutableList"
import type { Submission } from "../Broker.ts"
import { advance, start } from "./advance.ts"
import * as Program from "./Program.ts"
import type { Frame, Run, Store } from "./Store.ts"
import { makeCell, makeTally } from "./Store.ts"
import * as Timers from "./Timers.ts"

/** `conflict`: the id is taken by a run of another plan or input. */
export const submit = (store: Store, submission: Submission, now: number): "created" | "exists" | "conflict" => {
  const known = store.runs.get(submission.id)
  if (known !== undefined) {
    return known.program.hash === submission.planHash && known.input === submission.input ? "exists" : "conflict"
  }
  let program = store.programs.get(submission.planHash)
  if (program === undefined)
    store.programs.set(submission.planHash, (program = Program.make(submission.plan, submission.planHash)))
  const body = program.bodies[0]!
  const root: Frame = { body, parent: undefined, expansion: undefined, index: 0, item: "", cells: [] }
  const run: Run = {
    id: submission.id,
    program,
    input: submission.input,
    elements: submission.elements,
    onFailure: submission.onFailure,
    submittedAt: now,
    root,
    state: "running",
    generation: 1,
    startAt: submission.delay > 0 ? now + submission.delay : undefined,
    closing: undefined,
    decided: undefined,
    open: 0,
    endedAt: undefined,
    worklist: MutableList.make(),
    tally: program.nodes.map(makeTally)
  }
  for (const node of body.nodes) root.cells.push(makeCell(run, root, node))
  store.runs.set(run.id, run)
  if (store.watched) store.events.push({ _tag: "RunStarted", run: run.id, at: now, generation: 1 })
  if (run.startAt !== undefined) Timers.add(store.timers, run.startAt, { run })
  else {
    start(store, run, now)
    advance(store, run, now, store.options.slice)
  }
  return "created"
}

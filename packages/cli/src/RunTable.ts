/**
 * Runs as tables and headings.
 */
import type { RunSummary, RunView } from "@arpeggio/core/Broker"
import * as Figures from "./Figures.ts"

/** A line per run. `now` is in milliseconds. */
export const list = (runs: ReadonlyArray<RunSummary>, now: number): ReadonlyArray<string> =>
  Figures.table(
    [
      { title: "run", align: "left" },
      { title: "flow", align: "left" },
      { title: "state", align: "left" },
      { title: "submitted", align: "right" },
      { title: "took", align: "right" }
    ],
    runs.map((run) => [
      run.id,
      run.flow,
      run.generation === 1 ? run.state : `${run.state} (generation ${run.generation})`,
      Figures.ago(run.submittedAt, now),
      run.endedAt === undefined ? "-" : Figures.duration(Math.max(0, run.endedAt - run.submittedAt))
    ])
  )

/** What there is to say of a run as a whole. */
export const heading = (run: RunView, now: number): ReadonlyArray<string> => {
  const state = run.state === "running" && run.cancelling ? "being cancelled" : run.state
  const generation = run.generation === 1 ? "" : `, generation ${run.generation}`
  return [
    `Run ${run.id} of ${run.flow}: ${state}${generation}`,
    `submitted  ${Figures.moment(run.submittedAt)}, ${Figures.ago(run.submittedAt, now)}`,
    ...(run.endedAt === undefined
      ? []
      : [
          `ended      ${Figures.moment(run.endedAt)}, after ${Figures.duration(Math.max(0, run.endedAt - run.submittedAt))}`
        ]),
    `plan       ${run.planHash}`
  ]
}

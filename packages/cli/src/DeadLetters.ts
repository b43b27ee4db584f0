/**
 * Dead letters as a table, and what to do about each.
 */
import type { DeadLetter } from "@arpeggio/core/Broker"
import * as Figures from "./Figures.ts"
import * as ShellWord from "./ShellWord.ts"

/** What to do next about one, as commands. */
interface Remedy {
  /** Shows what the node failed with. */
  readonly why: string
  /** Runs it again, once that helps. */
  readonly retry: string
}

/** `flags` are what finds the store. */
export const remedyOf = ({ node, run }: DeadLetter, flags: string): Remedy => {
  const [id, name] = [ShellWord.of(run), ShellWord.of(node)]
  return {
    why: `arpeggio show ${id} --why ${name}${flags}`,
    // By its name, for its failure may have been handled: then a retry of what failed leaves it as it is.
    retry: `arpeggio retry ${id} --from ${name}${flags}`
  }
}

/** A line per letter, then the commands for each. `now` is in milliseconds. */
export const toLines = (letters: ReadonlyArray<DeadLetter>, flags: string, now: number): ReadonlyArray<string> => [
  ...Figures.table(
    [
      { title: "run", align: "left" },
      { title: "node", align: "left" },
      { title: "flow", align: "left" },
      { title: "task", align: "left" },
      { title: "queue", align: "left" },
      { title: "attempt", align: "right" },
      { title: "workers lost", align: "right" },
      { title: "given up", align: "right" }
    ],
    letters.map(({ attempt, flow, lost, node, queue, run, since, task }) => [
      run,
      node,
      flow,
      task ?? "-",
      queue,
      Figures.count(attempt),
      Figures.count(lost),
      Figures.ago(since, now)
    ])
  ),
  "",
  "Each worker that took one died: look at its log, mend the handler, start workers anew, then run it again.",
  ...letters.flatMap((letter) => {
    const { retry, why } = remedyOf(letter, flags)
    const first = letter.state === "running" ? "once the run has ended:  " : ""
    return ["", `${letter.node} of ${letter.run}:`, `  ${why}`, `  ${first}${retry}`]
  })
]

/**
 * What a retry of a run starts again. The engine of core decides it, from the run as it ended; the script carries it out.
 */
import { cellAt } from "@arpeggio/core/engine/claim"
import { restartedCells } from "@arpeggio/core/engine/retry"
import * as Store from "@arpeggio/core/engine/Store"

export interface Restart {
  /** The addresses of the cells that start again, and of those discarded with the forks that made them. */
  readonly restarted: ReadonlyArray<string>
  readonly discarded: ReadonlyArray<string>
  /** Whether the exit of the run starts again. */
  readonly exit: boolean
}

export const restart = (run: Store.Run, from: string | undefined): Restart => {
  const cells = restartedCells(run, from === undefined ? undefined : cellAt(run, from))
  const discarded: Array<string> = []
  const discard = (expansion: Store.Expansion): void => {
    for (const frame of expansion.frames) {
      for (const cell of frame.cells) {
        cells.delete(cell)
        discarded.push(Store.addressOf(cell))
        if (cell.expansion !== undefined) discard(cell.expansion)
      }
    }
  }
  for (const cell of [...cells]) {
    if (!cells.has(cell) || cell.node.forks === undefined) continue
    const { expansion } = cell.frame.cells[cell.node.forks.collect]!
    if (expansion !== undefined) discard(expansion)
  }
  return {
    restarted: [...cells].map(Store.addressOf),
    discarded,
    exit: cells.has(run.root.cells[run.root.body.exit]!)
  }
}

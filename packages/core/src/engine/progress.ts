/**
 * What the instances of each plan node have been through, and how many there will be. Nothing here changes the state.
 */
import type { NodeProgress } from "../Broker.ts"
import { ended, total } from "../Phase.ts"
import type { BodyProgram } from "./Program.ts"
import type { Frame, Run } from "./Store.ts"
import { isEnd } from "./Store.ts"
import { isClosedFor } from "./advance.ts"

export const progressOf = (run: Run): ReadonlyArray<NodeProgress> => {
  const coming = comingTo(run)
  const known = knownIn(run, coming)
  return run.tally.map((tally, index) => {
    const { body } = run.program.nodes[index]!
    const count = total(tally)
    return { ...tally, total: count, expected: count + coming[body]!, known: known[body]! }
  })
}

/** By body, how many elements are still to be released. It costs as much as there are instances with a `forEach` in them. */
const comingTo = ({ program, root }: Run): ReadonlyArray<number> => {
  const coming = program.bodies.map(() => 0)
  const inner = program.bodies.map(({ nodes }) => nodes.flatMap(({ collects }) => collects ?? []))
  const look = (frame: Frame): void => {
    for (const body of inner[frame.body.index]!) {
      coming[body.index]! += unreleased(frame, body)
      if (inner[body.index]!.length > 0) frame.cells[body.collect]!.expansion?.frames.forEach(look)
    }
  }
  look(root)
  return coming
}

const unreleased = ({ cells }: Frame, body: BodyProgram): number => {
  const collect = cells[body.collect]!
  const { expansion, phase } = collect
  if (isEnd(phase) || isClosedFor(collect)) return 0
  // A fork that is decided may have to wait for its release.
  return expansion === undefined ? cells[body.fork]!.count : expansion.elements.length - expansion.frames.length
}

/** By body, whether there will be no more instances than those that exist or come: all around it do, and all are decided. */
const knownIn = ({ program, tally }: Run, coming: ReadonlyArray<number>): ReadonlyArray<boolean> => {
  const known: Array<boolean> = []
  for (const body of program.plan.bodies) {
    if (body._tag === "Root") known.push(true)
    else {
      const fork = tally[body.fork]!
      known.push(known[body.parent]! && coming[body.parent] === 0 && ended(fork) === total(fork))
    }
  }
  return known
}

/**
 * What must have succeeded before a node may start, read off a plan: the tasks behind its edges and its gate, as far as
 * they have to succeed. What may come from either of several, or only has to end, is left out.
 */
import type { Plan } from "@arpeggio/core/Plan"
import * as Address from "@arpeggio/core/plan/Address"
import type { Frame } from "@arpeggio/core/plan/Address"

/** `addresses` are all there are in the run: they tell how many instances a node has. Gives addresses of tasks. */
export const of = (plan: Plan, address: string, addresses: ReadonlySet<string>): ReadonlySet<string> => {
  const found = new Set<string>()
  const seen = new Set<string>()

  const visitSources = (frame: Frame, index: number) => {
    const node = plan.nodes[index]!
    if (node.join === "all") {
      for (const edge of node.edges)
        if (edge.when === undefined || edge.when === "success") visit(around(plan, frame, edge.from), edge.from)
    }
    if (node.gate !== undefined && (node.gate.when === undefined || node.gate.when === "success")) {
      visit(around(plan, frame, node.gate.from), node.gate.from)
    }
  }

  const visit = (frame: Frame, index: number) => {
    const name = Address.make(frame, index)
    if (seen.has(name)) return
    seen.add(name)
    const node = plan.nodes[index]!
    if (node._tag === "Task" || node._tag === "Decide") {
      if (node._tag === "Task") found.add(name)
      else visitSources(frame, index)
      return
    }
    if (node._tag === "Collect" && node.join === "all") {
      const { exit } = plan.bodies[node.body]!
      for (let i = 0; addresses.has(Address.make([...frame, [index, i]], exit)); i++)
        visit([...frame, [index, i]], exit)
    }
    visitSources(frame, index)
  }

  const { frame, node } = Address.parse(address)!
  visitSources(frame, node)
  return found
}

/** The frame of a node that one in `frame` can see: its own, or one around it. */
const around = (plan: Plan, frame: Frame, index: number): Frame => {
  const depth = (body: number): number => {
    const each = plan.bodies[body]!
    return each._tag === "Root" ? 0 : 1 + depth(each.parent)
  }
  const body = plan.bodies.findIndex(({ count, first }) => index >= first && index < first + count)
  return frame.slice(0, depth(body))
}

/**
 * `after`: a step waits for others whose values it does not use. What waits is the node a step starts with: the task, the
 * fork of a `forEach`, the entry of an inlined flow, the pass of the rest.
 */
import * as Origin from "../definition/Origin.ts"
import type { Step } from "../definition/Step.ts"
import type { Edge } from "../plan/Document.ts"
import type { Annotations } from "./Annotations.ts"
import type { Blueprint } from "./Blueprint.ts"
import { edges, nothing } from "./Refs.ts"
import type { Refs } from "./Refs.ts"

/** The first node of each step. */
type Starts = ReadonlyMap<Step, number>

/** Adds the edges of every `after`; gives the call site of the last one on each node, by the node's id. */
export const order = (
  blueprint: Blueprint,
  annotations: Annotations,
  refs: Refs,
  starts: Starts
): ReadonlyMap<string, Step["site"]> => {
  const sites = new Map<string, Step["site"]>()
  const sources = new Map<number, Set<number>>()
  for (const step of annotations.afters) {
    const subject = annotations.subjectOf(step)
    // What the subject waits for must be there where the subject is.
    const reader = refs.reader(subject.region ?? step.region!, (message) => refs.report(step, message))
    const added: Array<Edge> = []
    step.deps.forEach((dep, i) => {
      const origin = Origin.of(dep)
      if (origin === undefined) return void refs.one(step, dep, `dependency ${i + 1}`)
      for (const edge of edges(reader.read(origin) ?? nothing)) added.push(edge)
    })
    const start = starts.get(subject)
    if (start === undefined) continue
    sites.set(blueprint.drafts[start]!.id, step.site)
    const waiting = waiter(blueprint, start)
    const draft = blueprint.drafts[waiting]!
    let known = sources.get(waiting)
    if (known === undefined) sources.set(waiting, (known = new Set(draft.edges.map((edge) => edge.from))))
    for (const edge of added) {
      if (known.has(edge.from)) continue
      known.add(edge.from)
      draft.edges.push(edge)
    }
  }
  return sites
}

/** The node that can wait: a join over alternatives can't have an edge that is none, so it waits at its gate. */
const waiter = (blueprint: Blueprint, node: number): number => {
  const draft = blueprint.drafts[node]!
  if (draft.join === "all") return node
  if (draft.gate !== undefined) return draft.gate.from
  const site = { scope: blueprint.scopeOf(node), region: draft.region }
  const gate = blueprint.pass(site, "entry", blueprint.id(`${draft.id}.after`), [])
  draft.gate = { from: gate }
  return gate
}

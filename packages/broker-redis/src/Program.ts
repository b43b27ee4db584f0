/**
 * A plan as the functions read it: a small JSON document per node, and one for the bodies. What the letters mean stands in
 * `scripts/kernel.lua`.
 */
import * as Engine from "@arpeggio/core/engine/Program"
import * as Defaults from "@arpeggio/core/Defaults"
import type { Condition, Node, Plan, Template } from "@arpeggio/core/Plan"

/** Field and value pairs of the hash of a plan; how many there are comes last, so that a plan is there once they are. */
export const fields = (plan: Plan, hash: string): ReadonlyArray<readonly [field: string, value: string]> => {
  const program = Engine.make(plan, hash)
  const texts = program.nodes.map((node) => JSON.stringify(encodeNode(plan, node)))
  // The nodes of a group are all alike: they are stored, and parsed, once.
  const firsts = [...texts.keys()].filter((index) => texts[index] !== texts[index - 1])
  const pairs = [
    ...firsts.map((index) => [String(index), texts[index]!] as const),
    ...(firsts.length < texts.length ? [["=", JSON.stringify(firsts)] as const] : []),
    // Apart, because a join over 10,000 edges would be parsed by every call that counts one of them; only a retry reads them.
    ...program.nodes.flatMap((node) =>
      node.edges.length === 0 ? [] : [[`e${node.index}`, JSON.stringify(node.edges.map(encodeInEdge))] as const]
    ),
    ["hash", hash] as const,
    ["json", JSON.stringify(plan)] as const,
    ["#", JSON.stringify(encodeBodies(plan, program))] as const
  ]
  return [...pairs, ["size", String(pairs.length + 1)]]
}

const encodeBodies = (plan: Plan, program: Engine.Program) =>
  plan.bodies.map((body) =>
    body._tag === "Root"
      ? {
          first: body.first,
          count: body.count,
          exit: body.exit,
          starters: program.bodies[0]!.nodes.filter((node) => node.gate === undefined && node.edges.length === 0).map(
            (node) => node.index
          )
        }
      : { ...body, _tag: undefined }
  )

const encodeNode = (
  plan: Plan,
  { body, cleanup, collects, edges, exitOf, gate, index, node, out, policy, releases, task, work }: Engine.NodeProgram
) => {
  const first = plan.bodies[body]!.first
  const captured = edges.flatMap((edge, position) =>
    edge.local < 0 ? [[edge.from, encodeCondition(edge.when), position]] : []
  )
  const needs = work ? needsOf(plan, index) : undefined
  return {
    k: kinds[node._tag],
    j: { all: "a", any: "o", settled: "s" }[node.join],
    b: body,
    n: edges.length,
    g: gate === undefined ? undefined : encodeInEdge(gate),
    a: captured.length === 0 ? undefined : captured,
    // Counted from the node, so that the nodes of a group are alike.
    o: out.map((edge) => [edge.to + first, encodeCondition(edge.when), edge.edge < 0 ? false : edge.edge - index]),
    c: cleanup || undefined,
    t: task,
    w: work ? policy.queue : undefined,
    y: work ? String(policy.priority) : undefined,
    x: work && isSpecial(policy) ? policy : undefined,
    r: releases?.index,
    l: collects?.index,
    z: exitOf?.index,
    d: decidesOf(plan, node, index),
    m: needs?.nodes,
    u: needs?.input || undefined
  }
}

const encodeInEdge = (edge: Engine.InEdge) => [edge.from, encodeCondition(edge.when), edge.local < 0]

const kinds: { readonly [K in Node["_tag"]]: string } = { Task: "T", Decide: "D", Fork: "F", Pass: "P", Collect: "C" }

const encodeCondition = (when: Condition) => {
  if (when === "success") return 0
  if (when === "settled") return 1
  return "branch" in when ? { b: when.branch } : { f: when.failure }
}

const isSpecial = (policy: Engine.ResolvedPolicy): boolean =>
  policy.attempts > Defaults.policy.attempts || policy.delay > 0 || policy.expires !== undefined

/** The forks a node decides, each with its collect. */
const decidesOf = (
  plan: Plan,
  node: Node,
  index: number
): ReadonlyArray<readonly [fork: number, collect: number]> | undefined => {
  const forks =
    node._tag === "Decide" ? [index] : node._tag === "Task" ? (node.decides ?? []).map((decision) => decision.node) : []
  if (forks.length === 0) return undefined
  return forks.map((fork) => [fork, collectOf(plan, fork)] as const)
}

export const collectOf = (plan: Plan, fork: number): number => {
  for (const body of plan.bodies) if (body._tag === "Each" && body.fork === fork) return body.collect
  throw new Error(`node ${fork} forks no body`)
}

/** More ends than this are read by the worker, in pages, instead of travelling with the claim. */
const inlineEnds = 64

interface Needs {
  readonly nodes: ReadonlyArray<number>
  readonly input: boolean
}

/** The nodes whose ends a node's input needs, through passes; none listed where there are too many, or instances among them. */
const needsOf = (plan: Plan, index: number): Needs => {
  const seen = new Set<number>()
  let input = false
  let dynamic = false
  const visit = (template: Template): void => {
    if ("input" in template) input = true
    else if ("node" in template) visitNode(template.node)
    else if ("error" in template) visitNode(template.error)
    else if ("instances" in template) dynamic = true
    else if ("struct" in template) Object.values(template.struct).forEach(visit)
    else if ("tuple" in template) template.tuple.forEach(visit)
    else if ("from" in template) template.from.forEach(visit)
  }
  const visitNode = (node: number): void => {
    if (seen.has(node)) return
    seen.add(node)
    const target = plan.nodes[node]!
    if (target._tag === "Pass" && target.value !== undefined) visit(target.value)
    if (target._tag === "Collect") {
      dynamic = true
      const body = plan.bodies[target.body]!
      visitNode(body.exit)
    }
  }
  const node = plan.nodes[index]!
  if (node._tag === "Task") visit(node.input)
  if (node._tag === "Decide") visit(node.of)
  // The values of instances may hold their elements, and those may be the run's input.
  return { nodes: dynamic || seen.size > inlineEnds ? [] : [...seen], input: input || dynamic }
}

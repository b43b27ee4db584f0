/**
 * A plan as the functions read it: a small JSON document per node, and one for the bodies. What the letters mean stands in
 * `scripts/kernel.lua`.
 */
import * as Engine from "@arpeggio/core/engine/Program"
import * as Defaults from "@arpeggio/core/Defaults"
import type { Condition, Node, Plan, Template } from "@arpeggio/core/Plan"

/** Entries of a list in one field, as in `scripts/plan.lua`: as many as are parsed at once. */
const listPiece = 1_000

/** Characters of the plan's JSON in one field: as many as are sent and read at once. */
const jsonPiece = 262_144

/**
 * Field and value pairs of the hash of a plan; how many there are comes last, so that a plan is there once they are. What is
 * long is in pieces: `<name>`, `<name>:1`, `<name>:2` and so on; of the plan itself `jsons` says how many, where it has several.
 */
export const fields = (plan: Plan, hash: string): ReadonlyArray<readonly [field: string, value: string]> => {
  const program = Engine.make(plan, hash)
  const texts = program.nodes.map((node) => JSON.stringify(encodeNode(plan, node)))
  // The nodes of a group are all alike: they are stored, and parsed, once.
  const firsts = [...texts.keys()].filter((index) => texts[index] !== texts[index - 1])
  const starters = program.bodies[0]!.nodes.filter((node) => node.gate === undefined && node.edges.length === 0)
  const jsons = piecesOf(JSON.stringify(plan))
  const pairs = [
    ...firsts.map((index) => [String(index), texts[index]!] as const),
    ...(firsts.length < texts.length ? [["=", JSON.stringify(firsts)] as const] : []),
    // Apart, because a join over 10,000 edges would be parsed by every call that counts one of them; only a retry reads them.
    ...program.nodes.flatMap((node) => list(`e${node.index}`, node.edges.map(encodeInEdge))),
    ...program.nodes.filter(isWide).flatMap((node) => list(`o${node.index}`, encodeOut(plan, node))),
    ...list(
      "s",
      starters.map((node) => node.index)
    ),
    ["hash", hash] as const,
    ...jsons.map((json, i) => [nameOf("json", i), json] as const),
    ...(jsons.length > 1 ? [["jsons", String(jsons.length)] as const] : []),
    ["#", JSON.stringify(encodeBodies(plan, starters.length))] as const
  ]
  return [...pairs, ["size", String(pairs.length + 1)]]
}

/** The field of a piece, from 0 on. */
export const nameOf = (name: string, piece: number): string => (piece === 0 ? name : `${name}:${piece}`)

const list = (name: string, entries: ReadonlyArray<unknown>): ReadonlyArray<readonly [field: string, value: string]> =>
  Array.from({ length: Math.ceil(entries.length / listPiece) }, (_, i) => [
    nameOf(name, i),
    JSON.stringify(entries.slice(i * listPiece, (i + 1) * listPiece))
  ])

/** Never cut in the middle of a character. */
const piecesOf = (text: string): ReadonlyArray<string> => {
  const pieces: Array<string> = []
  for (let at = 0; at < text.length; at += pieces.at(-1)!.length) {
    const piece = text.slice(at, at + jsonPiece)
    pieces.push(piece.isWellFormed() ? piece : piece.slice(0, -1))
  }
  return pieces
}

const encodeBodies = (plan: Plan, starting: number) =>
  plan.bodies.map((body) =>
    body._tag === "Root"
      ? { first: body.first, count: body.count, exit: body.exit, starting }
      : { ...body, _tag: undefined }
  )

/** A node with so many edges to follow that they are in a list of their own. */
const isWide = ({ out }: Engine.NodeProgram): boolean => out.length > listPiece

/** Counted from the node, so that the nodes of a group are alike. */
const encodeOut = (plan: Plan, { body, index, out }: Engine.NodeProgram) =>
  out.map((edge) => [
    edge.to + plan.bodies[body]!.first,
    encodeCondition(edge.when),
    edge.edge < 0 ? false : edge.edge - index
  ])

const encodeNode = (plan: Plan, program: Engine.NodeProgram) => {
  const { body, cleanup, collects, edges, exitOf, gate, index, node, out, policy, releases, task, work } = program
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
    ...(isWide(program) ? { i: index, q: out.length } : { o: encodeOut(plan, program) }),
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

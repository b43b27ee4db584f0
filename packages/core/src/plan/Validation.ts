/**
 * Plans that come from elsewhere, as JSON: whether a document is a plan that can run. What the compiler makes always is.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { InvalidPlan } from "../Failure.ts"
import type { Problem } from "../Failure.ts"
import { Plan } from "./Document.ts"
import type { Body, Edge, Node, Template } from "./Document.ts"
import { cycle } from "./Graph.ts"
import { visit } from "./Template.ts"

const decode = Schema.decodeUnknownResult(Plan)

/**
 * Checks a document: that it has the form of a plan, that its nodes, bodies and regions refer to each other as they
 * must, and that nothing waits for itself. Fails with all problems of the form, or else with all others.
 */
export const validate = (document: unknown): Result.Result<Plan, InvalidPlan> => {
  const decoded = decode(document)
  if (Result.isFailure(decoded)) {
    const problem = {
      step: "plan",
      site: undefined,
      message: `It is not a plan of this version: ${decoded.failure.message}`
    }
    return Result.fail(new InvalidPlan({ flow: flowOf(document), problems: [problem] }))
  }
  const plan = decoded.success
  const problems = new Validation(plan).problems()
  return problems.length > 0 ? Result.fail(new InvalidPlan({ flow: plan.flow, problems })) : Result.succeed(plan)
}

const flowOf = (document: unknown): string =>
  typeof document === "object" && document !== null && "flow" in document && typeof document.flow === "string"
    ? document.flow
    : "unknown"

type Each = Extract<Body, { _tag: "Each" }>

class Validation {
  readonly #plan: Plan
  readonly #found: Array<Problem> = []
  /** The body of each node. */
  readonly #bodies: Array<number> = []
  readonly #forked = new Set<number>()

  constructor(plan: Plan) {
    this.#plan = plan
  }

  problems(): ReadonlyArray<Problem> {
    this.#ranges()
    // What follows looks nodes and bodies up: it needs these to be there.
    if (this.#found.length > 0) return this.#found
    this.#ids()
    this.#regions()
    this.#plan.nodes.forEach((node, number) => this.#node(node, number))
    this.#plan.bodies.forEach((body, index) => this.#body(body, index))
    this.#decisions()
    if (this.#found.length > 0) return this.#found
    this.#acyclic()
    return this.#found
  }

  #add(step: string, message: string): void {
    this.#found.push({ step, site: undefined, message })
  }

  /** The bodies take the nodes one after the other and leave none out; a body comes after the one around it. */
  #ranges(): void {
    const { bodies, nodes } = this.#plan
    let next = 0
    bodies.forEach((body, index) => {
      const name = `body ${index}`
      if (body.first !== next || body.count < 1) {
        this.#add(name, `It must have the nodes from ${next} on, and has ${body.count} from ${body.first} on.`)
      }
      for (let number = body.first; number < body.first + body.count && number < nodes.length; number++) {
        this.#bodies[number] = index
      }
      next = body.first + body.count
      if (body._tag === "Root") return
      if (body.parent < 0 || body.parent >= index) this.#add(name, `Body ${body.parent} is not a body before it.`)
      if (body.concurrency !== undefined && body.concurrency < 1) {
        this.#add(name, `With a concurrency of ${body.concurrency} nothing would run. Give at least 1.`)
      }
    })
    if (next !== nodes.length) this.#add("plan", `It has ${nodes.length} nodes, and its bodies have ${next}.`)
  }

  #ids(): void {
    const seen = new Set<string>()
    for (const { id } of this.#plan.nodes) {
      if (seen.has(id)) this.#add(id, "Two nodes have this id.")
      seen.add(id)
    }
  }

  #regions(): void {
    this.#plan.regions.forEach(({ label, parent }, index) => {
      const valid = index === 0 ? parent === undefined : parent !== undefined && parent >= 0 && parent < index
      if (!valid) this.#add(label, `Region ${index} must be in a region before it, and region 0 in none.`)
    })
  }

  #node(node: Node, number: number): void {
    const { nodes, regions, tasks } = this.#plan
    if (node.region < 0 || node.region >= regions.length) this.#add(node.id, `There is no region ${node.region}.`)
    if (node.gate !== undefined) this.#edge(node, number, node.gate)
    for (const edge of node.edges) this.#edge(node, number, edge)
    if (node.join === "any" && node.edges.length === 0) {
      this.#add(node.id, "It waits for any of no nodes, which never happens. Give it an edge, or join all.")
    }
    switch (node._tag) {
      case "Task":
        if (!Object.hasOwn(tasks, node.task)) this.#add(node.id, `The plan has no contract for task ${node.task}.`)
        this.#value(node, number, node.input)
        for (const { node: fork } of node.decides ?? []) {
          const decided = nodes[fork]
          if (decided?._tag !== "Fork" || !decided.edges.some((edge) => edge.from === number)) {
            this.#add(node.id, `It decides node ${fork}, which is not a fork after it.`)
          }
        }
        break
      case "Decide":
        this.#value(node, number, node.of)
        break
      case "Pass":
        if (node.value !== undefined) this.#value(node, number, node.value)
        break
      case "Collect": {
        const body = this.#plan.bodies[node.body]
        if (body?._tag !== "Each" || body.collect !== number) this.#add(node.id, `Body ${node.body} is not its own.`)
        break
      }
      case "Fork":
        break
    }
  }

  #edge(node: Node, number: number, { from }: Edge): void {
    if (!this.#sees(number, from)) {
      this.#add(node.id, `It depends on node ${from}, which is neither in its body nor in one around it.`)
    }
  }

  /** Whether a node is in the same body as another, or in a body around that. */
  #sees(number: number, other: number): boolean {
    const target = this.#bodies[other]
    return target !== undefined && this.#isAround(target, this.#bodies[number]!)
  }

  #isAround(outer: number, inner: number): boolean {
    for (let index = inner; ;) {
      if (index === outer) return true
      const body: Body = this.#plan.bodies[index]!
      if (body._tag === "Root") return false
      index = body.parent
    }
  }

  #value(node: Node, number: number, value: Template): void {
    const waitsFor = new Set(node.edges.map((edge) => edge.from))
    if ("from" in value) {
      if (node.join !== "any" || value.from.length !== node.edges.length) {
        this.#add(node.id, "Its value names one alternative per edge: it must join any, over as many edges.")
      }
      for (const part of value.from) visit(part, (leaf) => this.#leaf(node, number, leaf, waitsFor))
    } else {
      visit(value, (leaf) => this.#leaf(node, number, leaf, waitsFor))
    }
  }

  #leaf(node: Node, number: number, leaf: Template, waitsFor: ReadonlySet<number>): void {
    if ("node" in leaf || "error" in leaf) {
      const other = "node" in leaf ? leaf.node : leaf.error
      if (!this.#sees(number, other)) {
        this.#add(node.id, `It reads node ${other}, which it can't see.`)
      } else if ("node" in leaf && !waitsFor.has(other)) {
        this.#add(node.id, `It reads ${this.#plan.nodes[other]!.id} and does not wait for it. Add an edge.`)
      }
    } else if ("item" in leaf || "index" in leaf || "instances" in leaf) {
      const index = "item" in leaf ? leaf.item : "index" in leaf ? leaf.index : leaf.instances
      const isEach = this.#plan.bodies[index]?._tag === "Each"
      const seen = isEach && ("instances" in leaf || this.#isAround(index, this.#bodies[number]!))
      if (!seen) this.#add(node.id, `It reads an element of body ${index}, and is not in it.`)
    }
  }

  #body(body: Body, index: number): void {
    const exit = this.#plan.nodes[body.exit]
    if (exit === undefined || this.#bodies[body.exit] !== index)
      this.#add(`body ${index}`, `Its exit is not one of its nodes.`)
    if (body._tag === "Each") this.#ends(body, index)
  }

  /** What a `forEach` has in the body around it: fork, then release (or the fork again), then collect. */
  #ends(body: Each, index: number): void {
    const { nodes } = this.#plan
    const name = `body ${index}`
    for (const end of [body.fork, body.release, body.collect]) {
      if (this.#bodies[end] !== body.parent) this.#add(name, `Node ${end} is not in the body around it.`)
    }
    const fork = nodes[body.fork]
    if (fork?._tag !== "Fork" && fork?._tag !== "Decide") this.#add(name, "Its fork is not a Fork or a Decide.")
    if (body.release !== body.fork) {
      const release = nodes[body.release]
      if (release?._tag !== "Pass" || release.role !== "release" || release.gate?.from !== body.fork) {
        this.#add(name, "Its release is not a release pass gated by its fork.")
      }
    }
    const collect = nodes[body.collect]
    if (collect?._tag !== "Collect" || collect.body !== index || collect.gate?.from !== body.release) {
      this.#add(name, "Its collect is not a Collect of it gated by its release.")
    }
    if (this.#forked.has(body.fork)) this.#add(name, "Its fork is another body's, too.")
    this.#forked.add(body.fork)
  }

  /** Each fork must learn its number from one place. */
  #decisions(): void {
    const { decides, nodes } = this.#plan
    const deciders = new Map<number, number>()
    const count = (fork: number) => deciders.set(fork, (deciders.get(fork) ?? 0) + 1)
    for (const { node, of } of decides) {
      count(node)
      if (nodes[node]?._tag !== "Fork" || this.#bodies[node] !== 0) {
        this.#add("plan", `The submission decides node ${node}, which is not a fork of the flow itself.`)
      }
      if (!("input" in of || "literal" in of))
        this.#add("plan", "The submission can decide by the input or a literal only.")
    }
    for (const node of nodes) {
      if (node._tag === "Task") for (const decision of node.decides ?? []) count(decision.node)
    }
    nodes.forEach((node, number) => {
      if (node._tag === "Fork" && deciders.get(number) !== 1) {
        this.#add(
          node.id,
          `It is decided by ${deciders.get(number) ?? "no"} node${deciders.has(number) ? "s" : ""}, and must be by one.`
        )
      }
    })
  }

  #acyclic(): void {
    const around = cycle(this.#plan)
    if (around === undefined) return
    const path = [...around, around[0]!].map((node) => this.#plan.nodes[node]!.id)
    this.#add(path[0]!, `It waits for itself: ${path.join(" ← ")}.`)
  }
}

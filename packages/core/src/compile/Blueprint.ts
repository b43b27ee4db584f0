/**
 * The plan while it is drawn up. Nodes are made in the order of the definition and numbered as they come; `finish` adds
 * what can only be known at the end, gates and releases, and numbers them anew, body by body.
 *
 * A **scope** is where nodes need the same gate: a body, a handler of a `catch`, an inlined flow that waits for others.
 * A node needs the gate of its scope unless all it joins over are successes of nodes of that scope, which had the gate
 * themselves. One that joins over failures or settled ends needs it always: nodes of a scope that was never entered end
 * without having run, and that is no failure for a handler inside to catch.
 */
import type { Body, Decision, Edge, Node, Plan, Region, Root, Template } from "../plan/Document.ts"
import * as Templates from "../plan/Template.ts"

/** Compared by identity. */
export interface Scope {
  readonly body: number
  /** The node whose success opens it; nothing where an instance exists only once it may run. */
  readonly entry: number | undefined
}

/** Where in the plan a node stands. */
export interface Site {
  readonly scope: Scope
  /** The number of the region. */
  readonly region: number
}

type Writable<N> = N extends unknown
  ? { -readonly [K in keyof N]: K extends "edges" ? Array<Edge> : K extends "decides" ? Array<Decision> : N[K] }
  : never
export type Draft = Writable<Node>

type Pass = Extract<Draft, { _tag: "Pass" }>

type EachDraft = { readonly _tag: "Each" } & {
  -readonly [K in Exclude<keyof Extract<Body, { _tag: "Each" }>, "_tag" | "first" | "count">]: Extract<
    Body,
    { _tag: "Each" }
  >[K]
}
type BodyDraft = { readonly _tag: "Root"; exit: number } | EachDraft

export class Blueprint {
  readonly drafts: Array<Draft> = []
  readonly regions: Array<Region> = []
  readonly bodies: Array<BodyDraft> = []
  readonly decides: Array<{ readonly node: number; readonly of: Template }> = []
  readonly #scopes: Array<Scope> = []
  /** How often each id was asked for. */
  readonly #ids = new Map<string, number>()

  /** An id nobody else has: the name itself, then `name#2`. */
  id(name: string): string {
    for (;;) {
      const count = (this.#ids.get(name) ?? 0) + 1
      this.#ids.set(name, count)
      const id = count === 1 ? name : `${name}#${count}`
      if (count === 1) return id
      // A task may be called `name#2` itself.
      if (!this.#ids.has(id)) {
        this.#ids.set(id, 1)
        return id
      }
    }
  }

  add(scope: Scope, node: Draft): number {
    this.#scopes.push(scope)
    return this.drafts.push(node) - 1
  }

  /** A node that only routes, or puts a value together; `join` is `all` unless it says otherwise. */
  pass(
    { region, scope }: Site,
    role: Pass["role"],
    id: string,
    edges: Array<Edge>,
    rest: Partial<Pick<Pass, "join" | "gate" | "value">> = {}
  ): number {
    return this.add(scope, { _tag: "Pass", id, region, join: "all", edges, role, ...rest })
  }

  region(kind: Region["kind"], label: string, parent: number | undefined): number {
    return this.regions.push(parent === undefined ? { kind, label } : { kind, label, parent }) - 1
  }

  scopeOf(node: number): Scope {
    return this.#scopes[node]!
  }

  finish(): Pick<Plan, "nodes" | "bodies" | "regions" | "decides"> {
    this.drafts.forEach((node, number) => this.#close(node, this.#scopes[number]!))
    const members = this.#members()
    const dropped = this.#release(members)
    return this.#number(members, dropped)
  }

  #close(node: Draft, scope: Scope): void {
    if (scope.entry === undefined || node.gate !== undefined) return
    const follows = (edge: Edge) => edge.when === undefined && this.#scopes[edge.from] === scope
    const open = node.join !== "settled" && node.edges.length > 0 && node.edges.every(follows)
    if (!open) node.gate = { from: scope.entry }
  }

  /** The nodes of each body, in order. */
  #members(): Array<Array<number>> {
    const members: Array<Array<number>> = this.bodies.map(() => [])
    this.#scopes.forEach((scope, number) => members[scope.body]!.push(number))
    return members
  }

  /**
   * A body that reads nodes outside of it is released when these have ended: then its instances find ended sources only.
   * Inner bodies come later, so going backwards a release is seen by the body around it.
   */
  #release(members: ReadonlyArray<ReadonlyArray<number>>): ReadonlySet<number> {
    const dropped = new Set<number>()
    for (let index = this.bodies.length - 1; index > 0; index--) {
      const body = this.bodies[index]!
      if (body._tag === "Root") continue
      const captured = new Set<number>()
      for (const number of members[index]!) {
        if (dropped.has(number)) continue
        for (const edge of this.drafts[number]!.edges) {
          if (this.#scopes[edge.from]!.body !== index) captured.add(edge.from)
        }
      }
      if (captured.size === 0) {
        dropped.add(body.release)
        body.release = body.fork
      } else {
        this.drafts[body.release]!.edges = [...captured].map((from) => ({ from, when: "settled" }))
      }
      this.drafts[body.collect]!.gate = { from: body.release }
    }
    return dropped
  }

  #number(
    members: ReadonlyArray<ReadonlyArray<number>>,
    dropped: ReadonlySet<number>
  ): Pick<Plan, "nodes" | "bodies" | "regions" | "decides"> {
    const order = members.map((numbers) => numbers.filter((number) => !dropped.has(number)))
    const renumbered: Array<number> = []
    let moved = false
    let next = 0
    const firsts = order.map((numbers) => {
      const first = next
      for (const number of numbers) {
        moved ||= number !== next
        renumbered[number] = next++
      }
      return first
    })
    const edge = (edge: Edge): Edge => ({ ...edge, from: renumbered[edge.from]! })
    const template = (template: Template): Template => (moved ? Templates.map(template, leaf) : template)
    const leaf = (part: Template): Template =>
      "node" in part
        ? { node: renumbered[part.node]!, path: part.path }
        : "error" in part
          ? { error: renumbered[part.error]!, path: part.path }
          : part
    const renumber = (draft: Draft): Node => {
      if (!moved) return draft
      const fields = { edges: draft.edges.map(edge), ...(draft.gate === undefined ? {} : { gate: edge(draft.gate) }) }
      switch (draft._tag) {
        case "Task": {
          const decides = draft.decides?.map((decision) => ({ ...decision, node: renumbered[decision.node]! }))
          return { ...draft, ...fields, input: template(draft.input), ...(decides === undefined ? {} : { decides }) }
        }
        case "Decide":
          return { ...draft, ...fields, of: template(draft.of) }
        case "Pass":
          return { ...draft, ...fields, ...(draft.value === undefined ? {} : { value: template(draft.value) }) }
        case "Fork":
        case "Collect":
          return { ...draft, ...fields }
      }
    }
    const bodies = this.bodies.map((body, index): Body => {
      const range = { first: firsts[index]!, count: order[index]!.length, exit: renumbered[body.exit]! }
      if (body._tag === "Root") return { _tag: "Root", ...range }
      const { concurrency, parent } = body
      const ends = {
        fork: renumbered[body.fork]!,
        release: renumbered[body.release]!,
        collect: renumbered[body.collect]!
      }
      return { _tag: "Each", ...range, parent, ...ends, ...(concurrency === undefined ? {} : { concurrency }) }
    })
    return {
      nodes: order.flatMap((numbers) => numbers.map((number) => renumber(this.drafts[number]!))),
      bodies: bodies as [Root, ...Array<Extract<Body, { _tag: "Each" }>>],
      regions: this.regions,
      decides: this.decides.map(({ node, of }) => ({ node: renumbered[node]!, of }))
    }
  }
}

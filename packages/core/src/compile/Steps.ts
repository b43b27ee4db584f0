/**
 * From steps to nodes: what each combinator compiles to.
 *
 *     call            Task      all      ← what its input reads, success
 *     all             Pass      all      ← members, success
 *       settled       W Pass    settled  ← members, settled;  then a Pass all ← members, success, gated by W
 *       result        a result pass per member, and a Pass over these
 *     result          Pass      any      ← x success, x failure(declared)
 *     catch           E entry   all      ← x failure(tags), for each case; its handler is gated by E
 *                     M merge   any      ← x success, the handlers' exits
 *     forEach         Fork or Decide, a release when the body uses what is outside, Collect gated by it; the body apart
 *     inlined flow    its steps; when it must wait for others, an entry that waits and gates them
 *     literal         nothing: it is written where it is used
 *
 * The result of a region is its exit: the node of that step where it is one of the region's own and taken whole, else a
 * pass that takes the part, the outer value or the literal.
 */
import * as Schema from "effect/Schema"
import * as Errors from "../definition/Errors.ts"
import * as Origin from "../definition/Origin.ts"
import type { Region } from "../definition/Region.ts"
import type { All, Call, Catch, ForEach, Inline, Literal, Result, Step } from "../definition/Step.ts"
import type { Condition, Edge, Policy, Template } from "../plan/Document.ts"
import * as Templates from "../plan/Template.ts"
import type { Annotations } from "./Annotations.ts"
import { Blueprint } from "./Blueprint.ts"
import type { Scope, Site } from "./Blueprint.ts"
import { Contracts } from "./Contracts.ts"
import { edges, nothing, whole } from "./Refs.ts"
import type { Refs } from "./Refs.ts"
import { mismatch } from "./Wires.ts"

/** Where steps are compiled to. */
interface Place extends Site {
  /** What flows around it set for all their tasks. */
  readonly policy: Policy
}

const anyArray = Schema.Array(Schema.Unknown)

export class Steps {
  readonly blueprint = new Blueprint()
  readonly contracts = new Contracts()
  /** The node that waits when a step must. */
  readonly starts = new Map<Step, number>()
  readonly #annotations: Annotations
  readonly #refs: Refs

  constructor(annotations: Annotations, refs: Refs) {
    this.#annotations = annotations
    this.#refs = refs
  }

  /** Compiles the flow's own region, and with it everything. */
  root(region: Region): void {
    const body = { _tag: "Root" as const, exit: 0 }
    this.blueprint.bodies.push(body)
    const scope: Scope = { body: 0, entry: undefined }
    const number = this.blueprint.region("flow", region.label, undefined)
    this.#refs.parameters.set(region, { input: whole })
    const place = { scope, region: number, policy: {} }
    const value = this.#region(region, place, (message) => this.#refs.problems.add(region.label, message))
    body.exit = this.#exit(place, value, "exit")
  }

  // ---- regions ----------------------------------------------------------------------------------------------------------

  /** Compiles the steps of a region; gives the template of its result. */
  #region(region: Region, place: Place, report: (message: string) => void): Template {
    this.#refs.regions.push(region)
    for (const step of region.steps) this.#step(step, place)
    const origin = Origin.of(region.result)
    if (origin !== undefined) return this.#refs.reader(region, report).read(origin) ?? nothing
    report(
      region.defect === undefined
        ? "The callback returned no ref. Return what a step gave, or make one with `Flow.succeed` or `Flow.all`."
        : `The callback threw ${inWords(region.defect)}. It must only make steps and return a ref.`
    )
    return nothing
  }

  /** The same for a region that belongs to a step. */
  #inside(step: Step, region: Region, place: Place): Template {
    return this.#region(region, place, (message) => this.#refs.report(step, message))
  }

  /** The node whose end is a region's. */
  #exit(place: Place, value: Template, name: string): number {
    if ("node" in value && value.path.length === 0) {
      const scope = this.blueprint.scopeOf(value.node)
      // Where there is no gate to stand behind, any node of the body will do.
      if (scope === place.scope || (place.scope.entry === undefined && scope.body === place.scope.body))
        return value.node
    }
    return this.blueprint.pass(place, "exit", this.blueprint.id(name), edges(value), { value })
  }

  // ---- steps ------------------------------------------------------------------------------------------------------------

  #step(step: Step, place: Place): void {
    if (step.problem !== undefined) this.#refs.problems.add(this.#refs.nameOf(step), step.problem, step.site)
    this.#refs.values.set(step, this.#compile(step, place))
  }

  #compile(step: Step, place: Place): Template {
    switch (step._tag) {
      case "Call":
        return this.#call(step, place)
      case "Inline":
        return this.#inline(step, place)
      case "Literal":
        return this.#literal(step)
      case "All":
        return this.#all(step, place)
      case "ForEach":
        return this.#forEach(step, place)
      case "Catch":
        return this.#catch(step, place)
      case "Result":
        return this.#result(step, place)
      case "After":
      case "WithPolicy":
        return this.#annotated(step, place)
    }
  }

  #call(step: Call, place: Place): Template {
    const id = this.#name(step, step.task.key)
    const input = this.#refs.nested(step, step.task.input, step.input, ["input"])
    const clash = this.contracts.add(step.task)
    if (clash !== undefined) this.#refs.report(step, clash)
    const policy = { ...step.task.policy, ...place.policy, ...this.#annotations.policyOf(step) }
    const node = this.blueprint.add(place.scope, {
      _tag: "Task",
      id,
      region: place.region,
      join: "all",
      edges: edges(input),
      task: step.task.key,
      input,
      ...(Object.keys(policy).length === 0 ? {} : { policy })
    })
    this.starts.set(step, node)
    return { node, path: whole }
  }

  #inline(step: Inline, place: Place): Template {
    const label = step.body.label
    const number = this.blueprint.region("flow", label, place.region)
    this.#refs.names.set(step, label)
    this.#refs.parameters.set(step.body, this.#refs.nested(step, step.input, step.argument, ["input"]))
    const policy = { ...place.policy, ...this.#annotations.policyOf(step) }
    if (!this.#annotations.isOrdered(step)) {
      return this.#inside(step, step.body, { scope: place.scope, region: number, policy })
    }
    const entry = this.blueprint.pass({ ...place, region: number }, "entry", this.blueprint.id(`${label}.entry`), [])
    this.starts.set(step, entry)
    const inside = { scope: { body: place.scope.body, entry }, region: number, policy }
    const value = this.#inside(step, step.body, inside)
    return { node: this.#exit(inside, value, `${label}.exit`), path: whole }
  }

  #literal(step: Literal): Template {
    this.#refs.names.set(step, "value")
    return this.#refs.nested(step, step.output, step.value, ["value"])
  }

  #all(step: All, place: Place): Template {
    const id = this.#name(step, "all")
    const isTuple = Array.isArray(step.members)
    const members = Object.entries(step.members).map(([key, member]) => {
      const template =
        step.mode === "result" ? this.#outcome(step, member, place, `${id}.result`) : this.#refs.one(step, member, key)
      return [key, template] as const
    })
    const value = isTuple ? Templates.tuple(members.map(([, template]) => template)) : Templates.struct(members)
    const over = edges(value)
    const settled = step.mode === "settled" && over.length > 0 ? this.#settled(place, `${id}.settled`, over) : undefined
    const gate = settled === undefined ? {} : { gate: { from: settled } }
    const node = this.blueprint.pass(place, "value", id, over, { value, ...gate })
    this.starts.set(step, node)
    return { node, path: whole }
  }

  /** Waits for all, whatever their ends; what it gates then sees the first failure in the order of declaration. */
  #settled(place: Place, name: string, over: ReadonlyArray<Edge>): number {
    return this.blueprint.pass(place, "merge", this.blueprint.id(name), over.map(settledEdge), { join: "settled" })
  }

  #result(step: Result, place: Place): Template {
    const value = this.#outcome(step, step.of, place, this.#name(step, "result"))
    if ("node" in value) this.starts.set(step, value.node)
    return value
  }

  /** A ref's end as a value, in the JSON of `Schema.Result`. */
  #outcome(step: Step, ref: unknown, place: Place, name: string): Template {
    const of = this.#operand(step, ref, place, `${name}.of`)
    const id = step._tag === "Result" ? name : this.blueprint.id(name)
    const node = this.blueprint.pass(
      place,
      "value",
      id,
      [{ from: of.node }, { from: of.node, when: { failure: Errors.declared(ref, step.region) } }],
      {
        join: "any",
        value: {
          from: [
            { struct: { _tag: { literal: "Success" }, success: of.value } },
            { struct: { _tag: { literal: "Failure" }, failure: { error: of.node, path: whole } } }
          ]
        }
      }
    )
    return { node, path: whole }
  }

  #catch(step: Catch, place: Place): Template {
    const id = this.#name(step, "catch")
    const of = this.#operand(step, step.of, place, `${id}.of`)
    const caught = new Set<string>()
    const exits = step.cases.map(({ body, tags }) => {
      const number = this.blueprint.region("catch", body.label, place.region)
      const mine = this.#uncaught(step, tags, caught)
      const entry = this.blueprint.pass({ ...place, region: number }, "entry", this.blueprint.id(`${id}.entry`), [
        { from: of.node, when: mine }
      ])
      this.#refs.parameters.set(body, { error: of.node, path: whole })
      const inside = { scope: { body: place.scope.body, entry }, region: number, policy: place.policy }
      return this.#exit(inside, this.#inside(step, body, inside), `${id}.exit`)
    })
    const templates = [of.value, ...exits.map((node): Template => ({ node, path: whole }))]
    const node = this.blueprint.pass(place, "merge", id, [of.node, ...exits].map(successEdge), {
      join: "any",
      value: { from: templates }
    })
    this.starts.set(step, node)
    return { node, path: whole }
  }

  /** What is left for a case after those before it: the first one whose tags match is taken. */
  #uncaught(step: Catch, tags: "declared" | ReadonlyArray<string>, caught: Set<string>): Condition {
    const all = "*"
    if (tags === "declared") {
      if (caught.size > 0)
        this.#refs.report(
          step,
          "A case for all errors stands beside others. Catch these first, then the rest in a second `catch`."
        )
      caught.add(all)
      return { failure: Errors.declared(step.of, step.region) }
    }
    const left = tags.filter((tag) => !caught.has(tag) && !caught.has(all))
    if (left.length === 0)
      this.#refs.report(
        step,
        `No error reaches the case for ${tags.join(", ")}: cases before it catch them. Remove it.`
      )
    for (const tag of tags) caught.add(tag)
    return { failure: left }
  }

  #forEach(step: ForEach, place: Place): Template {
    const id = this.#name(step, "each")
    const over = this.#array(step)
    const fork = this.#fork(`${id}.fork`, over, place)
    const number = this.blueprint.region("forEach", step.body.label, place.region)
    const index = this.blueprint.bodies.length
    const ends = { release: 0, collect: 0, exit: 0 }
    const body = { _tag: "Each" as const, parent: place.scope.body, fork, ...ends, concurrency: step.concurrency }
    this.blueprint.bodies.push(body as typeof body & { concurrency: number })
    this.#refs.parameters.set(step.body, { item: index, path: whole })
    this.#refs.indices.set(step.body, { index })
    const inside = { scope: { body: index, entry: undefined }, region: number, policy: place.policy }
    body.exit = this.#exit(inside, this.#inside(step, step.body, inside), `${id}.exit`)
    // Whether there is anything to wait for is known when all is compiled; else the release is left out.
    body.release = this.blueprint.pass(place, "release", this.blueprint.id(`${id}.release`), [], {
      join: "settled",
      gate: { from: fork }
    })
    body.collect = this.blueprint.add(place.scope, {
      _tag: "Collect",
      id,
      region: place.region,
      join: "all",
      gate: { from: body.release },
      edges: [],
      body: index
    })
    this.starts.set(step, fork)
    return { node: body.collect, path: whole }
  }

  /**
   * The node that knows how many elements there are. The broker never reads values: who has the array in hand reports
   * its length, the worker with a task's value or the client with the input. For any other array a piece of work does.
   */
  #fork(name: string, over: Template, place: Place): number {
    const { blueprint } = this
    const fields = { id: blueprint.id(name), region: place.region, join: "all" as const }
    if ("node" in over && blueprint.scopeOf(over.node) === place.scope) {
      const source = blueprint.drafts[over.node]!
      if (source._tag === "Task") {
        const node = blueprint.add(place.scope, { _tag: "Fork", ...fields, edges: edges(over) })
        ;(source.decides ??= []).push({ node, path: over.path })
        return node
      }
    }
    if (place.scope.body === 0 && ("input" in over || "literal" in over)) {
      const node = blueprint.add(place.scope, { _tag: "Fork", ...fields, edges: [] })
      blueprint.decides.push({ node, of: over })
      return node
    }
    // It has no task with a policy of its own; it goes where the flow around it sends its work.
    const { priority, queue } = place.policy
    const policy = { ...(queue === undefined ? {} : { queue }), ...(priority === undefined ? {} : { priority }) }
    return blueprint.add(place.scope, {
      _tag: "Decide",
      ...fields,
      edges: edges(over),
      of: over,
      ...(Object.keys(policy).length === 0 ? {} : { policy })
    })
  }

  #annotated(step: Extract<Step, { _tag: "After" | "WithPolicy" }>, place: Place): Template {
    const subject = this.#annotations.subjectOf(step)
    const origin = Origin.of(step.of)
    if (origin === undefined) return this.#refs.one(step, step.of, "of")
    this.#refs.names.set(step, this.#refs.nameOf(subject))
    if (step._tag === "WithPolicy" && subject._tag !== "Call" && subject._tag !== "Inline") {
      const message = "A policy is for the call of a task or of a flow. Set it on the calls this is made of."
      this.#refs.report(step, message)
    }
    if (subject !== step) return this.#refs.peek(step, origin)
    // What has no node gets one, which can wait.
    const value = this.#refs.one(step, step.of, "of")
    if (step._tag === "WithPolicy") return value
    const node = this.blueprint.pass(place, "value", this.#name(step, "after"), edges(value), { value })
    this.starts.set(step, node)
    return { node, path: whole }
  }

  #array(step: ForEach): Template {
    const origin = Origin.of(step.over)
    if (origin !== undefined && mismatch(origin.schema, anyArray) !== undefined) {
      this.#refs.report(step, `${this.#refs.originName(origin)} is not an array. Give a ref to one.`)
    }
    return this.#refs.one(step, step.over, "of")
  }

  /** A ref as one node whose end is its end, and the value it has then. */
  #operand(step: Step, ref: unknown, place: Place, name: string): { readonly node: number; readonly value: Template } {
    const value = this.#refs.one(step, ref, "of")
    if ("node" in value) return { node: value.node, value }
    const node = this.blueprint.pass(place, "value", this.blueprint.id(name), edges(value), { value })
    return { node, value: { node, path: whole } }
  }

  /** Gives a step its id. */
  #name(step: Step, name: string): string {
    const id = this.blueprint.id(name)
    this.#refs.names.set(step, id)
    return id
  }
}

const successEdge = (from: number): Edge => ({ from })
const settledEdge = ({ from }: Edge): Edge => ({ from, when: "settled" })

const inWords = (defect: unknown): string =>
  defect instanceof Error ? `${defect.name}: ${defect.message}` : String(defect)

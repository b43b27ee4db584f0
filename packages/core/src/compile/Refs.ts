/**
 * What refs stand for while a definition is compiled: the templates of what was compiled so far, by what a ref can point
 * at; who may use which; and what nobody used.
 */
import type * as Schema from "effect/Schema"
import * as Origin from "../definition/Origin.ts"
import type { Region } from "../definition/Region.ts"
import type { Step } from "../definition/Step.ts"
import type { Edge, Path, Template } from "../plan/Document.ts"
import * as Templates from "../plan/Template.ts"
import type { Annotations } from "./Annotations.ts"
import * as Input from "./Input.ts"
import type { Problems } from "./Problems.ts"

/** What stands in where there is a problem. */
export const nothing: Template = { literal: null }

/** The path of a whole value. */
export const whole: Path = []

/** The edges of a value: one per node it reads. */
export const edges = (value: Template): Array<Edge> => Array.from(Templates.sources(value), (from) => ({ from }))

export class Refs {
  /** The value of each step compiled so far. */
  readonly values = new Map<Step, Template>()
  /** What the callback of each region that was opened is given. */
  readonly parameters = new Map<Region, Template>()
  /** The position of an element. */
  readonly indices = new Map<Region, Template>()
  /** Readable ids. */
  readonly names = new Map<Step, string>()
  /** The regions that were opened, in order. */
  readonly regions: Array<Region> = []
  readonly problems: Problems
  readonly #annotations: Annotations
  readonly #used = new Set<Step>()

  constructor(problems: Problems, annotations: Annotations) {
    this.problems = problems
    this.#annotations = annotations
  }

  /** The template of a ref that stands alone. `what` names it in the problem it may be. */
  one(step: Step, ref: unknown, what: string): Template {
    const origin = Origin.of(ref)
    if (origin !== undefined) return this.#readerOf(step).read(origin) ?? nothing
    this.report(step, `${what} is not a ref. Give what a step returned; make a ref of a value with \`Flow.succeed\`.`)
    return nothing
  }

  /** The template of a value with refs in it. */
  nested(step: Step, schema: Schema.Constraint, value: unknown, path: Path): Template {
    return Input.template(this.#readerOf(step), schema, value, path) ?? nothing
  }

  /** The template of a ref, which does not count as a use of it. */
  peek(step: Step, origin: Origin.Origin): Template {
    return this.#resolve(origin, step.region!, (message) => this.report(step, message)) ?? nothing
  }

  /** How a region sees the rest. */
  reader(region: Region, report: (message: string) => void): Input.Reader {
    return {
      report,
      nameOf: (origin) => this.originName(origin),
      read: (origin) => {
        if (origin.source._tag === "Step") this.#used.add(this.#annotations.subjectOf(origin.source.step))
        return this.#resolve(origin, region, report)
      }
    }
  }

  #readerOf(step: Step): Input.Reader {
    return this.reader(step.region!, (message) => this.report(step, message))
  }

  #resolve(origin: Origin.Origin, region: Region, report: (message: string) => void): Template | undefined {
    const { path, source } = origin
    const made = source._tag === "Step" ? source.step.region : source.region
    const hidden = obstacle(made, region)
    if (hidden !== undefined) {
      report(`${this.originName(origin)} ${hidden}`)
      return nothing
    }
    const value =
      source._tag === "Step"
        ? this.values.get(source.step)
        : (source._tag === "Index" ? this.indices : this.parameters).get(source.region)
    return Templates.into(value ?? nothing, path)
  }

  /** Reports what nobody reads: it would run for nothing, or was meant to be read. */
  findUnused(): void {
    for (const region of this.regions) {
      if (region.defect !== undefined || Origin.of(region.result) === undefined) continue
      for (const step of region.steps) {
        if (this.#annotations.subjectOf(step) !== step || this.#used.has(step)) continue
        this.report(step, "Nothing uses it. Return it, or order it with `Flow.after`, or remove it.")
      }
    }
  }

  // ---- names ------------------------------------------------------------------------------------------------------------

  nameOf(step: Step): string {
    return this.names.get(step) ?? plainName(step)
  }

  originName({ path, source }: Origin.Origin): string {
    const name =
      source._tag === "Step"
        ? this.nameOf(source.step)
        : source._tag === "Index"
          ? `the position in ${source.region.label}`
          : `${parameterInWords[source.region.kind]} ${source.region.label}`
    return path.length === 0 ? name : `${name} (at ${path.join(".")})`
  }

  /** Reports a problem of a step; what follows from one that it came with is not reported again. */
  report(step: Step, message: string): void {
    if (step.problem === undefined) this.problems.add(this.nameOf(step), message, step.site)
  }
}

/** A ref can be used in its own region and in those inside of it: elsewhere there may be none or many of its value. */
const obstacle = (made: Region | undefined, used: Region): string | undefined => {
  if (made === undefined) return "was made outside of any flow. Call it in the body of the flow that uses it."
  for (let region: Region | undefined = used; region !== undefined; region = region.parent) {
    if (region === made) return undefined
  }
  return `is used outside of ${placeInWords[made.kind]} it was made in (${made.label}). Return it from there, and use what ${givenBy[made.kind]} gives.`
}

const plainName = (step: Step): string => {
  switch (step._tag) {
    case "Call":
      return step.task.key
    case "Inline":
      return step.body.label
    case "Literal":
      return "value"
    case "ForEach":
      return "each"
    case "All":
    case "Catch":
    case "Result":
    case "After":
      return step._tag.toLowerCase()
    case "WithPolicy":
      return "policy"
  }
}

const placeInWords = { flow: "the flow", forEach: "the forEach", catch: "the handler" } as const
const givenBy = { flow: "the flow", forEach: "the forEach", catch: "the catch" } as const
const parameterInWords = { flow: "the input of", forEach: "the element of", catch: "the error caught by" } as const

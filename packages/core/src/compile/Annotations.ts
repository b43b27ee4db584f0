/**
 * `after` and `withPolicy` make no node: they say something about the step that their ref is of, however that is reached.
 * They are gathered before anything is compiled, because they may say it long after the step was made.
 */
import * as Origin from "../definition/Origin.ts"
import type { Region } from "../definition/Region.ts"
import type { After, Step, WithPolicy } from "../definition/Step.ts"
import type { Policy } from "../plan/Document.ts"

export class Annotations {
  readonly #subjects = new Map<Step, Step>()
  readonly #policies = new Map<Step, Policy>()
  readonly #ordered = new Set<Step>()
  /** Every `after`, in order of creation. */
  readonly afters: Array<After> = []

  /** Gathers those of a region and of all regions in it. */
  gather(region: Region): void {
    for (const step of region.steps) {
      switch (step._tag) {
        case "After":
          this.#ordered.add(this.#subject(step))
          this.afters.push(step)
          break
        case "WithPolicy": {
          const subject = this.#subject(step)
          this.#policies.set(subject, { ...this.#policies.get(subject), ...step.policy })
          break
        }
        case "Inline":
        case "ForEach":
          this.gather(step.body)
          break
        case "Catch":
          for (const each of step.cases) this.gather(each.body)
          break
        case "Call":
        case "Literal":
        case "All":
        case "Result":
          break
      }
    }
  }

  /** The step whose node an annotated ref is of; the annotation itself where there is no such node. */
  subjectOf(step: Step): Step {
    return this.#subjects.get(step) ?? step
  }

  /** Whether a step must wait for others whose values it does not use. */
  isOrdered(step: Step): boolean {
    return this.#ordered.has(step)
  }

  policyOf(step: Step): Policy | undefined {
    return this.#policies.get(step)
  }

  #subject(step: After | WithPolicy): Step {
    const source = Origin.of(step.of)?.source
    // A literal or a parameter has no node that could wait.
    const of = source?._tag === "Step" && source.step._tag !== "Literal" ? this.subjectOf(source.step) : step
    this.#subjects.set(step, of)
    return of
  }
}

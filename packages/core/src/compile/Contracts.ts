/**
 * The tasks that occur in a definition, by key. A key names one contract.
 */
import type { Contract as Task } from "../definition/Step.ts"
import type { Contract } from "../plan/Document.ts"
import { contract } from "./JsonSchema.ts"

export class Contracts {
  readonly #tasks = new Map<string, { readonly task: Task; readonly contract: Contract }>()

  /** Adds a task; gives back what is wrong when another one with other schemas has its key. */
  add(task: Task): string | undefined {
    const known = this.#tasks.get(task.key)
    if (known?.task === task) return undefined
    const own = { input: contract(task.input), output: contract(task.output), error: contract(task.error) }
    if (known === undefined) this.#tasks.set(task.key, { task, contract: own })
    else if (JSON.stringify(known.contract) !== JSON.stringify(own))
      return `Another task with other schemas has the key ${task.key}. A key names one contract: rename one of the two.`
    return undefined
  }

  /** The tasks as a plan has them. */
  get inJson(): { readonly [key: string]: Contract } {
    return Object.fromEntries(Array.from(this.#tasks, ([key, { contract }]) => [key, contract]))
  }

  /** The tasks with their schemas. */
  get withSchemas(): ReadonlyMap<string, Task> {
    return new Map(Array.from(this.#tasks, ([key, { task }]) => [key, task]))
  }
}

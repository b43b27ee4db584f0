/**
 * WfFormat 1.5, the format in which WfCommons publishes recorded workflows: read into a `Trace`.
 *
 * Only what a replay needs is read: the tasks, who depends on whom, and how long each ran. Unknown fields are ignored. An edge may be said by the parent,
 * by the child or by both; it counts once. Everything that is wrong is reported at once, each with its path in the document.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as Json from "./Json.ts"
import type { Trace, TracedTask } from "./Trace.ts"

/** The version that is read. */
export const version = "1.5"

const Task = Schema.Struct({
  id: Schema.NonEmptyString,
  name: Schema.NonEmptyString,
  parents: Schema.Array(Schema.String),
  children: Schema.Array(Schema.String)
})

const Executed = Schema.Struct({
  id: Schema.NonEmptyString,
  runtimeInSeconds: Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)),
  command: Schema.optionalKey(Schema.Struct({ program: Schema.optionalKey(Schema.String) }))
})

/** The part of a document that is read. */
export const Document = Schema.Struct({
  name: Schema.NonEmptyString,
  schemaVersion: Schema.Literal(version),
  workflow: Schema.Struct({
    specification: Schema.Struct({ tasks: Schema.NonEmptyArray(Task) }),
    execution: Schema.Struct({ makespanInSeconds: Schema.Finite, tasks: Schema.Array(Executed) })
  })
})
export type Document = typeof Document.Type

/** What is wrong with a document, and at which path. */
export const Problem = Schema.Struct({
  kind: Schema.Literals([
    "NotJson",
    "WrongVersion",
    "WrongShape",
    "DuplicateTask",
    "UnknownTask",
    "MissingRuntime",
    "Cycle"
  ]),
  /** Like `workflow.specification.tasks[3].parents[0]`; a line and a column when it is not JSON. */
  path: Schema.String,
  message: Schema.String
})
export type Problem = typeof Problem.Type

/** The document can't be imported; all that is wrong with it, at once. */
export class InvalidWfFormat extends Schema.TaggedError<InvalidWfFormat>()("InvalidWfFormat", {
  problems: Schema.Array(Problem)
}) {
  override get message() {
    return this.problems.map((problem) => `${problem.path}: ${problem.message}`).join("\n")
  }
}

/**
 * Reads a WfFormat document.
 *
 * @example
 * ```ts
 * import * as WfFormat from "@arpeggio/cli/WfFormat"
 * import * as Result from "effect/Result"
 *
 * const trace = WfFormat.parse("{}")
 * if (Result.isFailure(trace)) console.log(trace.failure.problems)
 * ```
 */
export const parse = (text: string): Result.Result<Trace, InvalidWfFormat> => {
  const json = Json.parse(text)
  if (Result.isFailure(json)) {
    const { line, column, reason } = json.failure
    return fail([{ kind: "NotJson", path: `line ${line}, column ${column}`, message: `not JSON: ${reason}` }])
  }
  return fromJson(json.success)
}

/** Reads a WfFormat document that is a JSON value already. */
export const fromJson = (value: unknown): Result.Result<Trace, InvalidWfFormat> => {
  const decoded = Schema.decodeUnknownResult(Document, { errors: "all" })(value)
  if (Result.isFailure(decoded)) return fail(shapeProblems(value, decoded.failure.issue))
  const document = decoded.success
  const problems = [...identityProblems(document), ...referenceProblems(document), ...runtimeProblems(document)]
  if (problems.length > 0) return fail(problems)
  return link(document)
}

const fail = (problems: ReadonlyArray<Problem>): Result.Result<never, InvalidWfFormat> =>
  Result.fail(new InvalidWfFormat({ problems }))

const specification = "workflow.specification.tasks"
const execution = "workflow.execution.tasks"

const shapeProblems = (value: unknown, issue: SchemaIssue.Issue): ReadonlyArray<Problem> => {
  // A document of another version is wrong in many places, all for that one reason.
  const found =
    typeof value === "object" && value !== null && "schemaVersion" in value ? value.schemaVersion : undefined
  if (found !== undefined && found !== version) {
    const message = `this is WfFormat ${JSON.stringify(found)}, and only "${version}" is read; WfCommons has a script that migrates instances`
    return [{ kind: "WrongVersion", path: "schemaVersion", message }]
  }
  return SchemaIssue.makeFormatterStandardSchemaV1()(issue).issues.map((issue) => ({
    kind: "WrongShape",
    path: Json.formatPath(issue.path?.map((key) => (typeof key === "object" ? key.key : key)) ?? []) || "the document",
    message: issue.message
  }))
}

const identityProblems = (document: Document): ReadonlyArray<Problem> => {
  const first = new Map<string, number>()
  return document.workflow.specification.tasks.flatMap(({ id }, i) => {
    const before = first.get(id)
    if (before === undefined) {
      first.set(id, i)
      return []
    }
    return [
      { kind: "DuplicateTask", path: `${specification}[${i}].id`, message: `"${id}" is the id of tasks[${before}] too` }
    ]
  })
}

const referenceProblems = (document: Document): ReadonlyArray<Problem> => {
  const { tasks } = document.workflow.specification
  const ids = new Set(tasks.map((task) => task.id))
  const unknown = (side: "parents" | "children") =>
    tasks.flatMap((task, i) =>
      task[side].flatMap((id, j): ReadonlyArray<Problem> =>
        ids.has(id)
          ? []
          : [
              {
                kind: "UnknownTask",
                path: `${specification}[${i}].${side}[${j}]`,
                message: `there is no task "${id}", which "${task.id}" names among its ${side}`
              }
            ]
      )
    )
  return [...unknown("parents"), ...unknown("children")]
}

const runtimeProblems = (document: Document): ReadonlyArray<Problem> => {
  const executed = new Set(document.workflow.execution.tasks.map((task) => task.id))
  return document.workflow.specification.tasks
    .filter((task) => !executed.has(task.id))
    .map((task) => ({
      kind: "MissingRuntime",
      path: execution,
      message: `there is no runtimeInSeconds of task "${task.id}", so it can't be replayed`
    }))
}

/** Puts the tasks in an order in which everyone comes after its parents, as near to the document's as that allows. */
const link = (document: Document): Result.Result<Trace, InvalidWfFormat> => {
  const { tasks } = document.workflow.specification
  const executed = new Map(document.workflow.execution.tasks.map((task) => [task.id, task]))
  const position = new Map(tasks.map((task, i) => [task.id, i]))
  const parents = tasks.map((task) => new Set(task.parents.map((id) => position.get(id)!)))
  for (const [i, task] of tasks.entries()) for (const id of task.children) parents[position.get(id)!]!.add(i)

  const children: ReadonlyArray<Array<number>> = tasks.map(() => [])
  for (const [i, set] of parents.entries()) for (const parent of set) children[parent]!.push(i)
  const open = parents.map((set) => set.size)
  const order = tasks.flatMap((_, i) => (open[i] === 0 ? [i] : []))
  for (let k = 0; k < order.length; k++) {
    for (const child of children[order[k]!]!) if (--open[child]! === 0) order.push(child)
  }
  if (order.length < tasks.length) return fail([cycleProblem(document, parents, new Set(order))])

  const rank = new Map(order.map((i, k) => [i, k]))
  return Result.succeed({
    name: document.name,
    makespan: document.workflow.execution.makespanInSeconds,
    tasks: order.map((i): TracedTask => {
      const task = tasks[i]!
      const { runtimeInSeconds, command } = executed.get(task.id)!
      return {
        id: task.id,
        name: task.name,
        kind: kindOf(task.name, command?.program),
        seconds: runtimeInSeconds,
        parents: Array.from(parents[i]!, (parent) => rank.get(parent)!).sort((a, b) => a - b)
      }
    })
  })
}

/** Among tasks that wait for each other, going from one to a parent that waits too must come back to one seen before. */
const cycleProblem = (
  document: Document,
  parents: ReadonlyArray<ReadonlySet<number>>,
  done: ReadonlySet<number>
): Problem => {
  const { tasks } = document.workflow.specification
  const path = [tasks.findIndex((_, i) => !done.has(i))]
  for (;;) {
    const next = Array.from(parents[path[path.length - 1]!]!).find((parent) => !done.has(parent))!
    const seen = path.indexOf(next)
    path.push(next)
    if (seen !== -1) {
      const ids = path
        .slice(seen)
        .reverse()
        .map((i) => tasks[i]!.id)
      return {
        kind: "Cycle",
        path: `${specification}[${next}]`,
        message: `tasks wait for each other: ${ids.join(" → ")}`
      }
    }
  }
}

/**
 * What tasks of one kind have in common: the program they run, or, where that is a script, their name without its number
 * and without the modules around it. It names the task in drawings and tables.
 */
const kindOf = (name: string, program: string | undefined): string => {
  const binary = program?.slice(program.lastIndexOf("/") + 1)
  if (binary !== undefined && /^[A-Za-z][\w.+-]*$/.test(binary)) return binary
  const short = name.slice(name.lastIndexOf(".") + 1)
  return short.replace(/_?(?:ID)?\d+$/, "") || short
}

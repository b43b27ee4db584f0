import * as Plan from "@arpeggio/core/Plan"
import * as Result from "effect/Result"
import { existsSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import * as Trace from "@arpeggio/cli/Trace"
import * as WfFormat from "@arpeggio/cli/WfFormat"

/** Instances published by WfCommons; they are not part of this repository. */
const instances = path.resolve(
  process.env["ARPEGGIO_WFINSTANCES"] ?? path.join(import.meta.dirname, "../../../../shared/data/wfinstances")
)
const isThere = existsSync(instances)
if (!isThere) {
  console.warn(`Skipping the WfCommons instances: ${instances} is not there. Set ARPEGGIO_WFINSTANCES to their folder.`)
}

/** Tasks, edges and all runtimes together in seconds, counted by another program. */
const counted = [
  ["1000genome-chameleon-2ch-100k-001.json", 52, 76, 2771.295],
  ["bwa-chameleon-small-001.json", 104, 400, 379.989],
  ["epigenomics-chameleon-hep-1seq-100k-001.json", 41, 48, 539.307],
  ["helloworld-chain-5-chameleon.json", 5, 4, 501.24],
  ["helloworld-forkjoin-10-chameleon.json", 10, 16, 1028.704],
  ["montage-chameleon-2mass-005d-001.json", 58, 114, 221.726],
  ["montage-chameleon-dss-10d-001.json", 472, 1284, 37089.295],
  ["rnaseq-dirt02-001.json", 197, 451, 2580.36],
  ["sarek-dirt02-001.json", 26, 50, 393.226],
  ["seismology-chameleon-100p-001.json", 101, 100, 71.893],
  ["srasearch-chameleon-10a-001.json", 22, 30, 6996.779]
] as const

/** The plan of a document, its calls of tasks, and the edges between these. */
const planOf = (text: string) => {
  const trace = Result.getOrThrow(WfFormat.parse(text))
  const { plan } = Result.getOrThrow(Plan.compile(Trace.toFlow(trace).flow))
  const isTask = (node: number) => plan.nodes[node]!._tag === "Task"
  const edges = plan.nodes.flatMap((node, to) =>
    isTask(to) ? node.edges.filter((edge) => isTask(edge.from)).map((edge) => [edge.from, to] as const) : []
  )
  return { trace, plan, tasks: plan.nodes.filter((node) => node._tag === "Task"), edges }
}

interface TaskOptions {
  readonly parents?: ReadonlyArray<string>
  readonly children?: ReadonlyArray<string>
  readonly seconds?: number
  readonly name?: string
  readonly program?: string
}

/** A document of tasks by their ids. */
const document = (tasks: { readonly [id: string]: TaskOptions }): unknown => ({
  name: "test",
  schemaVersion: "1.5",
  unknown: { field: true },
  workflow: {
    specification: {
      tasks: Object.entries(tasks).map(([id, { parents = [], children = [], name = id }]) => ({
        id,
        name,
        parents,
        children,
        inputFiles: ["ignored"]
      }))
    },
    execution: {
      makespanInSeconds: 1,
      executedAt: "2026-01-01T00:00:00Z",
      tasks: Object.entries(tasks).map(([id, { seconds = 1, program }]) => ({
        id,
        runtimeInSeconds: seconds,
        ...(program === undefined ? {} : { command: { program, arguments: ["-x"] } })
      }))
    }
  }
})

const problemsOf = (value: unknown): ReadonlyArray<WfFormat.Problem> => {
  const result = WfFormat.fromJson(value)
  return Result.isFailure(result) ? result.failure.problems : []
}

describe("WfFormat", () => {
  it.skipIf(!isThere).each(counted)("imports %s with its %i tasks and %i edges", (file, tasks, edges, seconds) => {
    const made = planOf(readFileSync(path.join(instances, file), "utf8"))
    expect({ tasks: made.tasks.length, edges: made.edges.length }).toEqual({ tasks, edges })
    const total = made.tasks.reduce((sum, node) => sum + Trace.secondsOf(node), 0)
    expect(total).toBeCloseTo(seconds, 2)
  })

  it.skipIf(!isThere).each(counted)("keeps every dependency of %s between the right tasks", (file) => {
    const text = readFileSync(path.join(instances, file), "utf8")
    const { plan, edges } = planOf(text)
    const nameOf = (node: number) => {
      const found = plan.nodes[node]!
      const name = found._tag === "Task" && "struct" in found.input ? found.input.struct["name"] : undefined
      return name !== undefined && "literal" in name ? String(name.literal) : "?"
    }
    const { tasks } = (JSON.parse(text) as WfFormat.Document).workflow.specification
    const names = new Map(tasks.map((task) => [task.id, task.name]))
    const expected = tasks.flatMap((task) => task.parents.map((parent) => `${names.get(parent)} → ${task.name}`))
    expect(edges.map(([from, to]) => `${nameOf(from)} → ${nameOf(to)}`).sort()).toEqual(expected.sort())
  })

  it("takes an edge once, whether the parent, the child or both say it", () => {
    const { edges } = planOf(
      JSON.stringify(
        document({ a: { children: ["b", "c"] }, b: { parents: ["a"] }, c: {}, d: { parents: ["b", "c", "c"] } })
      )
    )
    expect(edges).toEqual([
      [0, 1],
      [0, 2],
      [1, 3],
      [2, 3]
    ])
  })

  it("puts parents first, whatever the order of the document", () => {
    const { trace } = planOf(JSON.stringify(document({ c: { parents: ["b"] }, b: { parents: ["a"] }, a: {} })))
    expect(trace.tasks.map((task) => task.id)).toEqual(["a", "b", "c"])
  })

  it("calls tasks by the program they ran, or by their name without number and modules where that is a script", () => {
    const { trace } = planOf(
      JSON.stringify(
        document({
          a: { name: "x_ID0000001", program: "/usr/bin/mProject" },
          b: { name: "MODULE.SUB.ALIGN_12", program: "run --fast \\\n  x" },
          c: { name: "merge_ID0000003" },
          d: { name: "42" }
        })
      )
    )
    expect(trace.tasks.map((task) => task.kind)).toEqual(["mProject", "ALIGN", "merge", "42"])
  })

  it("says where a text stops being JSON", () => {
    const result = WfFormat.parse('{\n  "name": }')
    expect(Result.isFailure(result) && result.failure.problems).toEqual([
      { kind: "NotJson", path: "line 2, column 11", message: "not JSON: Unexpected token '}'" }
    ])
  })

  it("names the version it found when it is another, and nothing else", () => {
    expect(problemsOf({ name: "old", schemaVersion: "1.3", workflow: { tasks: [] } })).toMatchObject([
      { kind: "WrongVersion", path: "schemaVersion", message: expect.stringContaining('WfFormat "1.3"') }
    ])
  })

  it("reports all fields that are missing or wrong, each with its path", () => {
    const wrong = document({ a: {}, b: { seconds: -1 } }) as {
      workflow: { specification: { tasks: Array<Record<string, unknown>> } }
    }
    delete wrong.workflow.specification.tasks[0]!["parents"]
    wrong.workflow.specification.tasks[1]!["name"] = 7
    expect(problemsOf(wrong).map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      "WrongShape workflow.specification.tasks[0].parents",
      "WrongShape workflow.specification.tasks[1].name",
      "WrongShape workflow.execution.tasks[1].runtimeInSeconds"
    ])
  })

  it("reports unknown parents and children, ids that come twice and runtimes that are missing, all at once", () => {
    const wrong = document({ a: { children: ["x"] }, b: { parents: ["a", "y"] } }) as {
      workflow: { specification: { tasks: Array<unknown> }; execution: { tasks: Array<unknown> } }
    }
    wrong.workflow.specification.tasks.push({ id: "a", name: "a", parents: [], children: [] })
    wrong.workflow.execution.tasks.pop()
    expect(problemsOf(wrong).map(({ kind, path }) => `${kind} ${path}`)).toEqual([
      "DuplicateTask workflow.specification.tasks[2].id",
      "UnknownTask workflow.specification.tasks[1].parents[1]",
      "UnknownTask workflow.specification.tasks[0].children[0]",
      "MissingRuntime workflow.execution.tasks"
    ])
  })

  it("shows the tasks of a cycle in order", () => {
    const problems = problemsOf(
      document({ start: {}, a: { parents: ["start", "c"] }, b: { parents: ["a"] }, c: { parents: ["b"] } })
    )
    expect(problems).toMatchObject([{ kind: "Cycle" }])
    expect(problems[0]!.message).toMatch(/: (a → b → c → a|b → c → a → b|c → a → b → c)$/)
  })

  it("takes a task that waits for itself as a cycle", () => {
    expect(problemsOf(document({ a: { parents: ["a"] } }))).toMatchObject([
      { kind: "Cycle", message: "tasks wait for each other: a → a" }
    ])
  })

  it("refuses a workflow without tasks", () => {
    expect(problemsOf(document({}))).toMatchObject([{ kind: "WrongShape", path: "workflow.specification.tasks[0]" }])
  })
})

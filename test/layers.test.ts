import { existsSync, globSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"

const sourceOf = (name: string): string => path.resolve(import.meta.dirname, `../packages/${name}/src`)
const source = sourceOf("core")

/**
 * The layers of core, lowest first: a module imports from its own layer or a lower one. An entry is a module or a
 * folder, the first that fits counts. A module that is nowhere in the list makes a test fail: give it its place.
 */
const layers: ReadonlyArray<ReadonlyArray<string>> = [
  ["Defaults", "Failure", "Phase", "plan/Document", "plan/Address"],
  ["definition/", "Step", "Ref", "Task", "Flow", "Canvas", "Policy", "Attempt", "Handler"],
  ["plan/", "Plan", "compile/"],
  ["engine/"],
  ["Broker", "MemoryBroker"],
  ["Worker", "worker/", "Orchestrator", "Client", "Run", "RunId", "Outage"],
  ["Diagram", "layout/"],
  ["testing/", "index"]
]

/** Modules of effect that are data and functions over data. The others start fibers, read the clock, hold services. */
const pure = new Set(
  [
    [
      "Array",
      "BigDecimal",
      "Brand",
      "Cause",
      "Data",
      "Duration",
      "Equal",
      "Equivalence",
      "Exit",
      "Function",
      "Hash",
      "HashMap"
    ],
    ["HashSet", "MutableHashMap", "MutableList", "Option", "Order", "Pipeable", "Predicate", "Record", "Result"],
    ["Schema", "SchemaAST", "SchemaIssue", "SchemaRepresentation", "Struct", "Tuple", "Types"]
  ].flatMap((names) => names.map((name) => `effect/${name}`))
)

interface Arrow {
  readonly from: string
  readonly to: string
  readonly typeOnly: boolean
}

const modules = globSync("**/*.ts", { cwd: source }).map((file) => file.replace(/\.ts$/, ""))

const contains = (module: string) => (entry: string) =>
  entry.endsWith("/") ? module.startsWith(entry) : module === entry

const layerOf = (module: string): number => layers.findIndex((entries) => entries.some(contains(module)))

/** A module's code without its doc comments, whose examples import what users import. */
const codeOf = (source: string, module: string): string =>
  readFileSync(path.join(source, `${module}.ts`), "utf8").replaceAll(/\/\*\*[^]*?\*\//g, "")

const arrowsFrom = (source: string, from: string): ReadonlyArray<Arrow> =>
  Array.from(
    codeOf(source, from).matchAll(/^(?:import|export)( type)?\b(?:[^"=;]*?\bfrom)? "([^"]+)"/gm),
    ([, type, specifier = ""]) => ({
      from,
      to: specifier.startsWith(".") ? path.join(path.dirname(from), specifier).replace(/\.ts$/, "") : specifier,
      typeOnly: type !== undefined
    })
  )

const arrows = modules.flatMap((module) => arrowsFrom(source, module))
const inWords = ({ from, to }: Arrow) => `${from} imports ${to}`

describe("the layers of core", () => {
  it("every module has its place in a layer", () => {
    expect(modules.filter((module) => layerOf(module) === -1)).toEqual([])
  })

  it("imports point from higher layers to lower ones, but for the records of the seam, which all speak", () => {
    const isRecord = ({ to, typeOnly }: Arrow) => to === "Broker" && typeOnly
    const wrong = arrows.filter((arrow) => !isRecord(arrow) && layerOf(arrow.from) < layerOf(arrow.to))
    expect(wrong.map(inWords)).toEqual([])
  })

  it("plans and the engine are pure: they import nothing of effect that runs", () => {
    const isPure = (module: string) => ["plan/", "Plan", "compile/", "engine/"].some(contains(module))
    const wrong = arrows.filter(({ from, to }) => isPure(from) && to.startsWith("effect/") && !pure.has(to))
    expect(wrong.map(inWords)).toEqual([])
  })

  it("nothing comes from outside but effect, graphology, Node's hash, and assertions for the test kit", () => {
    const allowed = ({ from, to }: Arrow) =>
      /^(?:effect\/|graphology|node:crypto$)/.test(to) || (from.startsWith("testing/") && to === "node:assert/strict")
    const wrong = arrows.filter((arrow) => !modules.includes(arrow.to) && !allowed(arrow))
    expect(wrong.map(inWords)).toEqual([])
  })
})

describe("the thread that keeps a worker's lease", () => {
  const broker = sourceOf("broker-redis")

  /** What these load of other packages. */
  const packagesOf = (...modules: ReadonlyArray<string>): ReadonlyArray<string> => {
    const outside = new Set<string>()
    const loaded = new Set(modules)
    for (const module of loaded) {
      for (const { to, typeOnly } of arrowsFrom(broker, module)) {
        if (typeOnly) continue
        if (existsSync(path.join(broker, `${to}.ts`))) loaded.add(to)
        else outside.add(to)
      }
    }
    return [...outside].filter((name) => !name.startsWith("node:"))
  }

  it("starts with what is in Node", () => {
    expect(packagesOf("heartbeat/thread")).toEqual([])
  })

  it("loads the client of Redis later, and nothing else that takes long", () => {
    expect(packagesOf("Dialer", "Library")).toEqual(["ioredis"])
  })
})

import * as Flow from "@arpeggio/core/Flow"
import * as Plan from "@arpeggio/core/Plan"
import * as Task from "@arpeggio/core/Task"
import { describe, expect, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { spawnSync } from "node:child_process"

const Url = Schema.Struct({ url: Schema.String })
const fetch = Task.make("fetch", {
  input: Url,
  output: Schema.Struct({ path: Schema.String, widths: Schema.Array(Schema.Int) }),
  timeout: "10 seconds"
})
const resize = Task.make("resize", {
  input: Schema.Struct({ path: Schema.String, width: Schema.Int }),
  output: Schema.String
})
const pack = Task.make("pack", { input: Schema.Array(Schema.String), output: Schema.String })

const thumbnails = Flow.make("thumbnails", { input: Url }, ({ url }) => {
  const image = fetch({ url })
  const title = Flow.catch(Flow.succeed("title"), () => Flow.succeed("none"))
  const sizes = Flow.forEach(image.widths, (width) => resize({ path: image.path, width }))
  return Flow.all({ title, packed: pack(sizes) })
})

const { hash, plan } = Result.getOrThrow(Plan.compile(thumbnails))
const ids = (numbers: ReadonlyArray<number>) => numbers.map((number) => plan.nodes[number]!.id)

type Mutable<A> = A extends object ? { -readonly [K in keyof A]: Mutable<A[K]> } : A
/** The plan as a document, changed by somebody. */
const changed = (change: (plan: Mutable<Plan.Plan>) => void): unknown => {
  const copy = structuredClone(plan) as Mutable<Plan.Plan>
  change(copy)
  return copy
}
const node = (plan: Mutable<Plan.Plan>, id: string) => plan.nodes.find((node) => node.id === id)!

describe("Plan", () => {
  describe("hash", () => {
    it("is the same for the same content, in any order of keys", () => {
      const reversed = Object.fromEntries(Object.entries(plan).reverse())
      expect(Plan.hash(reversed as never)).toBe(hash)
      expect(Plan.hash(JSON.parse(JSON.stringify(plan)))).toBe(hash)
      expect(hash).toMatch(/^[0-9a-f]{64}$/)
    })

    it("is the same in another process", { timeout: 30_000 }, () => {
      const greet = Task.make("greet", { input: Schema.Struct({ name: Schema.String }), output: Schema.Date })
      const twice = Flow.make("twice", { input: greet.input }, (input) =>
        Flow.all([greet(input), greet({ name: "x" })])
      )
      const program = `
        import * as Flow from "@arpeggio/core/Flow"
        import * as Plan from "@arpeggio/core/Plan"
        import * as Task from "@arpeggio/core/Task"
        import * as Schema from "effect/Schema"
        const greet = Task.make("greet", { input: Schema.Struct({ name: Schema.String }), output: Schema.Date })
        const twice = Flow.make("twice", { input: greet.input }, (input) => Flow.all([greet(input), greet({ name: "x" })]))
        process.stdout.write(Plan.compile(twice).success.hash)`
      const { stderr, stdout } = spawnSync(process.execPath, ["--input-type=module", "--eval", program], {
        cwd: import.meta.dirname,
        encoding: "utf8"
      })
      expect(stderr).toBe("")
      expect(stdout).toBe(Result.getOrThrow(Plan.compile(twice)).hash)
    })

    it("changes with a schema, a policy, an edge", () => {
      const hashOf = (task: Plan.Compilable) => Result.getOrThrow(Plan.compile(task)).hash
      const make = (output: typeof Schema.Int | typeof Schema.String, timeout: number) =>
        Task.make("task", { input: Url, output, timeout })
      const hashes = [make(Schema.Int, 1), make(Schema.String, 1), make(Schema.Int, 2)].map(hashOf)
      expect(new Set(hashes).size).toBe(3)
      expect(hashOf(make(Schema.Int, 1))).toBe(hashes[0])
    })
  })

  describe("toId", () => {
    it("reads an address as people do", () => {
      const number = plan.nodes.findIndex(({ id }) => id === "resize")
      const collect = plan.nodes.findIndex(({ id }) => id === "each")
      expect(Plan.toId(plan, `${collect}.3.${number}`)).toBe("each[3].resize")
      expect(Plan.toId(plan, "0")).toBe("fetch")
    })
  })

  describe("graph", () => {
    it("has the nodes by number, with what they are", () => {
      const graph = Plan.graph(plan)
      expect(graph.order).toBe(plan.nodes.length)
      expect(graph.getNodeAttributes("0")).toMatchObject({ number: 0, id: "fetch", body: 0, region: 0 })
      expect(Plan.graph(plan)).toBe(graph)
    })

    it("has every dependency as an edge: joins and gates, captures, and the way through a body", () => {
      const graph = Plan.graph(plan)
      const edges = graph.mapEdges((_, { captured, links }, from, to) => {
        const kinds = links.map(({ kind, when }) => `${kind}:${typeof when === "string" ? when : JSON.stringify(when)}`)
        const [source, target] = ids([Number(from), Number(to)])
        return `${source} → ${target} ${kinds.join(", ")}${captured ? " captured" : ""}`
      })
      expect(edges.sort()).toEqual([
        "catch → all join:success",
        "catch.entry → catch.exit gate:success",
        "catch.exit → catch join:success",
        "catch.of → catch join:success",
        'catch.of → catch.entry join:{"failure":"declared"}',
        "each → pack join:success",
        "each.fork → each.release gate:success",
        "each.release → each gate:success",
        "each.release → resize body:success",
        "fetch → each.fork join:success",
        "fetch → each.release join:settled",
        "fetch → resize join:success captured",
        "pack → all join:success",
        "resize → each body:success"
      ])
    })
  })

  describe("generations", () => {
    it("are what can run at the same time, one after the other", () => {
      expect(Plan.generations(plan).map((numbers) => ids(numbers).sort())).toEqual([
        ["catch.of", "fetch"],
        ["catch.entry", "each.fork"],
        ["catch.exit", "each.release"],
        ["catch", "resize"],
        ["each"],
        ["pack"],
        ["all"]
      ])
    })
  })

  describe("criticalPath", () => {
    it("counts the tasks in a row", () => {
      const { length, nodes } = Plan.criticalPath(plan)
      expect(length).toBe(3)
      expect(ids(nodes)).toEqual(["fetch", "resize", "each", "pack", "all"])
    })

    it("takes the way that lasts longest, with weights", () => {
      const { length, nodes } = Plan.criticalPath(plan, ({ id }) => (id === "catch.exit" ? 900 : 100))
      expect(ids(nodes)).toEqual(["catch.of", "catch.entry", "catch.exit", "catch", "all"])
      expect(length).toBe(1_300)
    })
  })

  describe("validate", () => {
    it("accepts what the compiler makes, after a way through JSON", () => {
      const validated = Result.getOrThrow(Plan.validate(JSON.parse(JSON.stringify(plan))))
      expect(validated).toEqual(plan)
      expect(Plan.hash(validated)).toBe(hash)
    })

    const cases: ReadonlyArray<readonly [string, unknown, ReadonlyArray<string>]> = [
      ["what is no plan", { flow: "f" }, ['plan: It is not a plan of this version: Missing key\n  at ["version"]']],
      [
        "another version",
        { ...plan, version: 2 },
        ['plan: It is not a plan of this version: Expected 1\n  at ["version"]']
      ],
      [
        "nodes that no body has",
        changed((plan) => void plan.nodes.push(structuredClone(plan.nodes[0]!))),
        [`plan: It has ${plan.nodes.length + 1} nodes, and its bodies have ${plan.nodes.length}.`]
      ],
      [
        "a body that does not follow the one before",
        changed((plan) => void (plan.bodies[1]!.first -= 1)),
        [
          `body 1: It must have the nodes from ${plan.bodies[1]!.first} on, and has 1 from ${plan.bodies[1]!.first - 1} on.`,
          `plan: It has ${plan.nodes.length} nodes, and its bodies have ${plan.nodes.length - 1}.`
        ]
      ],
      [
        "an edge from nowhere, an edge out of a body, a value that is not waited for, an id given twice",
        changed((plan) => {
          node(plan, "all").edges.push({ from: 99 })
          node(plan, "pack").edges.push({ from: plan.nodes.length - 1 })
          node(plan, "resize").edges.pop()
          node(plan, "catch.exit").id = "catch"
        }),
        [
          "catch: Two nodes have this id.",
          `pack: It depends on node ${plan.nodes.length - 1}, which is neither in its body nor in one around it.`,
          "all: It depends on node 99, which is neither in its body nor in one around it.",
          "resize: It reads fetch and does not wait for it. Add an edge."
        ]
      ],
      [
        "a join that can't fire, alternatives that don't match, a task without contract, an unknown region",
        changed((plan) => {
          node(plan, "catch").edges.pop()
          Object.assign(node(plan, "catch.exit"), { join: "any", gate: undefined })
          delete node(plan, "catch.exit").gate
          Object.assign(plan.tasks, { pack: undefined })
          delete (plan.tasks as Record<string, unknown>)["pack"]
          node(plan, "fetch").region = 7
        }),
        [
          "fetch: There is no region 7.",
          "catch.exit: It waits for any of no nodes, which never happens. Give it an edge, or join all.",
          "catch: Its value names one alternative per edge: it must join any, over as many edges.",
          "catch: It reads catch.exit and does not wait for it. Add an edge.",
          "pack: The plan has no contract for task pack."
        ]
      ],
      [
        "a fork that nobody decides",
        changed((plan) => {
          const fetch = node(plan, "fetch")
          if (fetch._tag === "Task") delete fetch.decides
        }),
        ["each.fork: It is decided by no node, and must be by one."]
      ],
      [
        "a forEach whose ends are mixed up",
        changed((plan) => {
          const body = plan.bodies[1]!
          ;[body.fork, body.collect] = [body.collect, body.fork]
        }),
        [
          "each: Body 1 is not its own.",
          "body 1: Its fork is not a Fork or a Decide.",
          "body 1: Its release is not a release pass gated by its fork.",
          "body 1: Its collect is not a Collect of it gated by its release."
        ]
      ],
      [
        "nodes that wait for each other",
        changed(
          (plan) => void node(plan, "fetch").edges.push({ from: plan.nodes.findIndex(({ id }) => id === "pack") })
        ),
        ["fetch: It waits for itself: fetch ← pack ← each ← resize ← each.release ← each.fork ← fetch."]
      ]
    ]

    it.each(cases)("refuses %s", (_, document, expected) => {
      const validated = Plan.validate(document)
      const problems = Result.isFailure(validated) ? validated.failure.problems : []
      expect(problems.map(({ message, step }) => `${step}: ${message}`)).toEqual(expected)
    })
  })
})

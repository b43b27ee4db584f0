import * as Diagram from "@arpeggio/core/Diagram"
import * as Flow from "@arpeggio/core/Flow"
import { phases } from "@arpeggio/core/Phase"
import * as Plan from "@arpeggio/core/Plan"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Task from "@arpeggio/core/Task"
import { describe, expect, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Random } from "./simulation/Random.ts"
import { runOf, shape, tasks } from "./fixture/shape.ts"

/** A drawing in the source: without the newline before it, the indentation, and the last line. */
const drawing = (strings: TemplateStringsArray): string => {
  const lines = strings[0]!.split("\n").slice(1, -1)
  const indent = Math.min(...lines.filter((line) => line !== "").map((line) => line.length - line.trimStart().length))
  return lines.map((line) => line.slice(indent)).join("\n")
}

const boxes = (plan: Plan.Plan, options?: Diagram.Options) =>
  Diagram.text(plan, { width: 100, style: "boxes", ...options })
const rails = (plan: Plan.Plan, options?: Diagram.Options) =>
  Diagram.text(plan, { width: 100, style: "rails", ...options })

const sourceIndex = PlanBuilder.make("source-index", (p) => {
  const list = p.task("list")
  const each = p.each("each", { over: list, concurrency: 8 }, (p) => {
    const read = p.task("read")
    const analyse = p.task("analyse", { after: [read] })
    return p.catch("catch", { of: analyse, failure: ["Unreadable"] }, (p) => p.task("note"))
  })
  const index = p.task("index", { after: [each] })
  return p.pass("all", { after: [p.task("writeReport", { after: [index] }), p.task("writeIndex", { after: [index] })] })
})

const forkJoin = shape("split", "w1 <- split", "w2 <- split", "w3 <- split", "w4 <- split", "join <- w1 w2 w3 w4")

const montage = tasks([
  ...["1", "2", "3", "4"].map((n) => [`mProject${n}`, [], "mProject"] as const),
  ...["1 2", "2 3", "3 4"].map(
    (pair, n) => [`mDiffFit${n}`, pair.split(" ").map((at) => `mProject${at}`), "mDiffFit"] as const
  ),
  ["mConcatFit", ["mDiffFit0", "mDiffFit1", "mDiffFit2"]],
  ["mBgModel", ["mConcatFit"]],
  ...["1", "2", "3", "4"].map((n) => [`mBackground${n}`, [`mProject${n}`, "mBgModel"], "mBackground"] as const),
  ["mAdd", ["mBackground1", "mBackground2", "mBackground3", "mBackground4"]]
])

describe("Diagram", () => {
  describe("the picture of a plan", () => {
    class NotFound extends Schema.TaggedError<NotFound>()("NotFound", {}) {}
    const Url = Schema.Struct({ url: Schema.String, widths: Schema.Array(Schema.Int) })
    const Image = Schema.Struct({ path: Schema.String })
    const fetch = Task.make("fetch", { input: Schema.Struct({ url: Schema.String }), output: Image, error: NotFound })
    const fallback = Task.make("fallback", { input: Schema.Struct({}), output: Image })
    const resize = Task.make("resize", { input: Schema.Struct({ image: Image, width: Schema.Int }), output: Image })
    const publish = Task.make("publish", { input: Schema.Array(Image), output: Schema.String })
    const report = Task.make("report", { input: Schema.Struct({ of: Schema.Unknown }), output: Schema.String })
    const picture = (flow: Plan.Compilable) => Diagram.picture(Result.getOrThrow(Plan.compile(flow)).plan)
    const edgesOf = ({ nodes, edges }: Diagram.Picture) =>
      edges.map(
        ({ from, to, label }) => `${nodes[from]!.label} -> ${nodes[to]!.label}${label === undefined ? "" : ` ${label}`}`
      )

    it("is what the user wrote: a forEach is one node with its body inside, and reads what the body uses", () => {
      const flow = Flow.make("thumbnails", { input: Url }, ({ url, widths }) => {
        const image = fetch({ url })
        return publish(Flow.forEach(widths, (width) => resize({ image, width })))
      })
      const drawn = picture(flow)
      expect(edgesOf(drawn)).toEqual(["fetch -> each", "each -> publish"])
      expect(drawn.nodes.map((node) => node.kind)).toEqual(["task", "each", "task"])
      expect(drawn.nodes[1]).toMatchObject({ body: { nodes: [{ kind: "task", label: "resize" }], edges: [] } })
    })

    it("shows a handler as a branch, and both ways lead to what reads the value", () => {
      const flow = Flow.make("catching", { input: Url }, ({ url }) =>
        publish(Flow.all([Flow.catchTag(fetch({ url }), "NotFound", () => fallback({}))]))
      )
      expect(edgesOf(picture(flow))).toEqual([
        "fetch -> fallback on NotFound",
        "fetch -> publish",
        "fallback -> publish"
      ])
    })

    it("shows a handler that makes no step as what it returns", () => {
      const flow = Flow.make("literal", { input: Url }, ({ url }) =>
        report({ of: Flow.catchTag(fetch({ url }), "NotFound", () => Flow.succeed(Image, { path: "none" })) })
      )
      const drawn = picture(flow)
      expect(edgesOf(drawn)).toEqual([
        'fetch -> {"path":"none"} on NotFound',
        "fetch -> report",
        '{"path":"none"} -> report'
      ])
      expect(drawn.regions).toEqual([{ kind: "catch", label: "NotFound" }])
    })

    it("says of an edge that it fires on either end", () => {
      const flow = Flow.make("settled", { input: Url }, ({ url }) => report({ of: Flow.result(fetch({ url })) }))
      expect(edgesOf(picture(flow))).toEqual(["fetch -> report settled"])
    })

    it("shows a value only where it has several readers or is the result", () => {
      const flow = Flow.make("values", { input: Url }, ({ url }) => {
        const one = Flow.all([fetch({ url })])
        const two = Flow.all([fetch({ url }), fetch({ url })])
        return Flow.all([publish(one), publish(two), publish(two)])
      })
      expect(picture(flow).nodes.map((node) => `${node.kind} ${node.label}`)).toEqual([
        "task fetch",
        "task fetch#2",
        "task fetch#3",
        "value all#2",
        "task publish",
        "task publish#2",
        "task publish#3",
        "value all#3"
      ])
    })

    it("has every task of a plan exactly once, whatever is folded", () => {
      const ids = (picture: Diagram.Picture): ReadonlyArray<string> =>
        picture.nodes.flatMap((node) => (node.kind === "each" ? ids(node.body) : node.kind === "task" ? [node.id] : []))
      for (const plan of [sourceIndex, montage, forkJoin]) {
        const written = plan.nodes.flatMap((node) => (node._tag === "Task" ? [node.id] : []))
        expect([...ids(Diagram.picture(plan))].sort()).toEqual([...written].sort())
      }
    })

    it("leaves out an edge that closes a cycle, of a document that is no valid plan", () => {
      const valid = shape("a", "b <- a")
      const cyclic = {
        ...valid,
        nodes: valid.nodes.map((node) => ({ ...node, edges: [{ from: node.id === "a" ? 1 : 0 }] }))
      }
      expect(Diagram.picture(cyclic).edges).toHaveLength(1)
      expect(boxes(cyclic)).toContain("│ a ├──▶│ b │")
    })
  })

  describe("boxes", () => {
    it("lie from left to right where that is lower", () => {
      expect(boxes(sourceIndex)).toBe(drawing`
                   ┌─ each × n, 8 at a time ─┐                ╭─────────────╮
        ╭──────╮   │ ● read                  │   ╭───────╮ ╭─▶│ writeReport ├─╮
        │ list ├──▶│ ● analyse               ├──▶│ index ├─┤  ╰─────────────╯ │  ╭───────╮
        ╰──────╯   │ ● note  on Unreadable   │   ╰───────╯ │  ╭─────────────╮ ├─▶│ ◇ all │
                   └─────────────────────────┘             ╰─▶│ writeIndex  ├─╯  ╰───────╯
                                                              ╰─────────────╯
      `)
    })

    it("stand from the top down where they are many side by side", () => {
      expect(boxes(forkJoin, { width: 40 })).toBe(drawing`
                  ╭───────╮
                  │ split │
                  ╰───┬───╯
          ╭───────┬───┴───┬───────╮
          ▼       ▼       ▼       ▼
        ╭────╮  ╭────╮  ╭────╮  ╭────╮
        │ w1 │  │ w2 │  │ w3 │  │ w4 │
        ╰─┬──╯  ╰─┬──╯  ╰─┬──╯  ╰─┬──╯
          ╰───────┴───┬───┴───────╯
                      ▼
                   ╭──────╮
                   │ join │
                   ╰──────╯
      `)
    })

    it("say when a branch is taken, on a dashed line", () => {
      const plan = PlanBuilder.make("flow", (p) => {
        const fetch = p.task("fetch")
        const image = p.catch("catch", { of: fetch, failure: ["NotFound"] }, (p) => p.task("placeholder"))
        return p.task("notify", { after: [PlanBuilder.settled(p.task("publish", { after: [image] }))] })
      })
      expect(boxes(plan)).toBe(drawing`
        ╭───────╮    ╭─ on NotFound ─╮    ╭─────────╮   ╭─ settled ─╮
        │ fetch ├╌╌╌▶│ placeholder   ├─┬─▶│ publish ├┈┈▶│ notify    │
        │       ├─╮  ╰───────────────╯ │  ╰─────────╯   ╰───────────╯
        ╰───────╯ ╰────────────────────╯
      `)
    })

    it("are gone around by lines that lead further, which stay straight", () => {
      expect(boxes(montage, { style: "groups" })).toBe(drawing`
          ╭──────────────╮
          │ mProject × 4 │
          ╰──────┬───────╯
                 ├──────────╮
                 ▼          │
          ╭──────────────╮  │
          │ mDiffFit × 3 │  │
          ╰──────┬───────╯  │
                 ▼          │
           ╭────────────╮   │
           │ mConcatFit │   │
           ╰─────┬──────╯   │
                 ▼          │
            ╭──────────╮    │
            │ mBgModel │    │
            ╰────┬─────╯    │
                 ├──────────╯
                 ▼
        ╭─────────────────╮
        │ mBackground × 4 │
        ╰────────┬────────╯
                 ▼
              ╭──────╮
              │ mAdd │
              ╰──────╯
        14 steps in 6 groups
      `)
    })

    it("show bodies in bodies", () => {
      const plan = PlanBuilder.make("sizes", (p) => {
        const folders = p.task("folders")
        const sizes = p.each("each", { over: folders }, (p) => {
          const files = p.task("files")
          const inner = p.each("each#2", { over: files, concurrency: 4 }, (p) =>
            p.task("record", { after: [p.task("hash"), p.task("size")] })
          )
          return p.task("sum", { after: [inner] })
        })
        return p.task("total", { after: [sizes] })
      })
      expect(boxes(plan)).toBe(drawing`
                      ┌─ each × n ────────────────┐
                      │ ● files                   │
        ╭─────────╮   │ ▣ each#2 × n, 4 at a time │   ╭───────╮
        │ folders ├──▶│ │   ● hash                ├──▶│ total │
        ╰─────────╯   │ │   │ ● size              │   ╰───────╯
                      │ │   ●─╯ record            │
                      │ ● sum                     │
                      └───────────────────────────┘
      `)
    })

    it("can be ASCII", () => {
      expect(boxes(sourceIndex, { ascii: true })).toBe(drawing`
                   +- each x n, 8 at a time -+                .-------------.
        .------.   | * read                  |   .-------. +->| writeReport +-+
        | list +-->| * analyse               +-->| index +-+  '-------------' |  .-------.
        '------'   | * note  on Unreadable   |   '-------' |  .-------------. +->| < all |
                   +-------------------------+             +->| writeIndex  +-+  '-------'
                                                              '-------------'
      `)
    })
  })

  describe("rails", () => {
    it("are a line per step; a wire joins what a step reads, and goes under the rails that only pass", () => {
      const plan = shape("a", "b <- a", "c <- b", "d <- a c", "e <- a b d")
      expect(rails(plan)).toBe(drawing`
        ●       a
        ├─●     b
        │ ├─●   c
        ├─│─┴─● d
        ●─┴───╯ e
      `)
    })

    it("indent the steps of a body under its forEach", () => {
      expect(rails(sourceIndex)).toBe(drawing`
        ●     list
        ▣     each × n, 8 at a time
        │   ●   read
        │   ●   analyse
        │   ●   note  on Unreadable
        ●     index
        ├─●   writeReport
        ● │   writeIndex
        ◇─╯   all
      `)
    })

    it("keep apart what stands above each other and has nothing to do with it", () => {
      expect(rails(shape("a", "b", "c", "d <- c"))).toBe(drawing`
        ●   a
          ● b
        ●   c
        ●   d
      `)
    })
  })

  describe("the style", () => {
    const wide = (count: number) =>
      tasks([
        ["split"],
        ...Array.from({ length: count }, (_, n) => [`work${n}`, ["split"], "work"] as const),
        ["join", Array.from({ length: count }, (_, n) => `work${n}`)]
      ])

    it("is boxes for a small plan, like steps in one box for a large one", () => {
      expect(Diagram.text(wide(4))).toContain("work3")
      expect(Diagram.text(wide(1000))).toBe(drawing`
        ╭───────╮   ╭─────────────╮   ╭──────╮
        │ split ├──▶│ work × 1000 ├──▶│ join │
        ╰───────╯   ╰─────────────╯   ╰──────╯
        1,002 steps in 3 groups
      `)
    })

    it("is rails where boxes do not fit and folding does not help", () => {
      const chain = shape("s1", ...Array.from({ length: 39 }, (_, n) => `s${n + 2} <- s${n + 1}`))
      expect(Diagram.text(chain).split("\n")).toHaveLength(40)
      expect(Diagram.text(chain)).toMatch(/^● s1\n● s2\n/)
    })

    it("is a list of at most 60 lines for what has many tasks and generations, which says what it leaves out", () => {
      const random = tasks(
        Array.from({ length: 900 }, (_, n) => [
          `n${n}`,
          n < 30 ? [] : [`n${n - 30}`, `n${n - 30 + ((n * 7) % 29)}`],
          `task${n % 30}`
        ])
      )
      const lines = Diagram.text(random).split("\n")
      expect(lines.length).toBeLessThanOrEqual(60)
      expect(lines.join("\n")).toMatch(/… [\d,]+ steps in [\d,]+ more lines/)
      expect(lines.at(-1)).toMatch(/^900 steps in [\d,]+ generations/)
    })

    it("is one that fits the height where there is one", () => {
      for (const height of [6, 10, 20]) {
        const drawn = Diagram.text(sourceIndex, { width: 60, height })
        expect(drawn.split("\n").length).toBeLessThanOrEqual(height)
      }
    })

    it("says so when there is nothing to draw", () => {
      const plan = PlanBuilder.make("nothing", (p) => p.pass("exit", { role: "exit", value: { literal: 1 } }))
      for (const style of [undefined, "boxes", "levels"] as const)
        expect(Diagram.text(plan, { style })).toBe("no steps")
      expect(Diagram.mermaid(plan)).toBe("flowchart TD\n")
    })

    it("draws a plan of 10,000 nodes, without comparing each with each", () => {
      const rows = Array.from(
        { length: 10_000 },
        (_, n) => [`n${n}`, n < 100 ? [] : [`n${n - 100}`, `n${n - 100 + ((n * 31) % 99)}`], `task${n % 7}`] as const
      )
      expect(Diagram.text(tasks(rows)).split("\n").length).toBeLessThanOrEqual(60)
    })
  })

  describe("a run", () => {
    const run = runOf(sourceIndex, {
      list: { succeeded: 1, busy: 42 },
      "each.fork": { succeeded: 1 },
      read: { succeeded: 3300, running: 4, blocked: 16_696, busy: 3300 * 12 },
      analyse: { succeeded: 3210, failed: 4, running: 3, scheduled: 2, retries: 7, blocked: 16_781, busy: 3221 * 40 },
      note: { succeeded: 3, running: 1, void: 3210, blocked: 16_786 },
      "catch.entry": {},
      "catch.exit": {},
      catch: { succeeded: 3213, blocked: 16_787, expected: 20_000 }
    })

    it("is drawn into boxes: states, counts, the mean time of an attempt, a bar", () => {
      expect(boxes(sourceIndex, { run })).toBe(drawing`
                             ╭───────────────╮
                             │ ✓ list   42ms │
                             ╰───────┬───────╯
                                     ▼
          ┌─ each × n, 8 at a time ──────────────────────────────┐
          │ ◐ read                    3,300/20,000   12ms        │
          │ ◐ analyse                 3,214/20,000   40ms    ✗ 4 │
          │ ◐ note  on Unreadable          3 taken               │
          │ ◐ ━━━━━╸──────────────────────────────           ⟳ 7 │
          └──────────────────────────┬───────────────────────────┘
                                     ▼
                             ╭────────────────╮
                             │ · index        │
                             ╰───────┬────────╯
                        ╭────────────┴────────────╮
                        ▼                         ▼
             ╭──────────────────────╮  ╭─────────────────────╮
             │ · writeReport        │  │ · writeIndex        │
             ╰──────────┬───────────╯  ╰──────────┬──────────╯
                        ╰────────────┬────────────╯
                                     ▼
                                 ╭───────╮
                                 │ · all │
                                 ╰───────╯
      `)
    })

    it("is drawn onto rails", () => {
      expect(rails(sourceIndex, { run })).toBe(drawing`
        ✓     list                                                   42ms
        ◐     each × n, 8 at a time ━━────────────    3,213/20,000   52ms           ⟳ 7
        │   ◐   read                ━━────────────    3,300/20,000   12ms
        │   ◐   analyse             ━━────────────    3,214/20,000   40ms    ✗ 4    ⟳ 7
        │   ◐   note  on Unreadable ━━────────────         3 taken
        ·     index
        ├─·   writeReport
        · │   writeIndex
        ·─╯   all
      `)
    })

    it("counts what is yet to come as open, and says when there may be more", () => {
      const begun = runOf(sourceIndex, {
        list: { succeeded: 1 },
        "each.fork": { succeeded: 1 },
        read: { succeeded: 8, expected: 20 },
        analyse: { succeeded: 2, running: 6, known: false },
        catch: { blocked: 8, expected: 20, known: false }
      })
      expect(rails(sourceIndex, { run: begun }).split("\n").slice(0, 4).join("\n")).toBe(drawing`
        ✓     list
        ◐     each × n, 8 at a time ──────────────           0/20+
        │   ·   read                ━━━━━╸────────            8/20
        │   ◐   analyse             ──────────────            2/8+
      `)
    })

    it("tells states apart by their marks alone", () => {
      const plan = shape("a", "b", "c", "d", "e", "f", "g", "h", "i")
      const progress = Object.fromEntries(phases.map((state, n) => ["abcdefghi"[n]!, { [state]: 1 }]))
      for (const ascii of [false, true]) {
        const marks = rails(plan, { run: runOf(plan, progress), ascii })
          .split("\n")
          .map((line) => line.trim()[0])
        expect(new Set(marks).size).toBe(9)
      }
    })

    it("turns the mark of what runs with the frame, and nothing else", () => {
      const frames = [0, 1, 2, 3, 4].map((frame) => rails(sourceIndex, { run, frame }))
      expect(new Set(frames).size).toBe(4)
      expect(new Set(frames.map((drawn) => drawn.replaceAll(/[◐◓◑◒]/g, "◐"))).size).toBe(1)
    })

    it("keeps its lines and columns from the first state to the last, so that it can be repainted in place", () => {
      const before = runOf(montage, {})
      const half = runOf(
        montage,
        Object.fromEntries(
          montage.nodes.map(({ id }, n) => [id, n % 3 === 0 ? { running: 1, retries: 2000 } : { ready: 1 }])
        )
      )
      const after = runOf(
        montage,
        Object.fromEntries(montage.nodes.map(({ id }) => [id, { succeeded: 1, busy: 9_999_999 }]))
      )
      for (const style of ["boxes", "rails", "groups", "levels"] as const) {
        const drawn = [before, half, after].map((run) => Diagram.text(montage, { width: 120, style, run }).split("\n"))
        expect(new Set(drawn.map((lines) => lines.length)).size, style).toBe(1)
        const labels = drawn.map((lines) => lines.map((line) => line.search(/m[A-Z]/)))
        expect(labels[1], style).toEqual(labels[0])
        expect(labels[2], style).toEqual(labels[0])
      }
    })

    it("keeps them whatever the numbers are", () => {
      const ids = sourceIndex.nodes.map((node) => node.id)
      for (const style of ["boxes", "rails", "levels"] as const) {
        for (const width of [80, 120]) {
          const frames = Array.from({ length: 40 }, (_, seed) => {
            const random = new Random(seed)
            const large = () => Math.floor(10 ** (random.next() * 8))
            const progress = ids.map((id) => [
              id,
              {
                ...Object.fromEntries(phases.filter(() => random.chance(0.4)).map((state) => [state, large()])),
                busy: large() * 1000,
                retries: large()
              }
            ])
            return Diagram.text(sourceIndex, { style, width, run: runOf(sourceIndex, Object.fromEntries(progress)) })
          })
          const names = /list|each|read|analyse|note|index|write\w+|all/
          const skeleton = (drawn: string) =>
            drawn.split("\n").map((line) => `${line.search(names)} ${names.exec(line)?.[0] ?? ""}`)
          for (const drawn of frames) {
            expect(skeleton(drawn), `${style} ${width}`).toEqual(skeleton(frames[0]!))
            expect(Math.max(...drawn.split("\n").map((line) => line.length))).toBeLessThanOrEqual(width)
          }
          const corner = frames.map((drawn) => drawn.split("\n").map((line) => line.indexOf("┐")))
          for (const columns of corner) expect(columns).toEqual(corner[0])
        }
      }
    })

    it("is coloured on demand, every line for itself, and says the same without", () => {
      const colored = rails(sourceIndex, { run, color: true })
      // oxlint-disable-next-line no-control-regex -- escape sequences are what is looked for
      const plain = colored.replaceAll(/\u001b\[[\d;]*m/g, "")
      expect(plain.replaceAll(/ +$/gm, "")).toBe(rails(sourceIndex, { run }))
      for (const line of colored.split("\n")) {
        const opened = line.split("\u001b[").length - 1
        const closed = line.split("\u001b[0m").length - 1
        expect(opened).toBe(2 * closed)
      }
    })

    it("is summed up in a line", () => {
      expect(Diagram.summary(sourceIndex, run)).toBe(
        "9,728 of 60,004 steps done, 8 running, 2 scheduled, 4 failed, 7 retried"
      )
    })
  })

  describe("odd names", () => {
    const names = [
      'say "hi"',
      "a]b[c",
      "two\nlines",
      "🚀 launch",
      "日本語の名前",
      "x".repeat(200),
      "back\\slash",
      "<b>&amp;",
      "\u001b[31mred",
      "1. list",
      "`code` #35;",
      "end",
      "--> y",
      ""
    ]
    const odd = tasks(names.map((name, n) => [name, n === 0 ? [] : [names[n - 1]!]]))

    it("keep every line within the width, and act on no terminal", () => {
      for (const style of ["boxes", "rails", "groups", "levels"] as const) {
        const drawn = Diagram.text(odd, { style, width: 60 })
        expect(drawn).not.toContain("\u001b")
        for (const line of drawn.split("\n")) expect(columns(line)).toBeLessThanOrEqual(60)
      }
    })

    it("keep the right side of a frame in one column, wide characters or not", () => {
      const lines = boxes(odd, { width: 60 }).split("\n")
      const at = lines.findIndex((line) => line.includes("日本語の名前"))
      expect(columns(lines[at]!)).toBe(columns(lines[at - 1]!))
    })

    it("are told apart at their end when they are cut", () => {
      const long = "compute-the-very-long-thing-that-nobody-can-read"
      const drawn = boxes(shape(`${long}#1`, `${long}#2 <- ${long}#1`), { width: 30 })
      expect(drawn).toMatch(/│ compute-.*…#1 │/)
      expect(drawn).toMatch(/│ compute-.*…#2 │/)
    })

    it("survive in Graphviz's language, escaped", () => {
      const dot = Diagram.dot(odd)
      const labels = [...dot.matchAll(/^ {2}n\d+ \[label="((?:[^"\\]|\\.)*)"\]$/gm)].map(([, label]) =>
        label!.replaceAll(/\\(.)/g, "$1")
      )
      expect(labels).toEqual(names.map((name) => name.replace("\n", "↵").replace("\u001b", "�")))
    })

    it("survive in Mermaid, as entities where they would mean something", () => {
      const labels = [...Diagram.mermaid(odd).matchAll(/^ {2}n\d+\["(.*)"\]$/gm)].map(([, label]) => label!)
      expect(labels).toHaveLength(names.length)
      for (const label of labels) expect(label.replaceAll(/#\d+;/g, "")).not.toMatch(/["#<>&`[\]{}|\\;]/)
      const decoded = labels.map((label) =>
        label.replaceAll(/#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
      )
      expect(decoded.slice(0, -1)).toEqual(
        names.slice(0, -1).map((name) => name.replace("\n", "↵").replace("\u001b", "�"))
      )
    })

    it("survive in JSON as they are", () => {
      const picture = JSON.parse(Diagram.json(odd)) as Diagram.Picture
      expect(picture.nodes.map((node) => node.id)).toEqual(names)
      expect(picture).toEqual(Diagram.picture(odd))
    })
  })

  describe("the formats of other programs", () => {
    const plan = PlanBuilder.make("flow", (p) => {
      const list = p.task("list")
      const each = p.each("each", { over: list }, (p) => p.task("check", { after: [p.task("read")] }))
      return p.catch("catch", { of: each, failure: "any" }, (p) => p.task("alarm"))
    })

    it("frame bodies and handlers in Graphviz, and cut edges off at the frames", () => {
      expect(Diagram.dot(plan)).toBe(
        [
          'digraph "flow" {',
          "  compound=true",
          "  rankdir=TB",
          '  graph [style="rounded", color="gray60", fontname="Helvetica"]',
          '  node [shape=box, style="rounded", fontname="Helvetica"]',
          '  edge [fontname="Helvetica", fontsize=11]',
          '  n0 [label="list"]',
          "  subgraph cluster_n1 {",
          '    label="each × n"',
          '    style="solid"',
          '    n1_0 [label="read"]',
          '    n1_1 [label="check"]',
          "    n1_0 -> n1_1",
          "  }",
          "  subgraph cluster_nr0 {",
          '    label="on failure"',
          '    style="rounded,dashed"',
          '    n2 [label="alarm"]',
          "  }",
          "  n0 -> n1_0 [lhead=cluster_n1]",
          '  n1_1 -> n2 [label="on failure", style=dashed, ltail=cluster_n1]',
          "}",
          ""
        ].join("\n")
      )
    })

    it("frame bodies and handlers in Mermaid", () => {
      expect(Diagram.mermaid(plan)).toBe(
        [
          "flowchart TD",
          '  n0["list"]',
          '  subgraph n1["each × n"]',
          '    n1_0["read"]',
          '    n1_1["check"]',
          "    n1_0 --> n1_1",
          "  end",
          '  subgraph nr0["on failure"]',
          '    n2["alarm"]',
          "  end",
          "  n0 --> n1",
          '  n1 -.->|"on failure"| n2',
          ""
        ].join("\n")
      )
    })
  })
})

/** Terminal columns, for the few wide characters of these tests. */
const columns = (line: string): number =>
  [...line].reduce((sum, character) => sum + (/[\u3040-\u9fff🚀]/u.test(character) ? 2 : 1), 0)

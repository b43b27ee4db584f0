import * as Plan from "@arpeggio/core/Plan"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"

const plan = PlanBuilder.make("thumbnails", (p) => {
  const image = p.task("image")
  const widths = p.task("widths", { policy: { attempts: 3 } })
  const each = p.each("each", { over: widths, concurrency: 2 }, (p) =>
    p.catch("safe", { of: p.task("resize", { after: [image] }), failure: ["Corrupt"] }, (p) => p.task("blank"))
  )
  return p.task("publish", { after: [image, each] })
})

describe("PlanBuilder", () => {
  it("draws documents that their schema accepts", () => {
    assert.deepStrictEqual(Schema.decodeUnknownSync(Plan.Plan)(JSON.parse(JSON.stringify(plan))), plan)
  })

  it("numbers the nodes of a body as neighbours, and points at them", () => {
    assert.deepStrictEqual(
      plan.nodes.map((node) => node.id),
      [
        ...["image", "widths", "each.fork", "each.release", "each", "publish"],
        ...["resize", "safe.entry", "blank", "safe.exit", "safe"]
      ]
    )
    assert.deepStrictEqual(plan.bodies, [
      { _tag: "Root", first: 0, count: 6, exit: 5 },
      { _tag: "Each", first: 6, count: 5, exit: 10, parent: 0, fork: 2, release: 3, collect: 4, concurrency: 2 }
    ])
  })

  it("releases a body after what it uses from outside, and lets its task decide the fork", () => {
    const [, widths, , release, each] = plan.nodes
    assert.deepStrictEqual([release!.gate, release!.edges], [{ from: 2 }, [{ from: 0, when: "settled" }]])
    assert.deepStrictEqual(each!.gate, { from: 3 })
    assert.deepStrictEqual(widths!._tag === "Task" && widths!.decides, [{ node: 2, path: [] }])
  })

  it("gates the steps of a handler by its entry", () => {
    const [entry, blank, exit, safe] = plan.nodes.slice(7)
    assert.deepStrictEqual(entry!.edges, [{ from: 6, when: { failure: ["Corrupt"] } }])
    assert.deepStrictEqual([blank!.gate, exit!.gate], [{ from: 7 }, { from: 7 }])
    assert.deepStrictEqual([safe!.join, safe!.edges], ["any", [{ from: 6 }, { from: 9 }]])
  })

  it("finds addresses by readable ids, and says what there is when there is none", () => {
    assert.deepStrictEqual(PlanBuilder.addressOf(plan, "each[3].blank"), "4.3.8")
    assert.throws(() => PlanBuilder.addressOf(plan, "crop"), /has no node crop; it has image, widths/)
  })
})

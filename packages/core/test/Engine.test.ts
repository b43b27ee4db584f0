import { describe, expect, it } from "vitest"
import type { Outcome } from "../src/Broker.ts"
import { release } from "../src/engine/release.ts"
import { settle } from "../src/engine/settle.ts"
import type { Worker } from "../src/engine/Store.ts"
import type { Condition } from "../src/plan/Document.ts"
import * as PlanBuilder from "../src/testing/PlanBuilder.ts"
import { failure, Trial } from "./fixture/Trial.ts"

const { branch, failed, make, settled } = PlanBuilder

describe("Engine: what an end means for an edge", () => {
  /** `source` ends in each way there is; `target` and `cleanup` have one edge from it. */
  const plan = (when: Condition) =>
    make("edges", (p) => {
      const first = p.task("first")
      const taken = branch(first, 0)
      const source = p.task("source", { after: [taken], gate: branch(p.task("choice"), 0) })
      const edge = { step: source, when }
      p.pass("target", { after: [edge] })
      p.pass("cleanup", { after: [edge], cleanup: true })
      return p.task("end")
    })

  const ends: { readonly [end: string]: (trial: Trial) => Trial } = {
    ok: (trial) => trial.ok("first", "choice", "source"),
    failed: (trial) => trial.ok("first", "choice").fail("source"),
    skipped: (trial) => trial.ok("first").fail("choice"),
    void: (trial) => trial.ok("choice").fail("first"),
    cancelled: (trial) => trial.ok("first", "choice").cancel().interrupted("source")
  }

  // What becomes of the target, and of the same target as cleanup where that differs.
  const rows: ReadonlyArray<readonly [end: string, says: string, when: Condition, becomes: string, cleanup?: string]> =
    [
      ["ok", "success", "success", "succeeded"],
      ["ok", "branch 0", { branch: 0 }, "succeeded"],
      ["ok", "branch 1", { branch: 1 }, "void"],
      ["ok", "failure", { failure: "any" }, "void"],
      ["ok", "settled", "settled", "succeeded"],
      ["failed", "success", "success", "skipped for source"],
      ["failed", "branch 0", { branch: 0 }, "void"],
      ["failed", "failure", { failure: "any" }, "succeeded"],
      ["failed", "declared failure", { failure: "declared" }, "succeeded"],
      ["failed", "failure of this tag", { failure: ["B", "A"] }, "succeeded"],
      ["failed", "failure of another tag", { failure: ["B"] }, "void"],
      ["failed", "settled", "settled", "succeeded"],
      ["void", "success", "success", "void"],
      ["void", "branch 0", { branch: 0 }, "void"],
      ["void", "failure", { failure: "any" }, "void"],
      ["void", "settled", "settled", "void"],
      ["cancelled", "success", "success", "cancelled"],
      ["cancelled", "branch 0", { branch: 0 }, "cancelled"],
      ["cancelled", "failure", { failure: "any" }, "cancelled"],
      ["cancelled", "settled", "settled", "cancelled", "succeeded"]
    ]
  for (const [end, says, when, becomes, cleanup = becomes] of rows) {
    it(`an edge on ${says} from a source that is ${end} leaves its target ${becomes}`, () => {
      const trial = ends[end]!(new Trial(plan(when), { onFailure: "finish" }))
      expect(trial.states("target", "cleanup")).toEqual([becomes, cleanup])
    })
  }

  it("a skipped source is to edges what the failed one was", () => {
    const trial = new Trial(
      make("skipped", (p) => {
        const skipped = p.pass("second", { after: [p.pass("first", { after: [p.task("source")] })] })
        p.pass("success", { after: [skipped] })
        p.pass("caught", { after: [failed(skipped, ["A"])] })
        p.pass("other", { after: [failed(skipped, ["B"])] })
        p.pass("settled", { after: [settled(skipped)] })
        return p.task("end")
      }),
      { onFailure: "finish" }
    ).fail("source")
    expect(trial.states("second", "success", "caught", "other", "settled")).toEqual([
      "skipped for source",
      "skipped for source",
      "succeeded",
      "void",
      "succeeded"
    ])
  })

  it("a failure that no task declares is not caught as a declared one", () => {
    const trial = new Trial(
      make("defect", (p) => p.catch("caught", { of: p.task("a"), failure: "declared" }, (p) => p.task("handler")))
    )
    expect(trial.fail("a", "Defect").run.state).toBe("failed")
    expect(trial.states("handler", "caught")).toEqual(["void", "skipped for a"])
  })
})

describe("Engine: gates", () => {
  /** `all` of two tasks behind the gate of a third. */
  const gated = (when: Condition = "success") =>
    make("gated", (p) => {
      const [a, b, gate] = [p.task("a"), p.task("b"), p.task("gate")]
      p.pass("node", { after: [a, b], gate: { step: gate, when } })
      return p.task("end")
    })

  it("while its gate is unresolved a node waits, whatever its edges say", () => {
    expect(new Trial(gated(), { onFailure: "finish" }).fail("a").state("node")).toBe("blocked")
  })

  it("a node dies with its gate, of the same", () => {
    expect(new Trial(gated()).fail("gate").state("node")).toBe("skipped for gate")
    expect(new Trial(gated({ branch: 1 })).ok("a", "gate").state("node")).toBe("void")
    expect(new Trial(gated()).cancel().interrupted("a", "b", "gate").state("node")).toBe("cancelled")
  })

  it("once it has fired the join is over what was recorded and over what comes", () => {
    expect(new Trial(gated()).ok("a", "b", "gate").state("node")).toBe("succeeded")
    expect(new Trial(gated()).ok("a", "gate", "b").state("node")).toBe("succeeded")
  })

  it("of the deaths before it fired the first in the order of declaration counts, not the first in time", () => {
    const trial = new Trial(gated(), { onFailure: "finish" })
    expect(trial.fail("b").fail("a").ok("gate").state("node")).toBe("skipped for a")
  })

  it("nothing without edges goes before its gate", () => {
    const trial = new Trial(make("entry", (p) => p.task("inside", { gate: p.task("gate") })))
    expect(trial.running).toEqual(["gate"])
    expect(trial.ok("gate").running).toEqual(["inside"])
  })
})

describe("Engine: joins", () => {
  const joined = (join: "all" | "any" | "settled", when: Condition = "success", cleanup?: true) =>
    make(join, (p) => {
      const after = [p.task("a"), p.task("b"), p.task("c")].map((step) => ({ step, when }))
      p.pass("node", { join, after, cleanup })
      return p.task("end", { cleanup: true })
    })
  const finish = { onFailure: "finish" } as const

  it("all goes when all have fired, at once when there is none", () => {
    const trial = new Trial(joined("all")).ok("a", "c")
    expect(trial.state("node")).toBe("blocked")
    expect(trial.ok("b").state("node")).toBe("succeeded")
    expect(new Trial(make("none", (p) => p.pass("node"))).run.state).toBe("succeeded")
  })

  it("all dies of the first death recorded, and does not wait for the others", () => {
    expect(new Trial(joined("all"), finish).fail("c").fail("a").state("node")).toBe("skipped for c")
  })

  it("all is void when one edge is, even when another has a cause", () => {
    const plan = make("void", (p) => {
      const [a, b, gate] = [p.task("a"), p.task("b"), p.task("gate")]
      p.pass("node", { after: [a, branch(b, 1)], gate })
      return p.task("end")
    })
    expect(new Trial(plan, finish).fail("a").ok("b", "gate").state("node")).toBe("void")
  })

  it("any goes with the first that fires and remembers which", () => {
    const trial = new Trial(joined("any"), finish).fail("a").ok("c")
    expect(trial.ended("node")).toEqual({ _tag: "Succeeded", from: 2 })
    expect(trial.ok("b").ended("node")).toEqual({ _tag: "Succeeded", from: 2 })
  })

  it("any of failures only dies of the last one in the order of declaration", () => {
    expect(new Trial(joined("any"), finish).fail("c").fail("b").fail("a").state("node")).toBe("skipped for c")
  })

  it("any whose other sources are void dies of the cause there is, and of void when there is none", () => {
    const plan = (choice: number) =>
      make("void", (p) => {
        const [a, b] = [p.task("a"), p.task("b")]
        p.pass("node", { join: "any", after: [choice === 0 ? a : branch(a, 1), branch(b, 1)] })
        return p.task("end")
      })
    expect(new Trial(plan(0), finish).fail("a").ok("b").state("node")).toBe("skipped for a")
    expect(new Trial(plan(1), finish).ok("a", "b").state("node")).toBe("void")
  })

  it("any with a cancelled source is cancelled, not skipped", () => {
    const trial = new Trial(joined("any"), finish).fail("a").fail("c").cancel().interrupted("b")
    expect(trial.state("node")).toBe("cancelled")
  })

  it("settled goes when every edge is resolved, failed ones too", () => {
    const trial = new Trial(joined("settled"), finish).fail("b").ok("a")
    expect(trial.state("node")).toBe("blocked")
    expect(trial.ok("c").state("node")).toBe("succeeded")
  })

  it("settled is void only when every edge is", () => {
    expect(new Trial(joined("settled", { branch: 1 })).ok("a", "b", "c").state("node")).toBe("void")
    expect(new Trial(joined("settled", { failure: "any" }), finish).ok("a", "b").fail("c").state("node")).toBe(
      "succeeded"
    )
  })

  it("settled with a cancelled edge is cancelled, but cleanup goes", () => {
    const cancelled = (cleanup?: true) =>
      new Trial(joined("settled", "settled", cleanup), finish).ok("a").cancel().interrupted("b", "c").state("node")
    expect(cancelled()).toBe("cancelled")
    expect(cancelled(true)).toBe("succeeded")
  })
})

describe("Engine: instances", () => {
  const over = (concurrency?: number) =>
    make("each", (p) => p.each("each", { over: p.task("list"), concurrency }, (p) => p.task("step")))

  it("no element makes no instance, and the collect goes", () => {
    const trial = new Trial(over()).yields("list", 0)
    expect(trial.ended("each")).toEqual({ _tag: "Succeeded", count: 0 })
    expect(trial.run.state).toBe("succeeded")
  })

  it("each element makes one, all at once, and the collect waits for all", () => {
    const trial = new Trial(over()).yields("list", 3)
    expect(trial.running).toEqual(["each[0].step", "each[1].step", "each[2].step"])
    expect(trial.ok("each[2].step", "each[0].step").state("each")).toBe("blocked")
    expect(trial.ok("each[1].step").ended("each")).toEqual({ _tag: "Succeeded", count: 3 })
  })

  it("a source that fails makes none, and the collect is skipped for it", () => {
    const trial = new Trial(over()).fail("list")
    expect(trial.states("each.fork", "each")).toEqual(["skipped for list", "skipped for list"])
  })

  it("with a bound, one that ends lets the next one start", () => {
    const trial = new Trial(over(2)).yields("list", 4)
    expect(trial.running).toEqual(["each[0].step", "each[1].step"])
    expect(trial.ok("each[1].step").running).toEqual(["each[0].step", "each[2].step"])
  })

  it("after a failure no more are made, and the run does not wait for them", () => {
    const trial = new Trial(over(1), { onFailure: "finish" }).yields("list", 3).ok("each[0].step").fail("each[1].step")
    expect(trial.state("each")).toBe("skipped for each[1].step")
    expect(trial.run.state).toBe("failed")
    expect(() => trial.cell("each[2].step")).toThrow("There is no")
  })

  it("without a bound all have started, and run to their ends", () => {
    const trial = new Trial(over(), { onFailure: "finish" }).yields("list", 3).fail("each[1].step")
    expect(trial.state("each")).toBe("skipped for each[1].step")
    expect(trial.running).toEqual(["each[0].step", "each[2].step"])
    expect(trial.ok("each[0].step", "each[2].step").run.state).toBe("failed")
  })

  it("a body that uses what is around it is released when that has ended, whether well or not", () => {
    const plan = make("outer", (p) => {
      const around = p.task("around")
      return p.each("each", { over: p.task("list") }, (p) => {
        p.task("own")
        return p.task("step", { after: [around] })
      })
    })
    const trial = new Trial(plan, { onFailure: "finish" }).yields("list", 1)
    expect(trial.running).toEqual(["around"])
    expect(trial.fail("around").running).toEqual(["each[0].own"])
    expect(trial.states("each[0].step", "each")).toEqual(["skipped for around", "skipped for around"])
  })

  it("bodies nest, and each instance has its own", () => {
    const plan = make("nested", (p) =>
      p.each("outer", { over: p.task("list") }, (p) =>
        p.each("inner", { over: p.task("sublist") }, (p) => p.task("step"))
      )
    )
    const trial = new Trial(plan).yields("list", 2).yields("outer[0].sublist", 1).yields("outer[1].sublist", 0)
    expect(trial.states("outer[0].inner", "outer[1].inner", "outer")).toEqual(["blocked", "succeeded", "blocked"])
    expect(trial.ok("outer[0].inner[0].step").run.state).toBe("succeeded")
  })

  it("a report that brings no elements for what it decides fails its node", () => {
    const trial = new Trial(over()).report({ list: { _tag: "Succeeded", value: "[]" } })
    expect(trial.cell("list").failed?.tag).toBe("PayloadMismatch")
  })
})

describe("Engine: closing and the outcome", () => {
  it("the run is decided when its exit ends, and has ended when its last node has", () => {
    const trial = new Trial(make("race", (p) => p.pass("race", { join: "any", after: [p.task("a"), p.task("b")] }))).ok(
      "a"
    )
    expect([trial.run.decided, trial.run.state]).toEqual(["succeeded", "running"])
    expect(trial.ok("b").run.state).toBe("succeeded")
  })

  it("a failed outcome cancels what has not started and asks what runs to stop; what that reports is recorded", () => {
    const plan = make("closing", (p) => {
      const b = p.task("b")
      p.task("later", { policy: { delay: 500 } })
      p.task("after", { after: [b] })
      return p.task("a")
    })
    const trial = new Trial(plan).fail("a")
    expect(trial.state("later")).toBe("cancelled")
    expect(trial.run.state).toBe("running")
    expect([...trial.store.workers.get("w")!.interrupts]).toEqual([trial.cell("b").nonce])
    trial.ok("b")
    expect(trial.states("b", "after")).toEqual(["succeeded", "cancelled"])
    expect(trial.run.state).toBe("failed")
  })

  it("with `finish` the rest of a failed run goes on to its end", () => {
    const plan = make("finish", (p) => {
      p.task("after", { after: [p.task("b")] })
      return p.task("a")
    })
    const trial = new Trial(plan, { onFailure: "finish" }).fail("a").ok("b")
    expect(trial.running).toEqual(["after"])
    expect(trial.ok("after").run.state).toBe("failed")
  })

  it("a run that ends by being closed ends once", () => {
    const plan = make("once", (p) => {
      p.task("later", { policy: { delay: 500 } })
      return p.task("a")
    })
    const trial = new Trial(plan).fail("a")
    expect(trial.store.ended).toEqual([trial.run])
    expect(trial.store.finished.failed.length).toBe(1)
  })

  it("after a cancel nothing starts but cleanup, and passes keep following their joins", () => {
    const plan = make("cancel", (p) => {
      const a = p.task("a")
      p.task("next", { after: [a] })
      p.pass("pass", { after: [a] })
      p.task("tidy", { after: [settled(a)], cleanup: true })
      return p.task("end", { after: [a] })
    })
    const trial = new Trial(plan).cancel().ok("a")
    expect(trial.states("next", "pass")).toEqual(["cancelled", "succeeded"])
    expect(trial.running).toEqual(["tidy"])
    expect(trial.ok("tidy").run.state).toBe("cancelled")
  })

  it("a run cancelled before it is decided is cancelled, also when its exit still succeeds", () => {
    const trial = new Trial(make("late", (p) => p.task("a"))).cancel().ok("a")
    expect([trial.state("a"), trial.run.state]).toEqual(["succeeded", "cancelled"])
  })

  it("a run cancelled after it is decided keeps its outcome", () => {
    const plan = make("decided", (p) => {
      p.task("side")
      return p.task("a")
    })
    expect(new Trial(plan).ok("a").cancel().interrupted("side").run.state).toBe("succeeded")
  })

  it("elements of a run that closes are not released", () => {
    const plan = make("closing", (p) => p.each("each", { over: p.task("list"), concurrency: 1 }, (p) => p.task("step")))
    expect(new Trial(plan).cancel().yields("list", 2).state("each")).toBe("cancelled")
    const trial = new Trial(plan).yields("list", 2).cancel().ok("each[0].step")
    expect([trial.state("each"), trial.run.state]).toEqual(["cancelled", "cancelled"])
    expect(() => trial.cell("each[1].step")).toThrow("There is no")
  })

  it("an attempt that fails while the run closes is the last one", () => {
    const trial = new Trial(make("last", (p) => p.task("a", { policy: { attempts: 3 } }))).cancel().fail("a")
    expect(trial.state("a")).toBe("failed")
  })

  it("a cancel triggers no handler of failures", () => {
    const plan = make("handlers", (p) => {
      const a = p.task("a")
      p.task("tell", { after: [failed(a)], cleanup: true })
      return p.catch("caught", { of: a }, (p) => p.task("handler"))
    })
    const trial = new Trial(plan).cancel().interrupted("a")
    expect(trial.states("tell", "handler", "caught")).toEqual(["cancelled", "cancelled", "cancelled"])
  })

  it("cleanup of what was never entered does not run, and cancelled data keeps it from running", () => {
    const plan = make("guard", (p) => {
      const lock = p.task("lock")
      const work = p.task("work", { after: [lock] })
      p.task("unlock", { after: [settled(work), lock], cleanup: true })
      return work
    })
    expect(new Trial(plan).cancel().interrupted("lock").state("unlock")).toBe("cancelled")
    const held = new Trial(plan).ok("lock").cancel().interrupted("work")
    expect(held.running).toEqual(["unlock"])
  })

  it("a run that waits for its start ends at once when it is cancelled", () => {
    const trial = new Trial(
      make("delayed", (p) => p.task("a")),
      { delay: 1_000 }
    )
    expect(trial.running).toEqual([])
    expect(trial.cancel().run.state).toBe("cancelled")
  })
})

describe("Engine: what is left to later transitions", () => {
  const plan = make("slices", (p) => {
    const list = p.task("list")
    const each = p.each("each", { over: list, concurrency: 2 }, (p) =>
      p.pass("exit", { after: [p.task("step"), p.task("other")] })
    )
    const wide = Array.from({ length: 9 }, (_, i) => p.pass(`wide${i}`, { after: [list] }))
    return p.pass("end", { after: [each, ...wide] })
  })
  const play = (slice: number) => {
    const trial = new Trial(plan, { slice }).yields("list", 3)
    for (let name = trial.running[0]; name !== undefined; name = trial.running[0]) trial.ok(name)
    return trial
  }

  it("is the same in the end, however little one transition does", () => {
    for (const slice of [1, 2, 3, 7]) {
      expect(play(slice).run.state).toBe("succeeded")
      expect(play(slice).run.tally.map(({ succeeded }) => succeeded)).toEqual(
        play(5_000).run.tally.map(({ succeeded }) => succeeded)
      )
    }
  })

  it("is done before what comes later", () => {
    const race = make("race", (p) => {
      const [a, b] = [p.task("a"), p.task("b")]
      return p.pass("race", { join: "any", after: [p.pass("long", { after: [a] }), p.pass("short", { after: [b] })] })
    })
    const trial = new Trial(race, { slice: 1 }).ok("a", "b")
    expect(trial.ended("race")).toEqual({ _tag: "Succeeded", from: 0 })
  })
})

describe("Engine: the retry of a run", () => {
  it("restarts what failed and all that depends on it, and keeps the rest", () => {
    const plan = make("retry", (p) => {
      const [a, b] = [p.task("a"), p.task("b")]
      const c = p.task("c", { after: [b] })
      return p.pass("end", { after: [a, c] })
    })
    const trial = new Trial(plan).ok("a").fail("b").retry()
    expect(trial.run.generation).toBe(2)
    expect(trial.ok("b", "c").run.state).toBe("succeeded")
    expect(trial.started).toEqual(["a", "b", "b", "c"])
  })

  it("keeps a failure that was handled", () => {
    const plan = make("handled", (p) => {
      const caught = p.catch("caught", { of: p.task("a") }, (p) => p.task("handler"))
      return p.task("end", { after: [caught] })
    })
    const trial = new Trial(plan).fail("a").ok("handler").fail("end").retry().ok("end")
    expect(trial.started).toEqual(["a", "handler", "end", "end"])
    expect(trial.ended("caught")).toEqual({ _tag: "Succeeded", from: 1 })
  })

  it("restarts handlers of what it restarts, and takes another branch if that comes out otherwise", () => {
    const plan = make("otherwise", (p) => p.catch("caught", { of: p.task("a") }, (p) => p.task("handler")))
    const trial = new Trial(plan).fail("a").fail("handler").retry()
    expect(trial.running).toEqual(["a"])
    expect(trial.ok("a").states("handler", "caught")).toEqual(["void", "succeeded"])
  })

  it("restarts a finalizer that failed, although nobody waits for it, and nothing else", () => {
    const plan = make("side", (p) => {
      const a = p.task("a")
      p.task("link", { after: [branch(a, 0)] })
      return a
    })
    const trial = new Trial(plan).ok("a").fail("link")
    expect(trial.run.state).toBe("succeeded")
    expect(trial.retry().running).toEqual(["link"])
    expect(trial.run.decided).toBe("succeeded")
  })

  it("ends at once when there is nothing to restart", () => {
    const trial = new Trial(make("well", (p) => p.task("a"))).ok("a").retry()
    expect([trial.run.state, trial.run.generation, trial.store.ended.length]).toEqual(["succeeded", 2, 2])
  })

  it("ends once when what it restarts ends by itself", () => {
    const trial = new Trial(make("pass", (p) => p.pass("end", { after: [p.task("a")] }))).ok("a").retry("end")
    expect([trial.run.state, trial.store.ended.length]).toEqual(["succeeded", 2])
  })

  it("from a node restarts it and what depends on it, and not what it stands on", () => {
    const plan = make("from", (p) => {
      const b = p.task("b", { after: [p.task("a")] })
      p.task("other", { after: [p.task("a2")] })
      return p.task("c", { after: [b] })
    })
    const trial = new Trial(plan).ok("a", "a2", "b", "other", "c").retry("b").ok("b", "c")
    expect(trial.started.slice(5)).toEqual(["b", "c"])
  })

  it("from a merge does not restart the failure that its handler has handled", () => {
    const plan = make("merge", (p) => p.catch("caught", { of: p.task("a") }, (p) => p.task("handler")))
    const trial = new Trial(plan).fail("a").ok("handler").retry("caught")
    expect([trial.run.state, trial.started]).toEqual(["succeeded", ["a", "handler"]])
  })

  it("after a cancel restarts what was cancelled", () => {
    const plan = make("cancelled", (p) => p.task("b", { after: [p.task("a")] }))
    const trial = new Trial(plan).cancel().interrupted("a").retry().ok("a", "b")
    expect(trial.run.state).toBe("succeeded")
  })

  it("restarts what was cancelled and is needed by what it restarts", () => {
    // `b` was cancelled by the failure of `a`; `both` was skipped for `a` already, and nobody had missed `b`.
    const plan = make("needed", (p) => {
      const [a, b] = [p.task("a"), p.task("b")]
      const both = p.pass("both", { after: [a, b] })
      const caught = p.catch("caught", { of: a, failure: ["B"] }, (p) =>
        p.task("handler", { after: [p.pass("seen", { after: [failed(both)] })] })
      )
      return p.pass("end", { after: [caught] })
    })
    const trial = new Trial(plan).fail("a").interrupted("b").retry().ok("a")
    expect(trial.running).toEqual(["b"])
    expect(trial.ok("b").states("both", "end")).toEqual(["succeeded", "succeeded"])
  })

  it("of a fork makes new instances", () => {
    const plan = make("fork", (p) => p.each("each", { over: p.task("list") }, (p) => p.task("step")))
    const trial = new Trial(plan)
      .yields("list", 2)
      .ok("each[0].step")
      .fail("each[1].step")
      .retry("list")
      .yields("list", 1)
    expect(trial.ok("each[0].step").ended("each")).toEqual({ _tag: "Succeeded", count: 1 })
  })

  it("keeps the instances of a fork that is kept, restarts their members, and takes up dropped elements", () => {
    const plan = make("kept", (p) => p.each("each", { over: p.task("list"), concurrency: 1 }, (p) => p.task("step")))
    const trial = new Trial(plan).yields("list", 3).ok("each[0].step").fail("each[1].step").retry()
    expect(trial.running).toEqual(["each[1].step"])
    expect(trial.ok("each[1].step", "each[2].step").ended("each")).toEqual({ _tag: "Succeeded", count: 3 })
  })

  /** One at a time; an instance's end depends on its `own`, while its `step` waits for what is around. */
  const around = make("around", (p) => {
    const around = p.task("around")
    const each = p.each("each", { over: "input", concurrency: 1 }, (p) => {
      p.task("step", { after: [around] })
      return p.task("own")
    })
    return p.pass("end", { after: [each, around] })
  })

  it("releases no element before the release that it restarts", () => {
    const trial = new Trial(around, { onFailure: "finish" }).fail("around").fail("each[0].own").retry()
    expect(trial.running).toEqual(["around", "each[0].own"])
    expect(trial.ok("each[0].own").running).toEqual(["around"])
    trial.ok("around")
    expect(trial.running).toEqual(["each[0].step", "each[1].step", "each[1].own"])
    expect(trial.ok("each[0].step", "each[1].step", "each[1].own").run.state).toBe("succeeded")
  })

  it("can be cancelled, and what it kept of instances does not wait for ever", () => {
    const trial = new Trial(around, { onFailure: "finish" }).fail("around").fail("each[0].own").retry().cancel()
    expect(trial.interrupted("around", "each[0].own").run.state).toBe("cancelled")
    expect(trial.state("each[0].step")).toBe("cancelled")
  })

  it("opens no attempt that was used up, and counts anew", () => {
    const trial = new Trial(make("attempts", (p) => p.task("a", { policy: { attempts: 2, base: 10, jitter: false } })))
    trial.fail("a").pass(10).fail("a").retry().fail("a").pass(10).ok("a")
    expect(trial.run.state).toBe("succeeded")
  })
})

describe("Engine: attempts and deliveries", () => {
  const one = (policy: object) => make("one", (p) => p.task("a", { policy }))

  it("a failed attempt is tried again after its back-off, doubled each time up to its limit", () => {
    const trial = new Trial(one({ attempts: 4, base: 100, max: 250, jitter: false }))
    const delays: Array<number> = []
    for (let attempt = 1; attempt < 4; attempt++) {
      trial.fail("a")
      delays.push(trial.cell("a").dueAt - trial.now)
      trial.pass(delays[delays.length - 1]!)
    }
    expect(delays).toEqual([100, 200, 250])
    expect(trial.fail("a").state("a")).toBe("failed")
  })

  it("an error that its policy excepts is not tried again", () => {
    expect(new Trial(one({ attempts: 3, except: ["A"] })).fail("a").state("a")).toBe("failed")
  })

  it("what nobody claims in time expires, also when it was given back", () => {
    const trial = new Trial(one({ expires: 100 }))
    const worker = trial.store.workers.get("w")!
    release(trial.store, worker, [...trial.held.values()], trial.now)
    trial.store.workers.delete("w")
    expect(trial.pass(100).cell("a").failed?.tag).toBe("Expired")
  })

  it("only the delivery that is current may report, once", () => {
    const trial = new Trial(one({ attempts: 2, base: 1, jitter: false }))
    const delivery = trial.held.get("a")!
    const outcome: Outcome = { _tag: "Failed", failed: failure("A"), retryable: true }
    const worker = trial.store.workers.get("w")!
    const report = (by: Worker | undefined, change: object) =>
      settle(trial.store, by, { ...delivery, outcome, ...change }, 1, trial.now)
    expect(report(undefined, {})).toBe("stale")
    expect(report(worker, { nonce: "guessed" })).toBe("stale")
    expect(report(worker, { attempt: 2 })).toBe("stale")
    expect(report(worker, {})).toBe("recorded")
    expect(report(worker, {})).toBe("already")
    trial.pass(1)
    expect(report(worker, {})).toBe("stale")
    expect(trial.cell("a").tries).toBe(1)
  })

  it("a delivery that was taken back may not report any more", () => {
    const trial = new Trial(one({}))
    const delivery = trial.held.get("a")!
    const worker = trial.store.workers.get("w")!
    release(trial.store, worker, [delivery], trial.now)
    const outcome: Outcome = { _tag: "Succeeded", value: "1" }
    expect(settle(trial.store, worker, { ...delivery, outcome }, 1, trial.now)).toBe("stale")
    expect(trial.go().cell("a").lost).toBe(0)
  })

  it("a node whose worker fell silent is handed out again, and fails when it has killed enough", () => {
    const plan = make("suspects", (p) => p.pass("end", { after: [p.task("a"), p.task("b")] }))
    const trial = new Trial(plan)
    trial.ok("b").forget()
    expect([trial.running, trial.cell("a").lost]).toEqual([["a"], 1])
    trial.forget()
    expect([trial.running, trial.cell("a").lost]).toEqual([["a"], 2])
    trial.forget()
    expect(trial.cell("a").failed?.tag).toBe("PoisonPill")
  })

  it("a suspect is not handed out by the entry that an earlier generation left in its queue", () => {
    const plan = make("entries", (p) => p.pass("end", { after: [p.task("a"), p.task("b")] }))
    const trial = new Trial(plan, { isIdle: true })
    // `a` and `b` are in their queue twice now.
    trial.cancel().retry()
    trial.claim(1)
    trial.forget().claim(1).forget().claim(100)
    expect(trial.running).toEqual(["a"])
    expect(trial.ok("a").claim(100).running).toEqual(["b"])
  })

  it("a node with a delay waits that long before it is ready", () => {
    const trial = new Trial(one({ delay: 100 }))
    expect(trial.pass(99).running).toEqual([])
    expect(trial.pass(1).running).toEqual(["a"])
  })
})

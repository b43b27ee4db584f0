import { existsSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { arpeggio, timeout } from "./Arpeggio.ts"

const trace = path.resolve(import.meta.dirname, "../../../examples/trace-replay/trace.json")

describe("arpeggio graph", { timeout }, () => {
  it("draws a flow in the terminal, no wider than it is told", async () => {
    const { code, stdout, stderr } = await arpeggio("graph", "worker.ts#everyone", "--width", "60", "--style", "boxes")
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(stdout).toContain("each × n, 2 at a time")
    expect(Math.max(...stdout.split("\n").map((line) => line.length))).toBeLessThanOrEqual(60)
  })

  it.each([
    ["dot", /^digraph/],
    ["mermaid", /^flowchart/],
    ["json", /^\{/]
  ])("writes it as %s", async (format, beginning) => {
    const { code, stdout } = await arpeggio("graph", "worker.ts#hello", "--format", format)
    expect(code).toBe(0)
    expect(stdout).toMatch(beginning)
    expect(stdout).toMatch(/greet[^]*shout/)
  })
})

describe("arpeggio plan", { timeout }, () => {
  it("says the size, the critical path and the time on so many slots", async () => {
    const { code, stdout } = await arpeggio("plan", "worker.ts#everyone", "--elements", "100", "--slots", "8")
    expect(code).toBe(0)
    expect(stdout).toMatch(/^forEach +1, each assumed to have 100 elements .*: 100 calls in all$/m)
    expect(stdout).toMatch(/^critical path +1 round: greet$/m)
    expect(stdout).toMatch(/^on 8 slots +13 rounds/m)
  })

  it("prints the plan as it would be stored with --json", async () => {
    const { code, stdout } = await arpeggio("plan", "worker.ts#hello", "--json")
    expect(code).toBe(0)
    expect(JSON.parse(stdout)).toMatchObject({ version: 1, flow: "hello", tasks: { greet: {}, shout: {} } })
  })

  it("lists all problems of a flow with their places, and exits with 2", async () => {
    const { code, stdout, stderr } = await arpeggio("plan", "broken/problems.ts#wrong")
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
    expect(stderr).toMatch(/2 problems[^]*greet:[^]*problems\.ts:7:3[^]*shout:[^]*problems\.ts:8:3/)
  })
})

describe("arpeggio import wfformat", { timeout }, () => {
  it.skipIf(!existsSync(trace))("describes a recorded workflow and draws it", async () => {
    const { code, stdout } = await arpeggio("import", "wfformat", trace, "--slots", "4")
    expect(code).toBe(0)
    expect(stdout).toMatch(/^recorded +40 tasks and 83 dependencies/m)
    expect(stdout).toMatch(/^critical path +1 min 46 s: import → /m)
    expect(stdout).toMatch(/^on 4 slots +2 min \d+ s/m)
    expect(stdout).toContain("straighten × 12")
  })

  it("replays it with its time scaled", async () => {
    const { code, stdout, stderr } = await arpeggio("import", "wfformat", trace, "--run", "--scale", "0")
    expect({ code, stdout: JSON.parse(stdout) }).toEqual({ code: 0, stdout: { tasks: 40, seconds: 375.659 } })
    expect(stderr).toMatch(/^straighten +12 +12 +0/m)
  })

  it("exits with 2 and the paths when the document is wrong", async () => {
    const { code, stdout, stderr } = await arpeggio("import", "wfformat", "input.json")
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
    expect(stderr).toMatch(/schemaVersion: Missing key[^]*workflow: Missing key/)
  })
})

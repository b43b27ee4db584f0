import { globSync, readFileSync } from "node:fs"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { arpeggio, timeout } from "./Arpeggio.ts"

describe("arpeggio", { timeout }, () => {
  it.concurrent("prints its version", async () => {
    expect(await arpeggio("-v")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^arpeggio v\d+\.\d+\.\d+\n$/)
    })
  })

  it.concurrent("prints its help on standard output when it is asked for", async () => {
    const { code, stdout, stderr } = await arpeggio("--help")
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    const flows = ["dev", "run", "graph", "plan", "import"]
    const runs = ["submit", "runs", "show", "watch", "result", "cancel", "retry"]
    for (const command of [...flows, "worker", "orchestrator", ...runs, "queues", "workers", "doctor"])
      expect(stdout).toMatch(new RegExp(`^  ${command} `, "m"))
  })

  it("loads the Redis broker only where a store is used: other commands start without it", () => {
    const source = path.join(import.meta.dirname, "../src")
    const loads = (file: string, module: string) =>
      new RegExp(`^(?:import(?! type)|\\}) .*from "${module}`, "m").test(readFileSync(path.join(source, file), "utf8"))
    // How a store is named, and no client of Redis.
    const server = '@arpeggio/broker-redis(?!/Server")'
    expect(globSync("**/*.ts", { cwd: source }).filter((file) => loads(file, server))).toEqual([])
    expect(loads("../../broker-redis/src/Server.ts", "(?!effect/|@arpeggio/core/Failure)")).toBe(false)
  })

  it.concurrent.each([
    [
      "a command it does not know",
      ["runn"],
      'Unknown subcommand "runn" for "arpeggio". Did you mean run or runs? See arpeggio --help.'
    ],
    [
      "a flag it does not know",
      ["run", "x#y", "--inptu", "1"],
      "Unrecognized flag: --inptu in command arpeggio run. Did you mean --input?"
    ],
    ["an argument that is missing", ["run"], "Missing required argument: module#flow. See arpeggio run --help."],
    ["a drawing of nothing", ["graph"], "Name either a flow, as module#flow, or a run, with --run."],
    ["two places to run in", ["run", "x#y", "--local", "--redis", "redis://h"], "give one of them."],
    ["a number out of range", ["run", "x#y", "--concurrency", "0"], "Expected: at least 1, and it is 0"]
  ])("exits with 2 and one sentence for %s", async (_, args, sentence) => {
    const { code, stdout, stderr } = await arpeggio(...args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
    expect(stderr).toContain(sentence)
  })
})

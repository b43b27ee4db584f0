import { execFileSync } from "node:child_process"
import * as path from "node:path"
import { describe, expect, it } from "vitest"
import { arpeggio, folder, timeout } from "./Arpeggio.ts"

/** What is wrong, what is typed, and what of the sentence must be there: what happened, where, and the way out. */
const cases: ReadonlyArray<readonly [title: string, typed: string, ...parts: ReadonlyArray<string>]> = [
  ["a path with nothing there", "gone.ts#x", "There is no module gone.ts", "Give the path of a .ts or .js file"],
  ["a path without its extension", "worker#hello", "Did you mean worker.ts?"],
  ["a folder", ".#hello", ". is not a file", "for example worker.ts"],
  ["a file that is no code", "input.json#x", "input.json can't be loaded", "Give a .ts, .mts, .js or .mjs file"],
  ["a syntax error", "broken/syntax.js#x", "broken/syntax.js:2:8", "Correct the syntax"],
  [
    "syntax that Node can't strip",
    "broken/enum.ts#x",
    "enum is not supported",
    "broken/enum.ts:5",
    "a union of literals"
  ],
  ["a module that throws", "broken/throws.ts#x", "it threw Error: DATABASE_URL is not set", "broken/throws.ts:2:9"],
  [
    "an import of nothing",
    "broken/missing-import.js#x",
    "broken/gone.js (broken/missing-import.js)",
    "Correct the path"
  ],
  ["a name that is not exported", "worker.ts#helo", "Did you mean worker.ts#hello?", "everyone (flow)", "greet (task)"],
  ["no name at all", "worker.ts", "worker.ts alone does not say what to run", "hello (flow)"],
  ["a module with nothing to run", "broken/empty.ts#x", "exports no tasks, flows or canvases at all", "Flow.make"],
  ["no handlers", "broken/no-default.ts#hello", "has no default export", "export default Layer.mergeAll"],
  ["a default export that is no layer", "broken/not-a-layer.ts#hello", 'a default export that is the flow "hello"'],
  ["two tasks of one key", "broken/duplicate.ts#one", 'one and two are different tasks with the same key "same"']
]

describe("a module for the command line", { timeout }, () => {
  const explained = JSON.parse(
    execFileSync(
      process.execPath,
      [path.join(import.meta.dirname, "explain.ts"), "worker.ts#hello", ...cases.map(([, typed]) => typed)],
      { cwd: folder, encoding: "utf8" }
    )
  ) as ReadonlyArray<string | null>

  it("is loaded with its handlers and its flows", () => {
    expect(explained[0]).toBe(null)
  })

  it.each(cases.map((row, i) => [row[0], explained[i + 1], row.slice(2)] as const))(
    "explains %s: what happened, where, and the way out",
    (_, message, parts) => {
      for (const part of parts) expect(message).toContain(part)
    }
  )

  it("ends the command with exit code 2, one sentence on standard error and nothing on standard output", async () => {
    expect(await arpeggio("graph", "gone.ts#x")).toEqual({
      code: 2,
      stdout: "",
      stderr: `arpeggio: There is no module gone.ts (looked for ${path.join(folder, "gone.ts")}). Give the path of a .ts or .js file, from the folder you are in.\n`
    })
  })

  it("is explained as JSON with --json", async () => {
    const { code, stdout, stderr } = await arpeggio("run", "worker.ts#helo", "--json")
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
    expect(JSON.parse(stderr)).toMatchObject({
      error: { reason: "UnknownFlow", message: expect.stringContaining("Did you mean worker.ts#hello?") }
    })
  })
})

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { afterAll, describe, expect, it } from "vitest"
import { arpeggio, finished, folder, prints, start, timeout } from "./Arpeggio.ts"

// Inside the package, so that the module finds its imports.
const scratch = mkdtempSync(path.join(folder, ".dev-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

describe("arpeggio dev", { timeout }, () => {
  it("lists what a module has when no flow is named, flows first, and how to run one", async () => {
    const { code, stdout } = await arpeggio("dev", "worker.ts")
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ {2}worker\.ts#everyone +flow +everyone$/m)
    expect(stdout.indexOf("worker.ts#hello")).toBeLessThan(stdout.indexOf("worker.ts#greet"))
    expect(stdout).toContain("arpeggio dev worker.ts#")
  })

  it("runs the flow, and again with the new code when the module changes, until Ctrl-C", async () => {
    const file = path.join(scratch, "worker.ts")
    cpSync(path.join(folder, "worker.ts"), file)
    const child = start("dev", `${file}#hello`, "--input", '{"name":"you"}')
    const end = finished(child)
    await prints(child, "Watching")
    const again = prints(child, "Watching")
    writeFileSync(file, readFileSync(file, "utf8").replace("Hello ${name}", "Goodbye ${name}"))
    await again
    child.kill("SIGINT")
    const { code, stdout } = await end
    expect({ code, stdout }).toEqual({ code: 130, stdout: '"HELLO YOU!"\n"GOODBYE YOU!"\n' })
  })
})

import { describe, expect, it } from "vitest"
import { arpeggio, arpeggioWith, finished, prints, start, timeout } from "./Arpeggio.ts"

describe("arpeggio run", { timeout }, () => {
  it("prints the result as JSON on standard output, and how it went on standard error", async () => {
    const { code, stdout, stderr } = await arpeggio("run", "worker.ts#hello", "--input", '{"name":"you"}')
    expect({ code, stdout }).toEqual({ code: 0, stdout: '"HELLO YOU!"\n' })
    expect(stderr).toMatch(/^hello: succeeded, 2 of 2 steps done/m)
    expect(stderr).toMatch(/^greet +1 +1 +0 +0 +0/m)
    expect(stderr).toMatch(/^Worker: \d+ % of its 10 slots busy/m)
    expect(stderr).toMatch(/^Run \S+ of hello succeeded after/m)
  })

  it("keeps what handlers print away from the result", async () => {
    const { stdout, stderr } = await arpeggio("run", "worker.ts#shout", "-q", "--input", '{"text":"x"}')
    expect({ stdout, stderr }).toEqual({ stdout: '"X!"\n', stderr: "a handler prints\n" })
  })

  it("reads the input from a file or from standard input", async () => {
    const fromFile = await arpeggio("run", "worker.ts#hello", "-q", "--input", "@input.json")
    const fromStdin = await arpeggioWith('{"name":"pipe"}', "run", "worker.ts#hello", "-q", "-i", "-")
    expect([fromFile.stdout, fromStdin.stdout]).toEqual(['"HELLO FILE!"\n', '"HELLO PIPE!"\n'])
  })

  it("prints one document with --json: the value, the id it was given, and the steps", async () => {
    const { code, stdout, stderr } = await arpeggio("run", "worker.ts#retries", "--json", "--id", "mine", "-c", "3")
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" })
    expect(JSON.parse(stdout)).toMatchObject({
      run: "mine",
      state: "succeeded",
      value: 2,
      slots: 3,
      steps: [{ step: "flaky", count: 1, succeeded: 1, failed: 0, retries: 1 }]
    })
  })

  it("exits with 1 when the run fails, and says where and with what", async () => {
    const { code, stdout, stderr } = await arpeggio("run", "worker.ts#hello", "--input", '{"name":"nobody"}')
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" })
    expect(stderr).toContain('Failed at greet, attempt 1: Refused {"name":"nobody"}')
    expect(stderr).toMatch(/^shout +1 +0 +0 +1 /m)
  })

  it("shows the cause of a defect, with its stack", async () => {
    const { code, stderr } = await arpeggio("run", "worker.ts#crashes", "-q")
    expect(code).toBe(1)
    expect(stderr).toMatch(/^Failed at crash, attempt 1: The handler died: .*out of order/m)
    expect(stderr).toMatch(/at .*worker\.ts:\d+:\d+/)
  })

  it("has the failure in the document with --json", async () => {
    const { code, stdout } = await arpeggio("run", "worker.ts#hello", "--json", "--input", '{"name":"nobody"}')
    expect(code).toBe(1)
    expect(JSON.parse(stdout)).toMatchObject({
      state: "failed",
      error: { node: "greet", attempt: 1, error: { _tag: "Refused", name: "nobody" } }
    })
  })

  it.each([
    ["is not JSON", ["worker.ts#hello", "--input", '{"name": }'], "--input is not JSON: line 1, column 10"],
    ["is a file that is not there", ["worker.ts#hello", "--input", "@gone.json"], "can't be read from gone.json"],
    ["does not fit", ["worker.ts#everyone", "-i", '{"names":["a",1]}'], "names[1]: Expected string"],
    ["is missing", ["worker.ts#hello"], "no --input was given, so it is {}"]
  ])("exits with 2 when the input %s, and says where", async (_, args, part) => {
    const { code, stdout, stderr } = await arpeggio("run", ...args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: "" })
    expect(stderr).toContain(part)
  })

  it("exits with 2 when a task of the flow has no handler: the run could never end", async () => {
    const { code, stderr } = await arpeggio("run", "broken/no-handler.ts#hello", "-i", '{"name":"x"}')
    expect(code).toBe(2)
    expect(stderr).toContain('calls "shout", and the default export of broken/no-handler.ts has no handler for it')
  })

  it("says what to do when a handler needs a service that the layer does not provide", async () => {
    const { code, stderr } = await arpeggio("run", "broken/not-closed.ts#greet", "-q", "-i", '{"name":"x"}')
    expect(code).toBe(1)
    expect(stderr).toContain("Service not found: test/Names")
    expect(stderr).toContain("The layer of handlers is not closed")
  })

  it("cancels the run on Ctrl-C, waits for the finalizers of its handlers, and exits with 130", async () => {
    const child = start("run", "worker.ts#waits")
    const end = finished(child)
    await prints(child, "waiting\n")
    child.kill("SIGINT")
    const { code, stdout, stderr } = await end
    expect({ code, stdout }).toEqual({ code: 130, stdout: "" })
    expect(stderr).toContain("the handler cleans up")
    expect(stderr).toMatch(/^Run \S+ of waits was cancelled/m)
  })

  it("ends at once on a second Ctrl-C, whatever a handler still does", async () => {
    const child = start("run", "worker.ts#stubborn")
    const end = finished(child)
    await prints(child, "holding on\n")
    child.kill("SIGINT")
    await prints(child, "not letting go\n")
    // Somebody who presses it again and again: what comes together with the first one is not a second one.
    const pressing = setInterval(() => child.kill("SIGINT"), 50)
    const { code, stdout } = await end
    clearInterval(pressing)
    expect({ code, stdout }).toEqual({ code: 130, stdout: "" })
  })
})

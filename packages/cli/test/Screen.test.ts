import { afterEach, describe, expect, it } from "vitest"
import * as Screen from "@arpeggio/cli/Screen"

/** A terminal that keeps what it shows: enough of one to follow what a screen writes. */
class FakeTerminal {
  readonly isTTY = true
  columns = 40
  rows = 8
  readonly written: Array<string> = []
  #lines: Array<string> = [""]
  #row = 0
  #wraps = true
  #width = 40
  cursor = true

  readonly write = ((chunk: string | Uint8Array): boolean => {
    const text = chunk.toString()
    this.written.push(text)
    // oxlint-disable-next-line no-control-regex -- the sequences a terminal understands
    for (const part of text.split(/(\u001B\[[?\d;]*[A-Za-z]|\n)/)) this.#take(part)
    return true
  }) as typeof process.stderr.write

  #take(part: string): void {
    const sequence = /^\u001B\[([?\d;]*)([A-Za-z])$/.exec(part)
    if (part === "\n") {
      this.#row++
      this.#lines[this.#row] ??= ""
    } else if (sequence === null) this.#put(this.#lines[this.#row] + part)
    else if (sequence[2] === "F") this.#row -= Number(sequence[1])
    else if (sequence[2] === "J") this.#lines.splice(this.#row, Infinity, "")
    else if (sequence[2] === "K") this.#lines[this.#row] = ""
    else if (sequence[1] === "?25") this.cursor = sequence[2] === "h"
    else if (sequence[1] === "?7") this.#wraps = sequence[2] === "h"
  }

  #put(line: string): void {
    const rows = this.#wraps ? folded(line, this.#width) : [line.slice(0, this.#width)]
    this.#lines.splice(this.#row, rows.length, ...rows)
    this.#row += rows.length - 1
  }

  /** Becomes narrower and folds what is too long; it has yet to say so. */
  narrow(width: number): void {
    this.#width = width
    const rows = this.#lines.map((line) => folded(line, width))
    this.#row = rows.slice(0, this.#row).flat().length
    this.#lines = rows.flat()
  }

  /** What is on the terminal, from its first line. */
  get shown(): ReadonlyArray<string> {
    return this.#lines.filter((line, i) => line !== "" || i < this.#lines.length - 1)
  }
}

/** A line in rows of so many characters. */
const folded = (line: string, width: number): ReadonlyArray<string> =>
  line === "" ? [""] : (line.match(new RegExp(`.{1,${width}}`, "g")) ?? [])

const screens: Array<Screen.Screen> = []
const open = (terminal: FakeTerminal, others: ReadonlyArray<FakeTerminal> = []) => {
  const screen = Screen.open(terminal, others)
  screens.push(screen)
  return screen
}
afterEach(() => {
  for (const screen of screens.splice(0)) screen.close()
})

describe("Screen", () => {
  it("paints in place of what it painted before, also when that was longer", () => {
    const terminal = new FakeTerminal()
    const screen = open(terminal)
    screen.paint(["one", "two", "three"])
    expect(terminal.shown).toEqual(["one", "two", "three"])
    screen.paint(["uno", "due"])
    expect(terminal.shown).toEqual(["uno", "due"])
  })

  it("hides the cursor while it is open, and gives it back with the streams as they were", () => {
    const terminal = new FakeTerminal()
    const { write } = terminal
    const screen = open(terminal)
    expect(terminal.cursor).toBe(false)
    screen.close()
    expect(terminal.cursor).toBe(true)
    terminal.write("x")
    expect(terminal.write.call).toBe(write.call)
    screen.paint(["not any more"])
    expect(terminal.shown).toEqual(["x"])
  })

  it("lets others write above it", () => {
    const terminal = new FakeTerminal()
    const screen = open(terminal)
    screen.paint(["graph", "status"])
    terminal.write("a log line\n")
    expect(terminal.shown).toEqual(["a log line"])
    screen.paint(["graph", "status"])
    expect(terminal.shown).toEqual(["a log line", "graph", "status"])
    terminal.write("half a line")
    screen.paint(["graph"])
    expect(terminal.shown).toEqual(["a log line", "half a line", "graph"])
  })

  it("makes room for what is written to another stream on the same terminal", () => {
    const terminal = new FakeTerminal()
    const stdout = new FakeTerminal()
    const screen = open(terminal, [stdout])
    screen.paint(["graph"])
    stdout.write("x\n")
    expect(terminal.shown).toEqual([])
    expect(stdout.shown).toEqual(["x"])
  })

  it("shows no more lines than fit, and cuts those that are too wide", () => {
    const terminal = new FakeTerminal()
    const screen = open(terminal)
    screen.paint(Array.from({ length: 20 }, (_, i) => `${i} `.repeat(30)))
    expect(terminal.shown).toHaveLength(7)
    expect(terminal.shown[0]).toHaveLength(40)
    expect(terminal.shown[0]).toMatch(/…$/)
  })

  it("goes up by the rows that its lines take after the terminal has become narrower", () => {
    const terminal = new FakeTerminal()
    const screen = open(terminal)
    screen.paint(["x".repeat(40), "y"])
    terminal.columns = 20
    screen.paint(["z"])
    expect(terminal.written.at(-1)).toContain("\u001B[3F")
  })

  it("leaves nothing behind when it painted between the terminal's becoming narrower and its saying so", () => {
    for (const between of [0, 1, 3]) {
      const terminal = new FakeTerminal()
      const screen = open(terminal)
      const paint = () => screen.paint(["x".repeat(screen.width()), "y".repeat(screen.width() - 5), "z"])
      terminal.write("before\n")
      paint()
      terminal.narrow(25)
      for (let n = 0; n < between; n++) paint()
      terminal.columns = 25
      paint()
      expect(terminal.shown).toEqual(["before", "x".repeat(25), "y".repeat(20), "z"])
    }
  })

  it("keeps to its lines where they are wider than the terminal", () => {
    const terminal = new FakeTerminal()
    const screen = open(terminal)
    terminal.write("before\n")
    screen.paint(["x".repeat(40)])
    terminal.narrow(10)
    terminal.columns = 10
    for (const letter of ["a", "b", "c"]) screen.paint([letter.repeat(15), letter])
    expect(terminal.shown).toEqual(["before", "c".repeat(10), "c"])
  })

  it.each([
    ["plain text", "abcdef", 4, "abc…"],
    ["wide characters", "日本語", 4, "日…"],
    ["styled text, which is closed", "\u001B[31mabcdef\u001B[0m", 4, "\u001B[31mabc…\u001B[0m"],
    ["what fits as it is", "\u001B[31mabcd\u001B[0m", 4, "\u001B[31mabcd\u001B[0m"]
  ])("clips %s", (_, line, columns, clipped) => {
    expect(Screen.clip(line, columns)).toBe(clipped)
  })
})

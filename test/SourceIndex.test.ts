import { execFileSync, spawnSync } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { afterAll, describe, expect, it } from "vitest"

const main = path.resolve(import.meta.dirname, "../examples/source-index/main.ts")
const scratch = mkdtempSync(path.join(tmpdir(), "arpeggio-source-index-"))
afterAll(() => rmSync(scratch, { recursive: true, force: true }))

interface Analysis {
  readonly _tag: "Analysis"
  readonly path: string
  readonly lines: number
  readonly words: number
  readonly bytes: number
  readonly sha256: string
  readonly terms: ReadonlyArray<{ readonly term: string; readonly count: number }>
}

interface Skipped {
  readonly _tag: "Skipped"
  readonly path: string
  readonly error: string
}

interface Index {
  readonly summary: {
    readonly totals: {
      readonly files: number
      readonly skipped: number
      readonly lines: number
      readonly words: number
      readonly bytes: number
    }
    readonly duplicates: ReadonlyArray<{ readonly paths: ReadonlyArray<string> }>
  }
  readonly entries: ReadonlyArray<Analysis | Skipped>
  readonly notEntered: ReadonlyArray<{ readonly path: string }>
}

let runs = 0

/** Root may read everything, so whoever is root runs the example as nobody; that is who owns the output. */
const user = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
chmodSync(scratch, 0o777)

/** Runs the example over a folder, as a user does. */
const index = (folder: string, ...flags: ReadonlyArray<string>) => {
  const out = path.join(scratch, `out-${runs++}`)
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, folder, "--out", out, ...flags], {
    encoding: "utf8",
    ...user
  })
  const read = (): Index => JSON.parse(readFileSync(path.join(out, "index.json"), "utf8")) as Index
  return { status, stdout, stderr, out, read, report: () => readFileSync(path.join(out, "report.md"), "utf8") }
}

const texts = ({ entries }: Index) => entries.filter((entry) => entry._tag === "Analysis")
const skipped = ({ entries }: Index) => entries.filter((entry) => entry._tag === "Skipped")

/** What `wc` and `sha256sum` say of a file. */
const measured = (file: string | Buffer) => {
  const content = readFileSync(file)
  const tool = (command: string, ...args: ReadonlyArray<string>) =>
    execFileSync(command, args, { input: content, encoding: "utf8", env: { ...process.env, LC_ALL: "C.UTF-8" } }).trim()
  const [lines, words, bytes] = tool("wc", "-l", "-w", "-c").split(/\s+/).map(Number)
  return { lines, words, bytes, sha256: tool("sha256sum").split(" ")[0] }
}

const counts = ({ lines, words, bytes, sha256 }: Analysis) => ({ lines, words, bytes, sha256 })

const odd: { readonly [name: string]: string | Buffer } = {
  "plain.txt": "one two three\nfour\n",
  "no newline at the end.txt": "a b c",
  "with\nnewline.txt": "x\n",
  "-rf": "leading dash\n",
  "emoji 🎼.md": "music 🎼 and → arrows\n\n",
  "tab\tand | pipe `tick`.md": "a\tb\u000Bc\fd\r\n",
  "empty.txt": "",
  "only spaces.txt": "  \n \t \n",
  "wide spaces.txt": "a\u00A0b\u2003c\u3000d\u200Be\n",
  "control.txt": "\u0001 \u0002\u0003 a\u0004\n",
  "latin1.txt": Buffer.from([0x63, 0x61, 0x66, 0xe9, 0x20, 0xff, 0x20, 0x62, 0x0a]),
  "große Straße/тест/日本語.txt": "слово слово 日本語 テスト\n",
  ".hidden": "dotted\n",
  "copy of plain.txt": "one two three\nfour\n",
  "long line.txt": `${"word ".repeat(400_000)}${"x".repeat(1_500_000)} end`
}

const image = "an | image\nwith `ticks`.bin"

// Each test runs the example as a process, which takes a while on a busy machine.
describe("the source-index example", { timeout: 120_000 }, () => {
  const folder = path.join(scratch, "odd")
  for (const [name, content] of Object.entries(odd)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
    writeFileSync(path.join(folder, name), content)
  }
  writeFileSync(Buffer.concat([Buffer.from(`${folder}/not utf-8 `), Buffer.from([0xff, 0xfe])]), "raw name\n")
  writeFileSync(path.join(folder, image), Buffer.from([1, 2, 0, 3]))
  symlinkSync("..", path.join(folder, "loop"))
  symlinkSync("nowhere", path.join(folder, "dangling"))
  mkdirSync(path.join(folder, "node_modules"))
  writeFileSync(path.join(folder, "node_modules/index.js"), "skipped\n")

  const overOdd = index(folder)

  it("counts each file as wc and sha256sum do, whatever its name and content", () => {
    const { status, stderr, read } = overOdd
    expect({ status, stderr: stderr.slice(-200) }).toMatchObject({ status: 0 })
    const found = new Map(texts(read()).map((entry) => [entry.path, counts(entry)]))
    expect([...found.keys()].sort()).toEqual([...Object.keys(odd), "not utf-8 \\xff\\xfe"].sort())
    for (const name of Object.keys(odd)) {
      expect({ name, ...found.get(name) }).toEqual({ name, ...measured(path.join(folder, name)) })
    }
  })

  it("lists what it can't index with the error, does not follow links, and says what it left out", () => {
    const made = overOdd.read()
    expect(skipped(made)).toMatchObject([{ path: image, error: "Binary" }])
    expect(made.notEntered).toMatchObject([{ path: "node_modules" }])
    expect(made.summary.duplicates.map((group) => group.paths)).toEqual([["copy of plain.txt", "plain.txt"]])
    expect(texts(index(folder, "--all").read()).map((entry) => entry.path)).toContain("node_modules/index.js")
  })

  it("writes names as code in one line of the report", () => {
    const report = overOdd.report()
    expect(report).toContain("| ``an \\| image\\nwith `ticks`.bin`` | Binary |")
  })

  it("agrees with wc about all the source of effect", () => {
    const source = fileURLToPath(new URL("../src", import.meta.resolve("effect/Effect")))
    const made = index(source).read()
    const files = texts(made)
    expect(files.length).toBeGreaterThan(100)
    const list = files.map((entry) => `${path.join(source, entry.path)}\0`).join("")
    const options = {
      input: list,
      encoding: "utf8",
      env: { ...process.env, LC_ALL: "C.UTF-8" },
      maxBuffer: 2 ** 26
    } as const
    const lines = execFileSync("wc", ["-l", "-w", "-c", "--files0-from=-"], options).trim().split("\n")
    const { totals } = made.summary
    expect(lines.at(-1)!.trim().split(/\s+/).slice(0, 3).map(Number)).toEqual([
      totals.lines,
      totals.words,
      totals.bytes
    ])
    const sums = execFileSync("xargs", ["-0", "sha256sum"], options).trim().split("\n")
    expect(files.map((entry) => entry.sha256)).toEqual(sums.map((line) => line.slice(0, 64)))
  })

  it("makes an index of an empty folder, too", () => {
    const empty = path.join(scratch, "empty")
    mkdirSync(empty, { recursive: true })
    const { status, read } = index(empty)
    expect(status).toBe(0)
    expect(read()).toMatchObject({ summary: { totals: { files: 0, bytes: 0 } }, entries: [] })
  })

  it("lists a file and a folder without permission, and goes on", () => {
    const locked = path.join(scratch, "locked")
    mkdirSync(locked)
    writeFileSync(path.join(locked, "open.txt"), "open\n")
    writeFileSync(path.join(locked, "secret.txt"), "secret\n")
    chmodSync(path.join(locked, "secret.txt"), 0)
    mkdirSync(path.join(locked, "closed"), { mode: 0 })
    const { status, read } = index(locked)
    expect(status).toBe(0)
    const made = read()
    expect(skipped(made)).toMatchObject([{ path: "secret.txt", error: "Unreadable" }])
    expect(made.notEntered).toMatchObject([{ path: "closed", reason: "no permission to read it" }])
    expect(texts(made)).toMatchObject([{ path: "open.txt" }])
  })

  it("exits with 2 and a sentence when there is no such folder", () => {
    const { status, stderr } = index(path.join(scratch, "gone"))
    expect(status).toBe(2)
    expect(stderr).toContain("gone can't be indexed: it is gone, or was never there. Usage:")
  })
})

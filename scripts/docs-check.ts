/**
 * Proves the code in the docs: every `ts` block of README.md, docs/, each package's AGENTS.md and its doc comments is
 * type-checked, and every block that prints is run.
 *
 * - A block whose first line is a comment with a file name (`// tasks.ts`) gets that name, so that the other blocks of
 *   the same page can import it. Two blocks of a page with one name are an error.
 * - `console.log(x) // => 3` says what is printed. The values after `// =>` must be lines of the output, in that order.
 * - What must not compile is shown with `@ts-expect-error`. There is no way to leave a block out.
 */
import { execFile } from "node:child_process"
import { existsSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import * as path from "node:path"
import { promisify } from "node:util"

const run = promisify(execFile)
const root = path.resolve(import.meta.dirname, "..")
const out = path.join(root, ".generated", "docs")

interface Block {
  /** `README.md:42`, the place of the block's first line of code. */
  readonly place: string
  readonly file: string
  readonly code: string
}

/** The text of the doc comments, each line where it was. */
const commentsOf = (source: string): string => source.replaceAll(/^(?:\s*\* ?(.*)|.*)$/gm, "$1")

const blocksOf = (page: string): ReadonlyArray<Block> => {
  const source = readFileSync(path.join(root, page), "utf8")
  const text = page.endsWith(".ts") ? commentsOf(source) : source
  const folder = path.join(out, page.replace(/\.\w+$/, "").replaceAll(path.sep, "-"))
  return Array.from(text.matchAll(/^( *)```(?:ts|typescript)\b[^\n]*\n([\s\S]*?)^\1```/gm), (match, index) => {
    const code = match[2] ?? ""
    const name = /^\/\/ ([\w./-]+\.ts)\b/.exec(code)?.[1] ?? `block-${index + 1}.ts`
    const line = text.slice(0, match.index).split("\n").length + 1
    return { place: `${page}:${line}`, file: path.join(folder, name), code }
  })
}

const problems: Array<string> = []

const blocks = ["README.md", "docs/*.md", "packages/*/AGENTS.md", "packages/*/src/**/*.ts"]
  .flatMap((pattern) => globSync(pattern, { cwd: root }).toSorted())
  .flatMap(blocksOf)

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
for (const { code, file, place } of blocks) {
  if (existsSync(file)) problems.push(`${place}: a second block named ${path.basename(file)}; give it another name`)
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, code)
}
writeFileSync(
  path.join(out, "tsconfig.json"),
  JSON.stringify({
    extends: "../../tsconfig.noemit.json",
    compilerOptions: { noUnusedLocals: false, noUnusedParameters: false },
    include: ["."],
    references: ["core", "broker-redis", "cli"].map((name) => ({ path: `../../packages/${name}/tsconfig.src.json` }))
  })
)

/** Compiler messages and stacks name the generated file; people look for the page. */
const inPages = (text: string): string =>
  blocks.reduce((text, { file, place }) => {
    const [page, first] = place.split(":")
    const name = path.relative(root, file).replaceAll(/[.\\/-]/g, "\\$&")
    const lineOf = (line: string) => `${page}:${Number(first) + Number(line) - 1}`
    return text
      .replaceAll(
        new RegExp(`${name}\\((\\d+),(\\d+)\\)`, "g"),
        (_, line: string, column: string) => `${lineOf(line)}:${column}`
      )
      .replaceAll(new RegExp(`${name}:(\\d+)`, "g"), (_, line: string) => lineOf(line))
  }, text)

const typeCheck = await run("tsc", ["-b", path.relative(root, out), "--pretty", "false"], { cwd: root }).catch(
  (error: { readonly stdout: string; readonly stderr: string }) => error
)
if (typeCheck instanceof Error) problems.push(inPages(typeCheck.stdout + typeCheck.stderr).trim())

const prints = blocks.filter(({ code }) => /\b[Cc]onsole\.log\(/.test(code))
for (const { code, file, place } of prints) {
  const result = await run(process.execPath, [file], { cwd: path.dirname(file), timeout: 60_000 }).catch(
    (error: { readonly stdout: string; readonly stderr: string }) => error
  )
  if (result instanceof Error) {
    problems.push(`${place}: the block failed\n${inPages(result.stdout + result.stderr).trim()}`)
    continue
  }
  const lines = result.stdout.split("\n")
  let from = 0
  for (const [, expected = ""] of code.matchAll(/\/\/ => (.*?)\s*$/gm)) {
    const at = lines.indexOf(expected, from)
    if (at === -1) {
      problems.push(`${place}: expected the line "${expected}", printed:\n${result.stdout.trimEnd()}`)
      break
    }
    from = at + 1
  }
}

for (const problem of problems) console.error(problem)
console.log(`docs: ${blocks.length} blocks type-checked, ${prints.length} run, ${problems.length} problems`)
process.exitCode = problems.length === 0 ? 0 : 1

/**
 * The index for people, in Markdown. Names of files come from outside: each is shown as code, in one line.
 */
import type { Entry, Summary } from "./tasks.ts"

export interface Report {
  readonly folder: string
  readonly summary: Summary
  readonly entries: ReadonlyArray<Entry>
  readonly notEntered: ReadonlyArray<{ readonly path: string; readonly reason: string }>
}

/** Lists longer than this are cut in the report; index.json has them whole. */
const most = 50

export const markdown = ({ folder, summary, entries, notEntered }: Report): string => {
  const { totals, kinds, largest, duplicates, terms } = summary
  const skipped = entries.filter((entry) => entry._tag === "Skipped")
  return [
    `# Index of ${code(folder)}`,
    `${number(totals.files)} files, ${number(totals.lines)} lines, ${number(totals.words)} words, ${number(totals.bytes)} bytes. ${number(totals.skipped)} more could not be indexed.`,
    section(
      "Kinds",
      table(
        ["extension", "files", "lines", "words", "bytes", "not indexed"],
        kinds.map(({ extension, totals }) => [
          code(extension),
          ...[totals.files, totals.lines, totals.words, totals.bytes, totals.skipped].map(number)
        ])
      )
    ),
    section(
      "Longest files",
      table(
        ["file", "lines", "bytes"],
        largest.map((file) => [code(file.path), number(file.lines), number(file.bytes)])
      )
    ),
    section(
      "Terms that are among the ten most frequent of most files",
      table(
        ["term", "files"],
        terms.map(({ term, files }) => [code(term), number(files)])
      )
    ),
    section(
      "Files with the same content",
      table(
        ["bytes", "files"],
        duplicates.map(({ bytes, paths }) => [number(bytes), paths.map(code).join("<br>")])
      )
    ),
    section(
      "Not indexed",
      table(
        ["file", "error", "reason"],
        skipped.map((entry) => [code(entry.path), entry.error, entry.reason])
      )
    ),
    section(
      "Folders not entered",
      table(
        ["folder", "reason"],
        notEntered.map(({ path, reason }) => [code(path), reason])
      )
    )
  ]
    .filter((part) => part !== "")
    .join("\n\n")
    .concat("\n")
}

const section = (title: string, body: string): string => (body === "" ? "" : `## ${title}\n\n${body}`)

/** The first column is text, all others too unless every cell is a number. */
const table = (header: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  if (rows.length === 0) return ""
  const align = header.map((_, i) => (rows.every((row) => /^[\d,]+$/.test(row[i]!)) ? "---:" : "---"))
  const lines = [header, align, ...rows.slice(0, most)].map((cells) => `| ${cells.join(" | ")} |`)
  return [
    ...lines,
    ...(rows.length > most ? ["", `… and ${number(rows.length - most)} more, in index.json.`] : [])
  ].join("\n")
}

const number = (n: number): string => n.toLocaleString("en-US")

/** Code in one line: control characters are escaped, and so is what ends a cell; the fence is longer than any run of backticks inside. */
export const code = (text: string): string => {
  const oneLine = text.replace(/\p{Cc}/gu, (character) => JSON.stringify(character).slice(1, -1)).replaceAll("|", "\\|")
  const runs = oneLine.match(/`+/g) ?? []
  const fence = "`".repeat(Math.max(0, ...runs.map((run) => run.length)) + 1)
  const space = oneLine.startsWith("`") || oneLine.endsWith("`") ? " " : ""
  return `${fence}${space}${oneLine}${space}${fence}`
}

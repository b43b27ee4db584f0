/**
 * The list for plans too large for anything else: a line per generation and task, with how many there are and what they
 * read. It never has more lines than its limit; what is left out is counted.
 */
import { generations } from "./Generations.ts"
import { group } from "./Groups.ts"
import { clip, span } from "./Ink.ts"
import type { Line } from "./Ink.ts"
import { statistics, statisticsWidth } from "./Numbers.ts"
import { adjacency, title } from "./Picture.ts"
import type { Picture, PictureNode } from "./Picture.ts"
import { mark } from "./Style.ts"
import type { Style } from "./Style.ts"
import * as Text from "./Text.ts"

/** At most so many lines by default, the one that says what is left out included. */
export const limit = 60

/** One line: the steps of one group, or a stretch of levels that all look the same. */
interface Entry {
  readonly first: number
  readonly last: number
  readonly node: PictureNode
  readonly reads: ReadonlyArray<PictureNode>
}

export const levels = (picture: Picture, columns: number, style: Style, lines = limit): ReadonlyArray<Line> => {
  const { head, omitted, tail } = elide(shorten(entriesOf(group(picture)), lines), lines)
  const names = [...head, ...tail].map(range)
  const left = Math.max(0, ...names.map((name) => name.length))
  const wanted = Math.max(
    0,
    ...[...head, ...tail].map(({ node }) => Text.width(Text.printable(title(node, style.glyphs.times))))
  )
  const room = Math.max(8, columns - left - 4 - statisticsWidth(columns, style))
  // Without a run the rest of the line says what is read.
  const labels = Math.min(wanted, style.live === undefined ? Math.max(20, Math.floor(room * 0.6)) : room)
  const line = (entry: Entry, at: number, entries: ReadonlyArray<Entry>): Line => {
    const name = at > 0 && range(entries[at - 1]!) === range(entry) ? "" : range(entry)
    const label = Text.padEnd(
      Text.truncate(Text.printable(title(entry.node, style.glyphs.times)), labels, style.glyphs.ellipsis),
      labels
    )
    const start = [span(Text.padStart(name, left), "faint"), span("  "), mark(entry.node, style), span(` ${label}`)]
    if (style.live === undefined) {
      return clip([...start, reads(entry, columns - left - 4 - labels, style)], columns, style.glyphs.ellipsis)
    }
    return [...start, ...statistics(entry.node, columns, style.live, style.glyphs)]
  }
  if (omitted.length === 0) return head.map(line)
  const steps = omitted.reduce((sum, { node }) => sum + node.steps.length, 0)
  const more = `${style.glyphs.ellipsis} ${Text.count(steps)} steps in ${Text.count(omitted.length)} more lines`
  return [...head.map(line), [span(`${" ".repeat(left)}  ${more}`, "faint")], ...tail.map(line)]
}

const entriesOf = (groups: Picture): ReadonlyArray<Entry> => {
  const generation = generations(groups)
  const { into } = adjacency(groups)
  return groups.nodes
    .map((node, index) => ({
      first: generation[index]!,
      last: generation[index]!,
      node,
      reads: into[index]!.map((edge) => groups.nodes[edge.from]!)
    }))
    .sort((a, b) => a.first - b.first)
}

/** A chain of levels with the same single group is one entry. */
const shorten = (entries: ReadonlyArray<Entry>, lines: number): ReadonlyArray<Entry> => {
  if (entries.length <= lines) return entries
  const alone = new Map<number, number>()
  for (const { first } of entries) alone.set(first, (alone.get(first) ?? 0) + 1)
  const result: Array<Entry> = []
  for (const entry of entries) {
    const last = result.at(-1)
    const alike =
      last !== undefined &&
      alone.get(entry.first) === 1 &&
      alone.get(last.last) === 1 &&
      last.last + 1 === entry.first &&
      likeness(last.node) === likeness(entry.node)
    if (!alike) result.push(entry)
    else {
      const steps = [...last.node.steps, ...entry.node.steps]
      const label = entry.node.kind === "task" ? entry.node.task : last.node.label
      result[result.length - 1] = { ...last, last: entry.last, node: { ...last.node, label, steps } }
    }
  }
  return result
}

const likeness = (node: PictureNode): string => (node.kind === "task" ? node.task : `${node.kind} ${node.id}`)

/** More entries than lines: the first and the last of them, and one line for those between. */
const elide = (entries: ReadonlyArray<Entry>, lines: number) => {
  if (entries.length <= lines) return { head: entries, omitted: [], tail: [] }
  const first = Math.max(1, Math.ceil(lines * 0.6))
  const last = Math.max(0, lines - first - 1)
  return {
    head: entries.slice(0, first),
    omitted: entries.slice(first, entries.length - last),
    tail: entries.slice(entries.length - last)
  }
}

const range = ({ first, last }: Entry): string => (first === last ? `${first + 1}` : `${first + 1}-${last + 1}`)

/** At most so many names; more are counted. */
const namesShown = 6

const reads = ({ reads }: Entry, columns: number, { glyphs }: Style) => {
  const all = [...new Set(reads.map((node) => node.label))]
  const names = all.slice(0, namesShown).map((name) => Text.truncate(Text.printable(name), 28, glyphs.ellipsis))
  for (let shown = names.length; shown > 0; shown--) {
    const more = shown === all.length ? "" : `, ${Text.count(all.length - shown)} more`
    const text = `  ${glyphs.from} ${names.slice(0, shown).join(", ")}${more}`
    if (Text.width(text) <= columns) return span(text, "faint")
  }
  return span("")
}

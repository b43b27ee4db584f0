/**
 * All entries as one: sums, rankings, duplicates. Pure.
 */
import type { Analysis, Entry, Summary } from "./tasks.ts"

/** How many of each ranking. */
const top = 10

export const summarise = (entries: ReadonlyArray<Entry>): Summary => {
  const texts = entries.filter((entry) => entry._tag === "Analysis")
  return {
    totals: totalsOf(entries),
    kinds: Array.from(Map.groupBy(entries, extensionOf), ([extension, group]) => ({
      extension,
      totals: totalsOf(group)
    })).sort((a, b) => b.totals.bytes - a.totals.bytes || b.totals.files - a.totals.files),
    largest: texts
      .toSorted((a, b) => b.lines - a.lines)
      .slice(0, top)
      .map(({ path, lines, bytes }) => ({ path, lines, bytes })),
    duplicates: duplicatesOf(texts),
    terms: sharedTerms(texts)
  }
}

const totalsOf = (entries: ReadonlyArray<Entry>): Summary["totals"] => {
  const totals = { files: 0, skipped: 0, lines: 0, words: 0, bytes: 0 }
  for (const entry of entries) {
    if (entry._tag !== "Analysis") {
      totals.skipped++
      continue
    }
    totals.files++
    totals.lines += entry.lines
    totals.words += entry.words
    totals.bytes += entry.bytes
  }
  return totals
}

const extensionOf = (entry: Entry): string => /[^/]\.([^./\s]{1,12})$/.exec(entry.path)?.[1]?.toLowerCase() ?? "(none)"

const duplicatesOf = (texts: ReadonlyArray<Analysis>): Summary["duplicates"] =>
  Array.from(
    Map.groupBy(
      texts.filter((text) => text.bytes > 0),
      (text) => text.sha256
    ).values()
  )
    .filter((group) => group.length > 1)
    .sort((a, b) => b[0]!.bytes * (b.length - 1) - a[0]!.bytes * (a.length - 1))
    .slice(0, top)
    .map((group) => ({
      sha256: group[0]!.sha256,
      bytes: group[0]!.bytes,
      paths: group.map((text) => text.path).slice(0, top)
    }))

const sharedTerms = (texts: ReadonlyArray<Analysis>): Summary["terms"] => {
  const files = new Map<string, number>()
  for (const text of texts) for (const { term } of text.terms) files.set(term, (files.get(term) ?? 0) + 1)
  return Array.from(files, ([term, count]) => ({ term, files: count }))
    .sort((a, b) => b.files - a.files || (a.term < b.term ? -1 : 1))
    .slice(0, 2 * top)
}

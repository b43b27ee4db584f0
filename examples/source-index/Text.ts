/**
 * What there is to know about a text, read once from beginning to end in pieces, so that its size does not matter.
 */
import { createHash } from "node:crypto"

/** The counts of `wc` in a UTF-8 locale, the digest of `sha256sum`, and the terms with their numbers, the most frequent first. */
export interface Facts {
  readonly lines: number
  readonly words: number
  readonly bytes: number
  readonly sha256: string
  readonly terms: ReadonlyArray<{ readonly term: string; readonly count: number }>
}

/**
 * Reads pieces of bytes; a piece may be overwritten once the next one is asked for. Gives nothing when there is a NUL among
 * them, which no text has.
 */
export const read = async (pieces: AsyncIterable<Buffer>, terms: number): Promise<Facts | undefined> => {
  const hash = createHash("sha256")
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  const counts = new Map<string, number>()
  let lines = 0
  let words = 0
  let bytes = 0
  // A word may go on in the next piece: what stands behind the last space waits for it.
  let rest = ""
  const take = (text: string) => {
    words += countWords(text)
    countTerms(text, counts)
  }
  for await (const piece of pieces) {
    if (piece.includes(0)) return undefined
    hash.update(piece)
    bytes += piece.length
    for (let at = piece.indexOf(10); at !== -1; at = piece.indexOf(10, at + 1)) lines++
    const text = rest + decoder.decode(piece, { stream: true })
    const end = Math.max(text.lastIndexOf("\n"), text.lastIndexOf(" ")) + 1
    take(text.slice(0, end))
    rest = text.slice(end)
  }
  take(rest + decoder.decode())
  return { lines, words, bytes, sha256: hash.digest("hex"), terms: mostFrequent(counts, terms) }
}

/**
 * Words as `wc` sees them: what stands between spaces and has a visible character in it. Its spaces are Unicode's, those
 * that don't break a line included. A byte that is no UTF-8 is neither visible nor a space.
 */
const word = /[^\t-\r \u00A0\u1680\u2000-\u200A\u2028\u2029\u202F\u205F\u2060\u3000]+/g
const onlyAscii = /^[!-~]/
const visible = /[^\p{Cc}\p{Cn}\p{Cs}\uFFFD]/u

const countWords = (text: string): number => {
  let words = 0
  for (const [candidate] of text.matchAll(word)) if (onlyAscii.test(candidate) || visible.test(candidate)) words++
  return words
}

/** Terms are names: letters first, then letters, digits and `_`, three or more; capitals count as small letters. */
const term = /\p{L}[\p{L}\p{M}\p{N}_]{2,39}/gu

/** Words of the language, not of the text. */
const common = new Set(
  "the and for with that this from are not you can has have was were will its our but all any one two when which into than then they them their there these those been being also only such may must more most other some what your use used using".split(
    " "
  )
)

const countTerms = (text: string, counts: Map<string, number>): void => {
  for (const [found] of text.matchAll(term)) {
    const name = found.toLowerCase()
    if (!common.has(name)) counts.set(name, (counts.get(name) ?? 0) + 1)
  }
}

/** The most frequent; among equals in the order of the alphabet, so that the answer is always the same. */
const mostFrequent = (counts: ReadonlyMap<string, number>, limit: number): Facts["terms"] =>
  Array.from(counts, ([term, count]) => ({ term, count }))
    .sort((a, b) => b.count - a.count || (a.term < b.term ? -1 : 1))
    .slice(0, limit)

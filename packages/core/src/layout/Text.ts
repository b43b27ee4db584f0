/**
 * Text in terminal columns: an ideograph or an emoji takes two, a combining mark none. What would move the cursor or
 * reverse the line (control and direction characters) is shown as a symbol, so no label can break a drawing.
 */

/** Grapheme clusters that take two columns. */
const wide =
  /\p{Emoji_Presentation}|\p{Emoji}\uFE0F|[\u1100-\u115F\u2E80-\u303E\u3041-\u33FF\u3400-\u4DBF\u4E00-\u9FFF\uA000-\uA4CF\uA960-\uA97F\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF01-\uFF60\uFFE0-\uFFE6]|[\u{17000}-\u{18CFF}\u{1B000}-\u{1B2FF}\u{1F200}-\u{1F2FF}\u{20000}-\u{3FFFD}]/u
const plain = /^[\x20-\x7e]*$/
// oxlint-disable-next-line no-control-regex -- finding them is the point
const unprintable = /[\u0000-\u001F\u007F-\u009F\u00AD\u200B\u200E\u200F\u2028-\u202E\u2060-\u206F\uFEFF]/g
const segmenter = new Intl.Segmenter(undefined, { granularity: "grapheme" })

/** The text as grapheme clusters, each one character of a drawing. */
export const characters = (text: string): ReadonlyArray<string> =>
  plain.test(text) ? [...text] : Array.from(segmenter.segment(text), (part) => part.segment)

const columns = (character: string): number => {
  if (plain.test(character)) return 1
  if (/^\p{Mark}+$/u.test(character)) return 0
  return wide.test(character) ? 2 : 1
}

/** How many columns a text takes. */
export const width = (text: string): number =>
  plain.test(text) ? text.length : characters(text).reduce((sum, character) => sum + columns(character), 0)

/** The text on one line, without characters that act on a terminal. */
export const printable = (text: string): string =>
  plain.test(text)
    ? text
    : text
        .replace(/\r\n|[\n\r\u2028\u2029]/g, "↵")
        .replace(/\t/g, " ")
        .replace(unprintable, "�")

/**
 * Shortened to at most so many columns. A number at its end (`resize#12`) stays, it tells like steps apart; of a path
 * (`NFCORE.RNASEQ.FASTQC`, `a/b/c`) the end stays, it says most.
 */
export const truncate = (text: string, limit: number, ellipsis = "…"): string => {
  if (width(text) <= limit) return text
  const room = limit - width(ellipsis)
  if (room < 0) return ellipsis.slice(0, Math.max(limit, 0))
  if (/\w[.:/]\w/.test(text))
    return (
      ellipsis +
      take([...characters(text)].reverse(), room)
        .reverse()
        .join("")
    )
  const number = /[#×\][\d ,]*\d\]?$/.exec(text)?.[0] ?? ""
  const end = number.length + ellipsis.length < limit / 2 ? number : ""
  return take(characters(text), room - width(end)).join("") + ellipsis + end
}

/** The first characters that fit into so many columns. */
const take = (all: ReadonlyArray<string>, room: number): Array<string> => {
  const taken: Array<string> = []
  let used = 0
  for (const character of all) {
    used += columns(character)
    if (used > room) break
    taken.push(character)
  }
  return taken
}

/** Filled up with blanks to so many columns. */
export const padEnd = (text: string, to: number): string => text + " ".repeat(Math.max(to - width(text), 0))
export const padStart = (text: string, to: number): string => " ".repeat(Math.max(to - width(text), 0)) + text

/** 3214 as `3,214`; from a million on `1.23M`: at most seven columns. */
export const count = (value: number): string => {
  if (value < 1_000_000) return value.toLocaleString("en-US")
  const millions = value / 1_000_000
  return `${millions < 100 ? millions.toPrecision(3) : Math.round(millions)}M`
}

/** 3214 as `3.2k`: at most four columns. */
export const brief = (value: number): string => {
  if (value < 1000) return String(value)
  const [amount, unit] = value < 999_500 ? [value / 1000, "k"] : [value / 1_000_000, "M"]
  return (amount < 9.95 ? amount.toFixed(1) : String(Math.round(amount))) + unit
}

/** Milliseconds in at most six columns: `12ms`, `1.2s`, `45s`, `3m05s`, `2h03m`, `4d02h`. */
export const duration = (milliseconds: number): string => {
  const two = (value: number) => String(Math.floor(value)).padStart(2, "0")
  if (milliseconds < 1) return milliseconds <= 0 ? "0ms" : "<1ms"
  if (milliseconds < 999.5) return `${Math.round(milliseconds)}ms`
  const seconds = milliseconds / 1000
  if (seconds < 9.95) return `${seconds.toFixed(1)}s`
  if (seconds < 59.5) return `${Math.round(seconds)}s`
  const minutes = Math.round(seconds) / 60
  if (minutes < 60) return `${Math.floor(minutes)}m${two(Math.round(seconds) % 60)}s`
  const hours = minutes / 60
  if (hours < 24) return `${Math.floor(hours)}h${two(minutes % 60)}m`
  return `${Math.floor(hours / 24)}d${two(hours % 24)}h`
}

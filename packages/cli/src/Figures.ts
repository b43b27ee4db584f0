/** Numbers as people read them. */

/** A duration: `8 ms`, `1.24 s`, `2 min 5 s`, `3 h 2 min`. */
export const duration = (millis: number): string => {
  if (millis < 1) return millis === 0 ? "0 ms" : `${millis.toFixed(2)} ms`
  if (millis < 999.5) return `${millis.toFixed(millis < 9.95 ? 1 : 0)} ms`
  if (millis < 59_950) return `${(millis / 1_000).toFixed(millis < 9_995 ? 2 : 1)} s`
  const seconds = Math.round(millis / 1_000)
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  return `${Math.floor(seconds / 3_600)} h ${Math.round((seconds % 3_600) / 60)} min`
}

/** A point in time of this place: `2026-11-25 10:59:12`. */
export const moment = (millis: number): string => {
  const date = new Date(millis)
  const two = (n: number) => String(n).padStart(2, "0")
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-")
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":")}`
}

/** How long ago: `3.2 s ago`. The clocks of two machines may differ, so nothing is in the future. */
export const ago = (millis: number, now: number): string => `${duration(Math.max(0, now - millis))} ago`

/** A count with its thousands apart: `1,234,567`. */
export const count = (n: number): string => Math.round(n).toLocaleString("en-US")

/** `1 step`, `2 steps`; nouns that don't take an s have their plural given. */
export const plural = (n: number, noun: string, nouns = `${noun}s`): string => `${count(n)} ${n === 1 ? noun : nouns}`

export const percent = (part: number, whole: number): string =>
  whole === 0 ? "-" : `${Math.floor((100 * part) / whole)} %`

/** Columns as wide as their widest cell, aligned as the header says. */
export const table = (
  header: ReadonlyArray<{ readonly title: string; readonly align: "left" | "right" }>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<string> => {
  const widths = header.map(({ title }, i) => Math.max(title.length, ...rows.map((row) => row[i]!.length)))
  const line = (cells: ReadonlyArray<string>) =>
    cells
      .map((cell, i) => (header[i]!.align === "left" ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join("  ")
      .trimEnd()
  return [line(header.map(({ title }) => title)), ...rows.map(line)]
}

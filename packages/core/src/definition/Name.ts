/**
 * What tasks, flows, queues and runs are called. Stores, and what processes tell each other, set names apart by control
 * characters.
 */

/** Characters. */
const most = 200

/** Why this can't be a name; undefined where it can. */
export const issueOf = (name: unknown): string | undefined => {
  if (typeof name !== "string") return "it is no text"
  if (name === "") return "it is empty"
  if (name.length > most) return `it has ${name.length} characters, the limit is ${most}`
  if (/\p{Cc}/u.test(name)) return "it has a control character, such as a tab or a line break"
  return name.isWellFormed() ? undefined : "it is no well-formed Unicode"
}

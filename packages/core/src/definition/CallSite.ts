/**
 * Where the user's code called into Arpeggio: `file:line:column`. A stack is captured when a step is made, which is
 * cheap, and formatted when somebody asks, which is when there is a problem to report.
 */

/** How many frames are looked at: ours, those of a `pipe`, and one of the user's. */
const depth = 8

/** Frames of this package, wherever it is installed, and of effect, are not the user's. */
const own = import.meta.url.replace(/definition\/[^/]*$/, "")
const foreign = (frame: string): boolean =>
  !frame.includes(own) && !frame.includes(pathOf(own)) && !/[\\/]effect[\\/](dist|src)[\\/]/.test(frame)

const pathOf = (url: string): string => (url.startsWith("file://") ? decodeURI(url.slice("file://".length)) : url)

const location = /((?:[a-z]+:\/\/|[A-Za-z]:\\|\/)[^()]*:\d+:\d+)\)?$/

/** The call site in a stack's text; nothing when no frame is the user's. */
export const parse = (stack: string | undefined): string | undefined => {
  const frame = stack?.split("\n").find((line) => location.test(line) && foreign(line))
  const found = frame === undefined ? undefined : location.exec(frame)?.[1]
  return found === undefined ? undefined : pathOf(found)
}

/** Captures the stack of this call; the site is read from it on demand. */
export const capture = (): { readonly site: string | undefined } => {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = depth
  const error = new Error()
  Error.stackTraceLimit = limit
  let site: string | undefined
  let parsed = false
  return {
    get site() {
      if (!parsed) {
        site = parse(error.stack)
        parsed = true
      }
      return site
    }
  }
}

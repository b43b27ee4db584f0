/**
 * What a process that runs for a long time says: a line for each thing that happened, and now and then how it goes. For
 * people on standard error, on a terminal with the last news repainted at its lower end; for programs (`--json`) one JSON
 * object per line on standard output. What handlers log goes the same way.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"
import * as Screen from "./Screen.ts"

export interface Journal {
  /** Something happened: a name and fields for programs, a sentence for people. */
  readonly tell: (event: string, fields: { readonly [name: string]: unknown }, sentence: string) => void
  /** Lines for people alone. */
  readonly show: (lines: ReadonlyArray<string>) => void
}

export interface Options {
  readonly json: boolean
}

export const make = ({ json }: Options): Journal => ({
  tell: (event, fields, sentence) =>
    json ? printJson({ event, ...fields }) : process.stderr.write(`${clock(new Date())}  ${sentence}\n`),
  show: (lines) => {
    if (!json) process.stderr.write(lines.map((line) => `${line}\n`).join(""))
  }
})

const printJson = (fields: object): void =>
  void process.stdout.write(`${JSON.stringify({ time: new Date().toISOString(), ...fields })}\n`)

/** `14:03:59`, of this place. */
const clock = (date: Date): string => date.toTimeString().slice(0, 8)

/** How it goes, said again and again. */
export interface News {
  /** For programs. */
  readonly fields: { readonly [name: string]: unknown }
  /** For people. */
  readonly sentence: string
  /** Equal when there is nothing new: then a log is spared the line. */
  readonly key: string
}

/** Milliseconds between two lines of a log, and between two paints of a terminal. */
const pace = { log: 10_000, terminal: 1_000 } as const

/** Says how it goes until the scope closes, and what `news` is then one last time. */
export const follow = (
  event: string,
  news: Effect.Effect<News>,
  { json }: Options
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.gen(function* () {
    if (!json && process.stderr.isTTY) {
      const screen = yield* Effect.acquireRelease(
        Effect.sync(() => Screen.open(process.stderr, [process.stdout])),
        (screen) => Effect.sync(screen.close)
      )
      const paint = Effect.map(news, ({ sentence }) => screen.paint([sentence]))
      yield* Effect.addFinalizer(() => paint)
      yield* Effect.forkScoped(Effect.forever(Effect.andThen(paint, Effect.sleep(pace.terminal))))
      return
    }
    const journal = make({ json })
    let last = ""
    const write = Effect.map(news, ({ fields, sentence, key }) => {
      if (key !== last) journal.tell(event, fields, sentence)
      last = key
    })
    yield* Effect.addFinalizer(() => write)
    yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(pace.log), write)))
  })

/**
 * Logs of the program and of handlers, in the form of the journal. A cause is told whole from errors on, else in a line. A
 * warning that comes again and again, as while a store is away, is told once in a while, with how often it came.
 */
export const logger = ({ json }: Options): Layer.Layer<never> => {
  const isNews = sparingly()
  return Logger.layer([
    Logger.make(({ cause, date, logLevel, message }) => {
      const parts = (Array.isArray(message) ? message : [message]).map(textOf)
      if (cause.reasons.length > 0) {
        const isGrave = logLevel === "Error" || logLevel === "Fatal"
        parts.push(isGrave ? Cause.pretty(cause) : textOf(Cause.squash(cause)))
      }
      const text = parts.join(" ")
      const told = logLevel === "Warn" ? isNews(text, date.getTime()) : text
      if (told === undefined) return
      if (json) printJson({ event: "log", level: logLevel, message: told })
      else process.stderr.write(`${clock(date)}  ${logLevel === "Info" ? "" : `${logLevel}: `}${told}\n`)
    })
  ])
}

/** Texts that are remembered. */
const remembered = 100

/** Lets the same text through once per `pace.log`; the next time with how many there were between. */
const sparingly = () => {
  const known = new Map<string, { at: number; held: number }>()
  return (text: string, now: number): string | undefined => {
    const before = known.get(text)
    if (before !== undefined && now - before.at < pace.log) {
      before.held++
      return undefined
    }
    known.delete(text)
    known.set(text, { at: now, held: 0 })
    if (known.size > remembered) known.delete(known.keys().next().value!)
    return before === undefined || before.held === 0 ? text : `${text} (${before.held} times more since)`
  }
}

const textOf = (value: unknown): string =>
  typeof value === "string" ? value : value instanceof Error ? value.message : (JSON.stringify(value) ?? String(value))

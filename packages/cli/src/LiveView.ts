/**
 * A run, shown while it runs: on a terminal its graph, repainted in place about ten times a second; elsewhere a line
 * whenever a tenth more is done, or some seconds have passed. It only looks: ten times a second it asks the broker for
 * the run's counts. The larger a run is, the more rarely it is looked at, every five seconds at least, so that looking
 * takes little of the time.
 *
 * @example
 * ```ts
 * import * as LiveView from "@arpeggio/cli/LiveView"
 * import { Broker } from "@arpeggio/core/Broker"
 * import * as Effect from "effect/Effect"
 *
 * const shown = (run: string) =>
 *   Effect.gen(function* () {
 *     const broker = yield* Broker
 *     yield* LiveView.follow(run)
 *     return yield* broker.await(run)
 *   }).pipe(Effect.scoped)
 * ```
 */
import type { RunView } from "@arpeggio/core/Broker"
import { Broker } from "@arpeggio/core/Broker"
import * as Client from "@arpeggio/core/Client"
import * as Diagram from "@arpeggio/core/Diagram"
import type { BrokerUnavailable, RunDamaged, RunNotFound } from "@arpeggio/core/Failure"
import type { Plan } from "@arpeggio/core/Plan"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Figures from "./Figures.ts"
import * as Progress from "./Progress.ts"
import * as Screen from "./Screen.ts"

export interface Options {
  /** Where to: `process.stderr` by default, so that results on standard output stay clean. */
  readonly terminal?: Screen.Terminal | undefined
  /** `screen` repaints in place, `lines` writes a line now and then. Default: `screen` on a terminal. */
  readonly mode?: "screen" | "lines" | undefined
  /** Default: on a terminal, unless `NO_COLOR` is set. */
  readonly color?: boolean | undefined
  /** What else to say below the state of the run, asked for at every look. Default: nothing. */
  readonly notes?: (() => ReadonlyArray<string>) | undefined
}

/** Milliseconds between two looks, when looking is cheap. */
const interval = 100

/** Looking may take this part of the time … */
const share = 0.05

/** … but nobody waits for longer than so many milliseconds: a look may be slow for once, as when a store comes back. */
const longest = 5_000

/** Without news of a tenth, a line is written after so many milliseconds. */
const patience = 5_000

/**
 * Shows a run until the scope closes; then for a last time, so that what stays on the terminal is how it ended.
 */
export const follow = Effect.fnUntraced(function* (
  run: string,
  options: Options = {}
): Effect.fn.Return<void, RunNotFound | RunDamaged | BrokerUnavailable, Broker | Scope.Scope> {
  const broker = yield* Broker
  const plan = yield* Client.plan(run)
  let last = yield* broker.run(run)
  const terminal = options.terminal ?? process.stderr
  const mode = options.mode ?? (terminal.isTTY === true ? "screen" : "lines")
  const color = options.color ?? (terminal.isTTY === true && (process.env["NO_COLOR"] ?? "") === "")
  const view = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const notes = options.notes ?? (() => [])
      return mode === "screen" ? onScreen(plan, terminal, color, notes) : inLines(plan, terminal, notes)
    }),
    (view) => Effect.sync(view.close)
  )

  const show = Effect.gen(function* () {
    const before = performance.now()
    view.show((last = yield* broker.run(run)))
    return performance.now() - before
  })
  // A broker that can't be asked just now will be asked again; meanwhile there may be something to say about it.
  const showLast = Effect.sync(() => {
    view.show(last)
    return 0
  })
  const lookAgain = Effect.flatMap(
    Effect.catchTag(show, "BrokerUnavailable", () => showLast),
    (cost) => Effect.sleep(Math.min(longest, Math.max(interval, cost / share)))
  )
  yield* Effect.addFinalizer(() => Effect.ignore(show))
  yield* Effect.forkScoped(Effect.interruptible(Effect.forever(lookAgain)))
})

interface View {
  readonly show: (view: RunView) => void
  readonly close: () => void
}

type Notes = () => ReadonlyArray<string>

const onScreen = (plan: Plan, terminal: Screen.Terminal, color: boolean, notes: Notes): View => {
  const screen = Screen.open(
    terminal,
    [process.stdout, process.stderr].filter((stream) => stream !== terminal)
  )
  let frame = 0
  let last: RunView | undefined
  const show = (view: RunView) => {
    last = view
    const below = ["", statusLine(plan, view), ...notes().flatMap((note) => wrap(note, screen.width()))]
    const room = { width: screen.width(), height: Math.max(1, screen.height() - below.length) }
    const drawing = Diagram.text(plan, { run: view, ...room, color, frame: frame++ })
    screen.paint([...fit(drawing.split("\n"), room.height), ...below])
  }
  // The next look may be seconds away.
  const showAgain = () => {
    if (last !== undefined) show(last)
  }
  terminal.on?.("resize", showAgain)
  return {
    show,
    close: () => {
      terminal.off?.("resize", showAgain)
      screen.close()
    }
  }
}

/** A note in lines of so many columns, broken between words: it may hold a command to copy. */
const wrap = (text: string, columns: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const word of text.split(" ")) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + 1 + word.length <= columns) lines[lines.length - 1] = `${last} ${word}`
    else lines.push(word)
  }
  return lines
}

/** A drawing is made for the height; in a very low terminal even the lowest one may not fit. */
const fit = (lines: ReadonlyArray<string>, height: number): ReadonlyArray<string> =>
  lines.length <= height
    ? lines
    : [...lines.slice(0, height - 1), `… ${lines.length - height + 1} more lines, for a taller terminal`]

const inLines = (plan: Plan, terminal: Screen.Terminal, notes: Notes): View => {
  let said: ReadonlyArray<string> = []
  let tenth = -1
  let last = ""
  let shownAt = 0
  return {
    show: (view) => {
      const heard = notes()
      for (const note of heard) if (!said.includes(note)) terminal.write(`${note}\n`)
      said = heard
      const { done, total } = Progress.of(plan, view)
      const now = Math.floor((10 * done) / Math.max(1, total))
      const line = statusLine(plan, view)
      const isNews = now > tenth || view.state !== "running" || performance.now() - shownAt >= patience
      if (!isNews || line === last) return
      tenth = now
      last = line
      shownAt = performance.now()
      terminal.write(`${line}\n`)
    },
    close: () => {}
  }
}

/** `source-index: 40 %, 230 of 573 steps done, 16 running, 2 retried, 1.24 s`. */
export const statusLine = (plan: Plan, view: RunView): string => {
  const { done, total, running, retries, failed } = Progress.of(plan, view)
  return [
    `${view.flow}: ${view.state !== "running" ? view.state : view.cancelling ? "cancelling" : Figures.percent(done, total)}`,
    `${Figures.count(done)} of ${Figures.plural(total, "step")} done`,
    ...(running > 0 ? [`${Figures.count(running)} running`] : []),
    ...(failed > 0 ? [`${Figures.count(failed)} failed`] : []),
    ...(retries > 0 ? [`${Figures.count(retries)} retried`] : []),
    // The store's clock may be ahead of this one.
    Figures.duration(Math.max(0, (view.endedAt ?? Date.now()) - view.submittedAt))
  ].join(", ")
}

/**
 * Runs a flow again and again while its module is being written: at the start, when a source file beside the module
 * changes, and on Enter. Each run is a process of its own, since a module that is loaded stays as it is.
 */
import * as Effect from "effect/Effect"
import type { ChildProcess } from "node:child_process"
import { spawn } from "node:child_process"
import { once } from "node:events"
import type { FSWatcher } from "node:fs"
import { globSync, watch } from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import type { WrongUse } from "./ExitCode.ts"
import * as Input from "./Input.ts"
import type * as Module from "./Module.ts"

export interface Options {
  /** `module#flow`. */
  readonly target: string
  readonly module: Module.Address
  /** The value of `--input`. */
  readonly input: string | undefined
  readonly concurrency: number
  readonly color: boolean
}

/** Editors write a file in several steps; what comes within so many milliseconds is one change. */
const settleTime = 150

/** Files whose change matters. */
const isSource = (name: string): boolean => /\.[cm]?[jt]sx?$/.test(name)

/** Never ends by itself; interrupting it ends the run that is going on. */
export const start = (options: Options): Effect.Effect<never, WrongUse> =>
  Effect.gen(function* () {
    // Standard input can be read once, and every run wants it.
    const text = options.input === "-" ? JSON.stringify(yield* Input.read("-")) : undefined
    return yield* Effect.callback<never>(() => {
      const loop = new Loop(options, text)
      return Effect.promise(() => loop.stop())
    })
  })

class Loop {
  readonly #options: Options
  readonly #stdin: string | undefined
  readonly #watchers: ReadonlyArray<FSWatcher>
  #child: ChildProcess | undefined
  /** Why to run again when this run has ended. */
  #again: string | undefined
  #stopping = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: Options, stdin: string | undefined) {
    this.#options = options
    this.#stdin = stdin
    const folder = path.dirname(options.module.file)
    this.#watchers = this.#watch(folder)
    if (process.stdin.isTTY) process.stdin.on("data", this.#onEnter)
    this.#run()
  }

  /** Stops watching, and waits for the end of the run. It has had its Ctrl-C from the terminal; from elsewhere it gets one. */
  async stop(): Promise<void> {
    this.#stopping = true
    clearTimeout(this.#timer)
    for (const watcher of this.#watchers) watcher.close()
    process.stdin.off("data", this.#onEnter).pause()
    await this.#interrupt()
  }

  readonly #onEnter = () => this.#change("on request")

  #watch(folder: string): ReadonlyArray<FSWatcher> {
    const folders = [
      folder,
      ...globSync("**/", { cwd: folder, exclude: isIgnored }).map((name) => path.join(folder, name))
    ]
    const input = this.#options.input?.startsWith("@") ? [path.resolve(this.#options.input.slice(1))] : []
    return [
      ...Array.from(new Set(folders), (folder) =>
        watch(folder, (_, name) => {
          if (name !== null && isSource(name)) this.#change(path.relative(process.cwd(), path.join(folder, name)))
        })
      ),
      ...input.map((file) => watch(file, () => this.#change(path.relative(process.cwd(), file))))
    ]
  }

  #change(what: string): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      if (this.#child === undefined) return this.#runAgain(what)
      // Nothing is said now: the run that ends still paints the terminal.
      this.#again = what
      void this.#interrupt()
    }, settleTime)
  }

  #runAgain(why: string): void {
    this.#say(`Running again: ${why}`)
    this.#run()
  }

  #run(): void {
    const { target, input, concurrency, color } = this.#options
    const bin = fileURLToPath(new URL(import.meta.url.endsWith(".ts") ? "bin.ts" : "bin.js", import.meta.url))
    const flags = ["--concurrency", String(concurrency), color ? "--color" : "--no-color"]
    const child = spawn(
      process.execPath,
      [...process.execArgv, bin, "run", target, ...(input === undefined ? [] : [`--input=${input}`]), ...flags],
      { stdio: [this.#stdin === undefined ? "ignore" : "pipe", "inherit", "inherit"] }
    )
    child.stdin?.end(this.#stdin)
    this.#child = child
    child.once("exit", () => {
      this.#child = undefined
      if (this.#stopping) return
      if (this.#again !== undefined) {
        this.#runAgain(this.#again)
        this.#again = undefined
        return
      }
      const folder = path.relative(process.cwd(), path.dirname(this.#options.module.file))
      this.#say(
        `Watching ${folder === "" ? "this folder" : folder}: runs again on a change${process.stdin.isTTY ? ", or on Enter" : ""}. Ctrl-C ends.`
      )
    })
  }

  async #interrupt(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null) return
    const ended = once(child, "exit")
    child.kill("SIGTERM")
    await ended
  }

  #say(text: string): void {
    process.stderr.write(this.#options.color ? `\n\u001B[2m${text}\u001B[0m\n` : `\n${text}\n`)
  }
}

const isIgnored = (name: string): boolean =>
  name === "node_modules" || name.startsWith(".") || name === "out" || name === "dist"

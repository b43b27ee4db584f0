/**
 * The command line as users run it: a process of its own, with what it prints and its exit code.
 */
import type { ChildProcessWithoutNullStreams } from "node:child_process"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as path from "node:path"
import { text } from "node:stream/consumers"
import { afterAll } from "vitest"

const bin = path.join(import.meta.dirname, "../src/bin.ts")

/** The folder the command runs in: what is typed as a path is relative to it. */
export const folder = path.join(import.meta.dirname, "fixtures")

export interface Finished {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** What a process may take on a busy machine, in milliseconds. */
export const timeout = 60_000

const started: Array<ChildProcessWithoutNullStreams> = []
// A test that fails leaves nothing running.
afterAll(() => {
  for (const child of started) child.kill("SIGKILL")
})

/** Starts `arpeggio`; nothing is a terminal, and no store is named in the environment. */
export const start = (...args: ReadonlyArray<string>): ChildProcessWithoutNullStreams => {
  const env = { ...process.env, NO_COLOR: "1", ARPEGGIO_REDIS_URL: "" }
  const child = spawn(process.execPath, [bin, ...args], { cwd: folder, env })
  started.push(child)
  return child
}

export const finished = async (child: ChildProcessWithoutNullStreams): Promise<Finished> => {
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")])
  return { code: code as number | null, stdout, stderr }
}

/** Runs `arpeggio` to its end with nothing on standard input. */
export const arpeggio = (...args: ReadonlyArray<string>): Promise<Finished> => arpeggioWith("", ...args)

/** Runs `arpeggio` to its end with a text on standard input. */
export const arpeggioWith = (input: string, ...args: ReadonlyArray<string>): Promise<Finished> => {
  const child = start(...args)
  child.stdin.end(input)
  return finished(child)
}

/** Completes when a text has been printed on standard error; that is how a test knows how far a process is. */
export const prints = (child: ChildProcessWithoutNullStreams, expected: string): Promise<void> =>
  new Promise((resolve, reject) => {
    let printed = ""
    child.stderr.on("data", (chunk: Buffer) => {
      printed += chunk.toString()
      if (printed.includes(expected)) resolve()
    })
    child.on("exit", () => reject(new Error(`It ended without printing ${expected}. It printed: ${printed}`)))
  })

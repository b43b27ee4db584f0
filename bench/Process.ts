/**
 * A process of a peer, as the benchmark holds it: can be asked what its role says, and ends with the scope.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn, type ChildProcess } from "node:child_process"
import { BenchFailure } from "./Failure.ts"
import type { Reply, Request, Role, Verbs } from "./Protocol.ts"

type Method = (args: never) => Promise<unknown>
type Ask<V> = <K extends keyof V & string>(
  verb: K,
  ...args: V[K] extends (args: infer A) => Promise<unknown> ? ({} extends A ? [] : [args: A]) : never
) => Effect.Effect<V[K] extends Method ? Awaited<ReturnType<V[K]>> : never, BenchFailure>

export interface Process<R extends Role> {
  readonly ask: Ask<Verbs[R]>
}

export type Producer = Process<"producer">
export type Worker = Process<"worker">

/** How long an answer may take before the measurement is given up. */
const deadline = "10 minutes"

/** Starts it and waits until it is ready. */
export const start = <R extends Role>(
  name: string,
  command: ReadonlyArray<string>,
  role: R,
  url: string
): Effect.Effect<Process<R>, BenchFailure, Scope.Scope> =>
  Effect.gen(function* () {
    const line = yield* Effect.acquireRelease(
      Effect.sync(() => new Line(`${name} ${role}`, [...command, role, url])),
      (line) => Effect.promise(() => line.end())
    )
    const answer = (call: () => Promise<unknown>, what: string) =>
      Effect.tryPromise({ try: call, catch: (error) => error as BenchFailure }).pipe(
        Effect.timeoutOrElse({
          duration: deadline,
          orElse: () =>
            Effect.fail(new BenchFailure({ message: `${line.name} did not answer ${what} in ${deadline}.` }))
        })
      )
    yield* answer(() => line.ready, "its start")
    return { ask: ((verb: string, args: object = {}) => answer(() => line.ask(verb, args), verb)) as Ask<Verbs[R]> }
  })

interface Asked {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: BenchFailure) => void
}

class Line {
  readonly name: string
  readonly ready: Promise<unknown>
  readonly #child: ChildProcess
  readonly #asked = new Map<number, Asked>()
  readonly #onExit = (): void => void this.#child.kill("SIGKILL")
  #ids = 0
  /** The last it wrote to standard error. */
  #complaint = ""
  #hasEnded = false

  constructor(name: string, command: ReadonlyArray<string>) {
    this.name = name
    const [program = "", ...args] = command
    this.ready = new Promise((resolve, reject) => this.#asked.set(0, { resolve, reject }))
    this.ready.catch(() => {})
    this.#child = spawn(program, args, { stdio: ["ignore", "ignore", "pipe", "ipc"], detached: true })
    this.#child.stderr!.on("data", (chunk) => {
      this.#complaint = (this.#complaint + String(chunk)).slice(-4_096)
    })
    this.#child.on("message", (reply: Reply) => this.#hear(reply))
    this.#child.once("error", (error) => this.#lose(error.message))
    this.#child.once("exit", (code, signal) => this.#lose(`it ended with ${code ?? signal}`))
    process.once("exit", this.#onExit)
  }

  ask(verb: string, args: object): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#hasEnded) return reject(this.#failure("it has ended"))
      const id = ++this.#ids
      this.#asked.set(id, { resolve, reject })
      this.#child.send({ id, verb, args } satisfies Request)
    })
  }

  async end(): Promise<void> {
    process.off("exit", this.#onExit)
    if (this.#hasEnded) return
    const exited = new Promise((resolve) => this.#child.once("exit", resolve))
    this.#child.kill("SIGKILL")
    await exited
  }

  #hear(reply: Reply): void {
    const asked = this.#asked.get(reply.id)
    this.#asked.delete(reply.id)
    if ("value" in reply) asked?.resolve(reply.value)
    else asked?.reject(this.#failure(reply.error))
  }

  #lose(why: string): void {
    this.#hasEnded = true
    for (const { reject } of this.#asked.values()) reject(this.#failure(why))
    this.#asked.clear()
  }

  #failure(why: string): BenchFailure {
    const said = this.#complaint.trim()
    return new BenchFailure({ message: `${this.name}: ${why}${said === "" ? "" : `\n${said}`}` })
  }
}

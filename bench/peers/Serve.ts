/**
 * The side of a process in JavaScript: answers what it is asked, and ends with the program that started it.
 */
import type { Reply, Request, Role, Usage, Verbs } from "../Protocol.ts"

type WithoutUsage<R extends Role> = Omit<Verbs[R], "usage">

/** What this process was started for, and the Redis it is to use. */
export const settings = (): { readonly role: Role; readonly url: string } => {
  const [role, url] = process.argv.slice(2)
  if ((role !== "producer" && role !== "worker") || url === undefined || process.send === undefined) {
    throw new Error("This is started by bench: pnpm bench --help")
  }
  return { role, url }
}

const usage = async (): Promise<Usage> => {
  const { system, user } = process.cpuUsage()
  return { cpu: user + system, rss: process.memoryUsage.rss() }
}

/** Answers questions from now on. */
export const serve = <R extends Role>(verbs: WithoutUsage<R>): void => {
  const answers = { ...verbs, usage } as unknown as Record<string, (args: object) => Promise<unknown>>
  const tell = (reply: Reply): void => void process.send!(reply)
  process.on("message", ({ args, id, verb }: Request) => {
    void Promise.resolve()
      .then(() => answers[verb]!(args))
      .then(
        (value) => tell({ id, value: value ?? null }),
        (error: unknown) => tell({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
      )
  })
  // Ctrl-C reaches all processes of a terminal; who started this one decides when it ends.
  process.on("SIGINT", () => {})
  process.once("disconnect", () => process.exit(0))
  tell({ id: 0, value: null })
}

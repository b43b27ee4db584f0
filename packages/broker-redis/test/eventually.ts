import { setTimeout as pause } from "node:timers/promises"

/** Asks again and again until it holds; rejects when it does not within some seconds. */
export const eventually = async (what: string, holds: () => Promise<boolean>, seconds = 20): Promise<void> => {
  const until = Date.now() + seconds * 1_000
  while (!(await holds())) {
    if (Date.now() > until) throw new Error(`This did not come about within ${seconds} s: ${what}`)
    await pause(20)
  }
}

/**
 * Cancels a run: recorded at once, so that nothing starts any more; it has ended when what runs has stopped.
 */
import type { Run, Store } from "./Store.ts"
import { advance, close } from "./advance.ts"

/** False when the run had ended. */
export const cancel = (store: Store, run: Run, now: number): boolean => {
  if (run.state !== "running") return false
  if (run.closing !== "cancel") {
    if (store.watched) store.events.push({ _tag: "RunCancelling", run: run.id, at: now })
    close(store, run, "cancel", now)
    advance(store, run, now, store.options.slice)
  }
  return true
}

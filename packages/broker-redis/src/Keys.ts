/**
 * Every key the broker uses. All of a partition share one hash tag, so that one function makes a whole transition, in a
 * cluster too.
 *
 * | key, after the prefix | type | holds |
 * | --- | --- | --- |
 * | `b:<beginning of ids>` | hash | runs of one node, by the rest of their ids; see `scripts/bucket.lua` |
 * | `r:<run>` | hash | any other run: state, input, joins, ends of its nodes; see `scripts/run.lua` |
 * | `f:<run>:<collect>` | hash | the elements of one forEach |
 * | `d:<run>` | list | work deferred to the next call |
 * | `p:<hash>` | hash | a plan: `json`, the programs of its nodes and their lists of edges, `#` its bodies, how many runs have it; gone with the last; see `Program.ts` |
 * | `q:<queue>:<band>` | list | ready nodes, by priority |
 * | `k:<queue>:<band>:<task>`, `kt:<queue>` | list, zset | ready nodes nobody who asked could run, and their task keys |
 * | `s:<queue>`, `reserved` | list, hash | suspects, and the workers they reserved |
 * | `flags` | hash | what need not be looked at, the bands in use of each queue, when somebody swept and reconciled last |
 * | `w:<worker>` | hash | what a worker holds (the fences), and what it can run |
 * | `i:<queue>` | set | workers that wait for something in it |
 * | `ws`, `wi` | zset, hash | leases, what workers say of themselves |
 * | `t` | zset | timers; `deferred` when somebody is to look at `x` |
 * | `x` | set | runs with deferred work |
 * | `g`, `g:<name>` | zset, hash | what is staged and not used yet |
 * | `dead` | list | notes of nodes that were given up, the newest last: see `scripts/hold.lua` |
 * | `damaged` | hash | runs whose data is not as it was written: since when, and what is wrong; see `scripts/damage.lua` |
 * | `schema` | string | the layout of all this, a number |
 * | `kept`, `runs` | list | runs in the order of submission, those of `kept` before those of `runs`; what was removed may stand there for a while; see `scripts/sweep.lua` |
 * | `done:<state>` | list | ended runs, for retention |
 * | `partitions` | string | of the first partition: how many the store has |
 * | `wake`, `ended`, `events` | channel | hints to workers; ended runs, with short values; events |
 */
export const prefix = (namespace: string, partition: number): string => `${namespace}{${partition}}:`

export const run = (id: string): string => `r:${id}`
/** Where a run of one node is, as `bucketOf` in `scripts/bucket.lua` says it: by bytes, between characters. */
export const bucket = (id: string): { readonly key: string; readonly field: string } => {
  const bytes = Buffer.from(id)
  let cut = bytes.length === 26 && /^[0-7][A-Z\d]{7}/.test(id) ? 8 : Math.max(0, bytes.length - 3)
  while (cut > 0 && (bytes[cut]! & 0xc0) === 0x80) cut--
  return { key: `b:${bytes.toString("utf8", 0, cut)}`, field: bytes.toString("utf8", cut) }
}
export const elements = (run: string, collect: string): string => `f:${run}:${collect}`
export const plan = (hash: string): string => `p:${hash}`
export const band = (queue: string, band: string): string => `q:${queue}:${band}`
export const parked = (queue: string, band: string, task: string): string => `k:${queue}:${band}:${task}`
export const parkedTasks = (queue: string): string => `kt:${queue}`
export const suspects = (queue: string): string => `s:${queue}`
export const flags = "flags"
export const bandsFlag = (queue: string): string => `b:${queue}`
export const watchedFlag = "watched"
export const holding = (worker: string): string => `w:${worker}`
export const leases = "ws"
export const timers = "t"
export const workers = "wi"
export const deferred = "x"
export const staged = (name: string): string => `g:${name}`
export const runs = "runs"
export const kept = "kept"
export const done = (state: string): string => `done:${state}`
export const dead = "dead"
export const damaged = "damaged"
export const partitions = "partitions"
/** More than a cluster of any sensible size has use for, and each costs an idle worker a call per poll. */
export const mostPartitions = 1_024
export const wake = "wake"
export const ended = "ended"
export const events = "events"

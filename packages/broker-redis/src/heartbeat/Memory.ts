/**
 * What a worker's loop and the thread that keeps its lease share: two moments, in nanoseconds of `process.hrtime`, whose
 * origin is the same for all threads of a process. Each is written by one side and read by the other.
 */

/** By the loop: when it last showed life. */
export const beatAt = 0

/** By the thread: when it sent the last renewal that succeeded; 0 while there is none. */
export const renewedAt = 1

export type Memory = BigInt64Array<SharedArrayBuffer>

export const make = (): Memory => {
  const memory = new BigInt64Array(new SharedArrayBuffer(16))
  mark(memory, beatAt, process.hrtime.bigint())
  return memory
}

export const mark = (self: Memory, moment: typeof beatAt | typeof renewedAt, at: bigint): void => {
  Atomics.store(self, moment, at)
}

/** Milliseconds since that moment; `Infinity` when it has not been. */
export const since = (self: Memory, moment: typeof beatAt | typeof renewedAt): number => {
  const at = Atomics.load(self, moment)
  return at === 0n ? Infinity : Number(process.hrtime.bigint() - at) / 1e6
}

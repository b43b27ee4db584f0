/**
 * A priority queue of what is due when: a binary heap, first in first out among equals.
 */
export interface Timers<A> {
  readonly heap: Array<{ readonly due: number; readonly order: number; readonly value: A }>
  order: number
}

export const make = <A>(): Timers<A> => ({ heap: [], order: 0 })

/** The time of the earliest; undefined when there is none. */
export const nextDue = <A>(self: Timers<A>): number | undefined => self.heap[0]?.due

export const add = <A>(self: Timers<A>, due: number, value: A): void => {
  const heap = self.heap
  const entry = { due, order: self.order++, value }
  let at = heap.length
  heap.push(entry)
  while (at > 0) {
    const parent = (at - 1) >> 1
    if (!isBefore(entry, heap[parent]!)) break
    heap[at] = heap[parent]!
    at = parent
  }
  heap[at] = entry
}

/** Removes and returns the earliest value due at `now`; undefined when none is. */
export const take = <A>(self: Timers<A>, now: number): A | undefined => {
  const heap = self.heap
  const first = heap[0]
  if (first === undefined || first.due > now) return undefined
  const last = heap.pop()!
  if (heap.length === 0) return first.value
  let at = 0
  for (;;) {
    let child = 2 * at + 1
    if (child >= heap.length) break
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
    if (!isBefore(heap[child]!, last)) break
    heap[at] = heap[child]!
    at = child
  }
  heap[at] = last
  return first.value
}

const isBefore = (a: { due: number; order: number }, b: { due: number; order: number }): boolean =>
  a.due < b.due || (a.due === b.due && a.order < b.order)

/**
 * Seeds that failed once. They run first, whatever they mean by now: a generator that changes makes other worlds of them.
 */
export const corpus: ReadonlyArray<{
  readonly kind: "kernel" | "flows"
  readonly seed: number
  readonly found: string
}> = [
  { kind: "kernel", seed: 2329, found: "a suspect of an earlier generation was still one" },
  { kind: "kernel", seed: 2596, found: "an inner body was not released after what it uses from two bodies out" },
  { kind: "kernel", seed: 1014802, found: "a worker waits for a suspect of one queue, and takes nothing from another" },
  { kind: "flows", seed: 1010076, found: "an instance of an earlier generation is there without room for it" },
  { kind: "flows", seed: 1077, found: "a node cancelled after the decision stays cancelled when its run is retried" },
  { kind: "flows", seed: 2414, found: "a generation that is cut short keeps what the one before executed" },
  { kind: "flows", seed: 18806, found: "a retry left cancelled what it needed anew" }
]

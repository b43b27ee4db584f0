/**
 * Makes a WfFormat 1.5 document of our own, the same for the same seed: photographs of one landscape that overlap are
 * straightened, compared with their neighbours, corrected and stitched into a panorama.
 *
 *     node generate.ts [--photos 12] [--seed 1] > trace.json
 */
import { parseArgs } from "node:util"

interface Step {
  readonly program: string
  /** Mean runtime in seconds; what is drawn lies between half and twice of it. */
  readonly seconds: number
  readonly parents: ReadonlyArray<string>
}

/** Numbers from 0 to 1 that depend on the seed alone (mulberry32). */
const random = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** The steps of a panorama of so many photographs, by their ids. */
const panorama = (photos: number): ReadonlyMap<string, Step> => {
  const steps = new Map<string, Step>()
  const add = (program: string, seconds: number, parents: ReadonlyArray<string>): string => {
    const id = `${program}_ID${String(steps.size + 1).padStart(7, "0")}`
    steps.set(id, { program, seconds, parents })
    return id
  }
  const numbers = Array.from({ length: photos }, (_, i) => i)
  const imported = add("import", 4, [])
  const straight = numbers.map(() => add("straighten", 12, [imported]))
  const overlaps = numbers.slice(1).map((i) => add("compare", 5, [straight[i - 1]!, straight[i]!]))
  const model = add("fit", 9, overlaps)
  const corrected = numbers.map((i) => add("correct", 7, [straight[i]!, model]))
  const stitched = add("stitch", 30, corrected)
  add("preview", 3, [stitched])
  add("archive", 8, [stitched])
  return steps
}

/** The document, as a JSON value. */
export const generate = (options: { readonly photos: number; readonly seed: number }) => {
  const draw = random(options.seed)
  const steps = Array.from(panorama(options.photos), ([id, step]) => ({
    id,
    ...step,
    runtime: Number((step.seconds * 2 ** (2 * draw() - 1)).toFixed(3))
  }))
  const ends = new Map<string, number>()
  for (const { id, parents, runtime } of steps) {
    ends.set(id, Math.max(0, ...parents.map((parent) => ends.get(parent)!)) + runtime)
  }
  return {
    name: "panorama",
    description: `Made by examples/trace-replay/generate.ts: ${options.photos} photographs, seed ${options.seed}`,
    schemaVersion: "1.5",
    workflow: {
      specification: {
        tasks: steps.map(({ id, parents }) => ({
          name: id,
          id,
          parents,
          children: steps.filter((other) => other.parents.includes(id)).map((other) => other.id)
        }))
      },
      execution: {
        // As recorded on a machine where nobody waits for a free slot: the critical path.
        makespanInSeconds: Number(Math.max(...ends.values()).toFixed(3)),
        executedAt: "2026-01-01T00:00:00Z",
        tasks: steps.map(({ id, program, runtime }) => ({ id, runtimeInSeconds: runtime, command: { program } }))
      }
    }
  }
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { photos: { type: "string" }, seed: { type: "string" } } })
  const document = generate({ photos: Number(values.photos ?? 12), seed: Number(values.seed ?? 1) })
  process.stdout.write(`${JSON.stringify(document, undefined, 2)}\n`)
}

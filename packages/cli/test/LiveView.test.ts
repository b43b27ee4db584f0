import * as LiveView from "@arpeggio/cli/LiveView"
import * as Client from "@arpeggio/core/Client"
import * as Flow from "@arpeggio/core/Flow"
import * as MemoryBroker from "@arpeggio/core/MemoryBroker"
import * as Task from "@arpeggio/core/Task"
import * as Worker from "@arpeggio/core/Worker"
import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Latch from "effect/Latch"
import * as Schema from "effect/Schema"

const step = Task.make("step", { input: Schema.Int, output: Schema.Int })
const count = Flow.make("count", { input: Schema.Struct({ numbers: Schema.Array(Schema.Int) }) }, ({ numbers }) =>
  Flow.forEach(numbers, (n) => step(n), { concurrency: 2 })
)

/** A stream that is no terminal, or says it is one. */
const sink = (isTTY: boolean) => {
  const written: Array<string> = []
  const write = ((chunk: string | Uint8Array) => written.push(chunk.toString()) > 0) as typeof process.stderr.write
  return { isTTY, columns: 80, rows: 30, write, written }
}

/** Runs the flow over some numbers and shows it; `beforeEach` can hold a step up. */
const show = (
  output: ReturnType<typeof sink>,
  numbers: ReadonlyArray<number>,
  beforeEach: (n: number) => Effect.Effect<void> = () => Effect.void
) =>
  Effect.gen(function* () {
    const run = yield* Client.submit(count, { numbers })
    yield* Effect.scoped(Effect.andThen(LiveView.follow(run.id, { terminal: output, color: false }), run.await))
    return yield* run.view
  }).pipe(
    Effect.provide(
      Worker.layer({ tasks: [step] }).pipe(
        Layer.provide(step.toLayer((n) => Effect.as(beforeEach(n), n))),
        Layer.provideMerge(MemoryBroker.layer())
      )
    )
  )

describe("LiveView", () => {
  it.live("writes lines where there is no terminal, and the last one says how the run ended", () =>
    Effect.gen(function* () {
      const output = sink(false)
      yield* show(output, [1, 2, 3])
      expect(output.written.at(-1)).toMatch(/^count: succeeded, 3 of 3 steps done, .*\n$/)
      expect(output.written.join("")).not.toContain("\u001B")
    })
  )

  it.live("counts the elements that a bounded forEach has not released yet", () =>
    Effect.gen(function* () {
      const output = sink(false)
      const seen = Latch.makeUnsafe(false)
      const { write } = output
      output.write = ((chunk: string) => {
        write(chunk)
        if (chunk.includes("of 10 steps")) seen.openUnsafe()
        return true
      }) as typeof write
      // The two that are released wait until the view has shown how many there will be.
      yield* show(
        output,
        Array.from({ length: 10 }, (_, i) => i),
        (n) => (n < 2 ? seen.await : Effect.void)
      )
      expect(output.written.join("")).toMatch(/^count: \d+ %, \d of 10 steps done/m)
    })
  )

  it.live("paints the graph on a terminal, and leaves it as it ended, with the cursor back", () =>
    Effect.gen(function* () {
      const output = sink(true)
      yield* show(output, [1, 2, 3])
      const text = output.written.join("")
      expect(text).toContain("✓ step")
      expect(text.indexOf("\u001B[?25l")).toBeLessThan(text.indexOf("step"))
      expect(text.endsWith("\u001B[?25h")).toBe(true)
      expect(output.written.at(-2)).toMatch(/3\/3[^]*count: succeeded, 3/)
    })
  )

  it.live("paints again at once when the terminal has another size", () =>
    Effect.gen(function* () {
      const listeners = new Set<() => void>()
      const output = {
        ...sink(true),
        on: (_: string, listener: () => void) => listeners.add(listener),
        off: (_: string, listener: () => void) => listeners.delete(listener)
      }
      const seen = Latch.makeUnsafe(false)
      const { write } = output
      output.write = ((chunk: string) => {
        write(chunk)
        if (chunk.includes("step")) seen.openUnsafe()
        return true
      }) as typeof write
      let painted: ReadonlyArray<string> = []
      const resize = Effect.sync(() => {
        const before = output.written.length
        output.columns = 30
        for (const listener of listeners) listener()
        painted = output.written.slice(before)
      })
      yield* show(output, [1], () => Effect.andThen(seen.await, resize))
      expect(painted).toHaveLength(1)
      // oxlint-disable-next-line no-control-regex -- the sequences around the text
      const lines = painted[0]!.replaceAll(/\u001B\[[?\d;]*[A-Za-z]/g, "").split("\n")
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(30)
      expect(listeners.size).toBe(0)
    })
  )

  it.live("says that there is no such run", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Effect.scoped(LiveView.follow("gone", { terminal: sink(false) })))
      expect(error).toMatchObject({ _tag: "RunNotFound", run: "gone" })
    }).pipe(Effect.provide(MemoryBroker.layer()))
  )
})

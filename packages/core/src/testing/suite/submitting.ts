import * as Effect from "effect/Effect"
import { hash } from "../../plan/Hash.ts"
import * as PlanBuilder from "../PlanBuilder.ts"
import { equal, group, isTrue } from "./Case.ts"
import { chain, map, single } from "./plans.ts"

export const submitting = group(
  "submit",
  {
    *"accepts a run and makes ready what waits for nothing"(rig) {
      equal(yield* rig.submitted(chain, { id: "run" }), { created: true })
      equal(yield* rig.states("run"), { a: "ready", b: "blocked", c: "blocked" })
      const run = yield* rig.broker.run("run")
      equal([run.state, run.generation, run.flow, run.cancelling], ["running", 1, "chain", false])
    },

    *"takes the same id, plan and input twice as one run"(rig) {
      const worker = yield* rig.hand({ tasks: ["a", "b", "c"] })
      equal(yield* rig.submitted(chain, { id: "run" }), { created: true })
      equal(yield* rig.submitted(chain, { id: "run" }), { created: false })
      equal(yield* worker.play(), ["a", "b", "c"])
    },

    *"changes nothing when a run that has ended is submitted again"(rig) {
      yield* rig.submit(chain, { id: "run" })
      const worker = yield* rig.hand()
      yield* worker.play()
      const before = yield* rig.broker.run("run")
      equal(yield* rig.submitted(chain, { id: "run" }), { created: false })
      equal(yield* worker.play(), [])
      equal(yield* rig.broker.run("run"), before)
    },

    *"refuses an id that is taken by a run with another input"(rig) {
      yield* rig.submit(chain, { id: "run", input: 1 })
      const error = yield* Effect.flip(rig.submit(chain, { id: "run", input: 2 }))
      equal([error._tag, "run" in error && error.run], ["DuplicateRun", "run"])
      const worker = yield* rig.hand()
      equal((yield* worker.take("a")).input, "1")
    },

    *"refuses an id that is taken by a run with another plan"(rig) {
      yield* rig.submit(chain, { id: "run" })
      const error = yield* Effect.flip(rig.submit(single(), { id: "run" }))
      equal(error._tag, "DuplicateRun")
      equal((yield* rig.broker.run("run")).planHash, hash(chain))
    },

    *"makes one run of many submissions of one id at once"(rig) {
      const submissions = Array.from({ length: 50 }, () => rig.submitted(single(), { id: "run" }))
      const answers = yield* Effect.all(submissions, { concurrency: "unbounded" })
      equal(answers.filter(({ created }) => created).length, 1)
      const worker = yield* rig.hand()
      equal(yield* worker.play(), ["a"])
    },

    *"starts a delayed run when its delay is over, not before"(rig) {
      yield* rig.submit(chain, { id: "run", delay: 4 })
      const worker = yield* rig.hand()
      yield* rig.pass(1)
      yield* rig.broker.sweep
      equal(yield* worker.claim(), [])
      equal((yield* rig.broker.run("run")).state, "running")
      yield* rig.pass(4)
      yield* rig.broker.sweep
      equal(yield* worker.play(), ["a", "b", "c"])
    },

    *"ends a delayed run that is cancelled before it started"(rig) {
      yield* rig.submit(chain, { id: "run", delay: 4 })
      equal(yield* rig.broker.cancel("run"), true)
      equal((yield* rig.broker.await("run")).state, "cancelled")
      yield* rig.pass(5)
      yield* rig.broker.sweep
      const worker = yield* rig.hand()
      equal(yield* worker.claim(), [])
    },

    *"keeps the plan under its hash"(rig) {
      yield* rig.submit(chain)
      equal(yield* rig.broker.plan(hash(chain)), chain)
      equal(yield* rig.broker.plan("unheard of"), undefined)
    },

    *"refuses an input over the limit, and knows nothing of the run then"(rig) {
      const error = yield* Effect.flip(rig.submit(single(), { id: "run", input: "x".repeat(999) }))
      isTrue(error._tag === "PayloadTooLarge", `refused with ${error._tag}`)
      if (error._tag === "PayloadTooLarge") equal([error.run, error.size, error.limit], ["run", 1_001, 1_000])
      equal((yield* Effect.flip(rig.broker.run("run")))._tag, "RunNotFound")
    },

    *"takes an input that is exactly as long as the limit"(rig) {
      equal(yield* rig.submitted(single(), { input: "x".repeat(998) }), { created: true })
    },

    *"refuses an element over the limit"(rig) {
      const elements = { each: ["x", "x".repeat(2_000)] }
      equal((yield* Effect.flip(rig.submit(map(), { elements })))._tag, "PayloadTooLarge")
    },

    *"makes the instances of what the submission decides"(rig) {
      const run = yield* rig.submit(map(), { elements: { each: ["x", "y"] } })
      const worker = yield* rig.hand()
      const jobs = yield* worker.claim()
      equal(
        jobs.map((job) => [job.name, job.items]),
        [
          ["each[0].double", ['"x"']],
          ["each[1].double", ['"y"']]
        ]
      )
      equal(yield* rig.read(run, "each.fork"), [{ _tag: "Succeeded", count: 2 }])
    },

    *"ends a run at once when there is nothing to do in it"(rig) {
      const empty = yield* rig.submit(map(), { elements: { each: [] } })
      equal((yield* rig.broker.await(empty)).state, "succeeded")
      equal(yield* rig.read(empty, "each"), [{ _tag: "Succeeded", count: 0 }])
      const nothing = PlanBuilder.make("nothing", (p) => p.pass("all"))
      const run = yield* rig.submit(nothing)
      isTrue((yield* rig.broker.run(run)).state === "succeeded", "a plan of one pass should have ended")
    }
  },
  () => ({ payloadLimit: 1_000 })
)

/**
 * `pnpm mutants --only <text> --jobs <n> --json`: plants each bug whose name contains the text in a copy of the workspace,
 * and runs the test that has to find it; then those tests without a bug. Exit code 1 when a bug survives.
 */
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import * as Copy from "./Copy.ts"
import type { Mutant } from "./Mutant.ts"
import { plant, root } from "./Mutant.ts"
import { plantedBugs } from "./plantedBugs.ts"
import * as Trial from "./Trial.ts"

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "" },
    jobs: { type: "string", default: String(availableParallelism()) },
    json: { type: "boolean", default: false }
  }
})

const mutants = plantedBugs.filter(({ name }) => name.includes(values.only))
if (mutants.length === 0) throw new Error(`No planted bug has "${values.only}" in its name.`)
for (const mutant of mutants) plant(mutant, root)

process.once("SIGINT", () => process.exit(130))

const say = (line: string): void => {
  if (!values.json) console.log(line)
}

interface Tried {
  readonly mutant: Mutant
  readonly verdict: Trial.Verdict
  readonly seconds: number
}

const tried: Array<Tried> = []
const wrong: Array<string> = []

const trial = (mutant: Mutant) => async (copy: Copy.Copy) => {
  const started = performance.now()
  const verdict = await Trial.attempt(copy, mutant)
  const seconds = Math.round((performance.now() - started) / 100) / 10
  tried.push({ mutant, verdict, seconds })
  say(
    `${verdict._tag.padEnd(8)} ${seconds.toFixed(1).padStart(5)} s  ${mutant.name}\n${"".padEnd(18)}${detail(verdict)}`
  )
}

const detail = (verdict: Trial.Verdict): string => {
  switch (verdict._tag) {
    case "Caught":
      return `by: ${verdict.by}`
    case "Survived":
      return "nothing failed"
    case "Void":
      return verdict.why
  }
}

const rehearsals = [
  ...Map.groupBy(
    mutants.map(({ by }) => by),
    ({ test }) => test
  ).values()
].map((catchers) => async (copy: Copy.Copy) => {
  wrong.push(...(await Trial.rehearse(copy, [...new Map(catchers.map((by) => [by.name, by])).values()])))
})

const jobs = [...rehearsals, ...mutants.map(trial)]
const started = performance.now()
const lane = async () => {
  const copy = Copy.make()
  try {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) await job(copy)
  } finally {
    copy.remove()
  }
}
await Promise.all(Array.from({ length: Math.max(1, Number(values.jobs)) }, lane))

const missed = tried.filter(({ verdict }) => verdict._tag !== "Caught")
for (const what of wrong) say(`fails without a bug, too: ${what}`)
say(
  `${tried.length - missed.length} of ${tried.length} caught in ${Math.round((performance.now() - started) / 1_000)} s`
)
if (values.json) {
  const results = tried.map(({ mutant, seconds, verdict }) => ({
    name: mutant.name,
    file: mutant.file,
    ...verdict,
    seconds
  }))
  console.log(JSON.stringify({ results, wrong }, undefined, 2))
}
if (missed.length + wrong.length > 0) process.exitCode = 1

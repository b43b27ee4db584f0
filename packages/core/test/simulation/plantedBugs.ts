/**
 * One for each thing that the engine must not forget. That instances wait for a release that a retry restarts, and that an
 * old entry in a queue hands out no suspect, is too rare to be found by chance: `Engine.test.ts` has a case for each.
 */
import type { Mutant } from "./Mutant.ts"

export const plantedBugs: ReadonlyArray<Mutant> = [
  {
    name: "any report of the right nonce counts, whatever its attempt",
    file: "settle.ts",
    find: "cell === undefined || cell.tries + 1 !== settlement.attempt",
    replace: "cell === undefined"
  },
  {
    name: "a report is accepted from whoever sends it",
    file: "settle.ts",
    find: "const cell = worker?.holding.get(settlement.nonce)",
    replace:
      "const cell = worker?.holding.get(settlement.nonce) ?? (store.runs.get(settlement.run) && cellAt(store.runs.get(settlement.run)!, settlement.node))"
  },
  {
    name: "a delivery taken back keeps its nonce",
    file: "release.ts",
    find: '  cell.nonce = ""\n',
    replace: ""
  },
  {
    name: "silent workers are not dismissed",
    file: "sweep.ts",
    find: "if (worker.leaseUntil > now) continue",
    replace: "if (worker.leaseUntil > now - 1e9) continue"
  },
  {
    name: "a timer is obeyed whatever has happened since",
    file: "sweep.ts",
    find: "if (cell.ticket !== ticket) continue",
    replace: ""
  },
  {
    name: "closing does not keep ready work from being claimed",
    file: "advance.ts",
    find: 'else end(store, cell, "cancelled", now)\n  }',
    replace: 'else if (cell.phase === "scheduled") end(store, cell, "cancelled", now)\n  }'
  },
  {
    name: "work that becomes ready while the run closes is started",
    file: "advance.ts",
    find: 'if (isClosedFor(cell)) end(store, cell, "cancelled", now)\n      else if',
    replace: "if"
  },
  {
    name: "running work is not asked to stop",
    file: "advance.ts",
    find: "store.workers.get(cell.worker!)?.interrupts.add(cell.nonce)",
    replace: ""
  },
  {
    name: "a skipped source is taken for a branch not taken",
    file: "advance.ts",
    find: 'case "failed":\n    case "skipped": {',
    replace: 'case "failed": {'
  },
  {
    name: "a void source is taken for a settled one",
    file: "advance.ts",
    find: 'default:\n      return "void"\n  }\n}\n\nconst matches',
    replace: 'default:\n      return when === "settled" ? "fire" : "void"\n  }\n}\n\nconst matches'
  },
  {
    name: "a tag that does not match kills with its cause",
    file: "advance.ts",
    find: 'matches(when.failure, cause.failed!) ? "fire" : "void"',
    replace: 'matches(when.failure, cause.failed!) ? "fire" : cause'
  },
  {
    name: "a settled edge of a cancelled source fires for everybody",
    file: "advance.ts",
    find: 'when === "settled" && target.node.cleanup',
    replace: 'when === "settled"'
  },
  {
    name: "of several deaths, any takes the first",
    file: "advance.ts",
    find: 'return said !== "cancelled" && edge > cell.deathEdge',
    replace: 'return said !== "cancelled" && cell.deathEdge < 0'
  },
  {
    name: "of several deaths, all takes the first in time",
    file: "advance.ts",
    find: "return cell.deathEdge < 0 || edge < cell.deathEdge",
    replace: "return cell.deathEdge < 0"
  },
  {
    name: "the join is looked at before the gate has fired",
    file: "advance.ts",
    find: 'if (cell.phase !== "blocked" || cell.gated) return',
    replace: 'if (cell.phase !== "blocked") return'
  },
  {
    name: "cancelled sources do not outweigh causes",
    file: "advance.ts",
    find: 'return cell.cancels > 0 ? "cancelled" : (cell.death ?? "void")',
    replace: 'return cell.death ?? (cell.cancels > 0 ? "cancelled" : "void")'
  },
  {
    name: "a run that ends while it closes ends twice",
    file: "advance.ts",
    find: 'if (run.open === 0 && run.state === "running") finish',
    replace: "if (run.open === 0) finish"
  },
  {
    name: "bounded concurrency is one too many",
    file: "advance.ts",
    find: "frames.length - expansion.ended < body.concurrency",
    replace: "frames.length - expansion.ended <= body.concurrency"
  },
  {
    name: "an instance that ends lets nobody follow",
    file: "advance.ts",
    find: 'if (!expansion.dropped && expansion.frames.length < expansion.elements.length && exit.run.state === "running") {',
    replace: "if (false) {"
  },
  {
    name: "elements go on being released when the run closes",
    file: "advance.ts",
    find: "if (isEnd(collect.phase) || isClosedFor(collect)) {",
    replace: "if (isEnd(collect.phase)) {"
  },
  {
    name: "what is dropped is still waited for",
    file: "advance.ts",
    find: "  collect.pending -= expansion.elements.length - expansion.frames.length\n  collect.cancels++\n",
    replace: ""
  },
  {
    name: "instances kept by a retry wait for a release that did not succeed",
    file: "advance.ts",
    find: 'if (collect.expansion !== undefined) for (const frame of collect.expansion.frames) admit(store, frame, now)\n  if (cell.phase !== "succeeded" || isEnd(collect.phase)) return\n',
    replace:
      'if (cell.phase !== "succeeded" || isEnd(collect.phase)) return\n  if (collect.expansion !== undefined) for (const frame of collect.expansion.frames) admit(store, frame, now)\n'
  },
  {
    name: "what is left over is continued by nobody",
    file: "advance.ts",
    find: "if (!spent.done) MutableList.prepend(run.worklist, work)",
    replace: ""
  },
  {
    name: "a retried cell keeps its attempts",
    file: "retry.ts",
    find: "  cell.tries = 0\n",
    replace: ""
  },
  {
    name: "a retry keeps the instances of a restarted fork",
    file: "retry.ts",
    find: "for (const cell of [...reset]) if (reset.has(cell)) discardInstances(cell, reset)",
    replace: ""
  },
  {
    name: "a retry does not restart what depends on what it restarts",
    file: "retry.ts",
    find: "...(dependants.get(cell) ?? []),",
    replace: ""
  },
  {
    name: "a retry restarts every failure, handled or not",
    file: "retry.ts",
    find: "if (cell === exit || !dependants.has(cell)) roots.push(cell)",
    replace: "roots.push(cell)"
  },
  {
    name: "a retry leaves cancelled what it needs anew",
    file: "retry.ts",
    find: '...sourcesSaying(cell, (said) => said === "cancelled")',
    replace: ""
  },
  {
    name: "a retry stays closed",
    file: "retry.ts",
    find: "  run.closing = undefined\n",
    replace: ""
  },
  {
    name: "a retry restarts what a kept merge did without",
    file: "retry.ts",
    find: 'cell.phase === "succeeded" ? [] : sourcesSaying',
    replace: "sourcesSaying"
  },
  {
    name: "a delivery that is given back counts as lost",
    file: "release.ts",
    find: 'if (reason === "lost") cell.lost++',
    replace: "cell.lost++"
  },
  {
    name: "lost deliveries are not counted",
    file: "release.ts",
    find: 'if (reason === "lost") cell.lost++',
    replace: ""
  },
  {
    name: "what is given back does not expire any more",
    file: "advance.ts",
    find: "if (expires !== undefined) Timers.add",
    replace: 'if (expires !== undefined && put === "last") Timers.add'
  },
  {
    name: "a suspect is handed out among others",
    file: "claim.ts",
    find: "if (worker.holding.size > 0 && patient) {",
    replace: "if (false) {"
  },
  {
    name: "a worker is given what it has no handler for",
    file: "claim.ts",
    find: "if (canRun(worker, entry.cell)) return entry.cell\n    park(queue, entry, band)",
    replace: "return entry.cell"
  },
  {
    name: "parked work is forgotten",
    file: "claim.ts",
    find: "if (queue.parked.size > 0) {",
    replace: "if (queue.parked.size > 1e9) {"
  },
  {
    name: "there is always one more attempt",
    file: "settle.ts",
    find: "cell.tries >= attempts",
    replace: "cell.tries > attempts"
  },
  {
    name: "a failed attempt is tried again while the run closes",
    file: "settle.ts",
    find: "cell.tries >= attempts || isClosedFor(cell)",
    replace: "cell.tries >= attempts"
  },
  {
    name: "errors that are not worth another attempt get one",
    file: "settle.ts",
    find: " || except.includes(outcome.failed.tag)",
    replace: ""
  },
  {
    name: "a report is recorded, and its worker goes on holding it",
    file: "settle.ts",
    find: "  worker.holding.delete(cell.nonce)\n",
    replace: ""
  },
  {
    name: "elements that a report decides are not kept",
    file: "settle.ts",
    find: "    target.elements = own\n",
    replace: ""
  },
  {
    name: "a run of the same id is taken for the same run",
    file: "submit.ts",
    find: "known.program.hash === submission.planHash && known.input === submission.input",
    replace: "known.program.hash === submission.planHash"
  },
  {
    name: "a cancelled run that had not started never ends",
    file: "advance.ts",
    find: "  if (run.startAt !== undefined) start(store, run, now)\n",
    replace: ""
  },
  {
    name: "a cancel that comes before the decision does not decide",
    file: "advance.ts",
    find: 'run.decided = run.closing === "cancel" ? "cancelled" : decidedBy(exit)',
    replace: "run.decided = decidedBy(exit)"
  },
  {
    name: "cleanup is cancelled like everything else",
    file: "advance.ts",
    find: "cell.run.closing !== undefined && !cell.node.cleanup",
    replace: "cell.run.closing !== undefined"
  }
]

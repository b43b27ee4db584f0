/**
 * The page of the documentation: the tables, what they were measured on and how, and what they do not say.
 */
import { concurrency } from "./Session.ts"
import type { Report } from "./Report.ts"
import { spread } from "./Report.ts"
import * as Table from "./Table.ts"

const percent = (part: number): string => `${(part * 100).toFixed(part < 0.1 ? 1 : 0)} %`

const commandOf = ({ peers, rounds, scale, workloads }: Report): string =>
  `npx -y pnpm@12 bench --workloads ${workloads.map(({ id }) => id).join(",")} --peers ${peers.map(({ name }) => name).join(",")} --scale ${scale} --rounds ${rounds} --write`

const measuredOn = ({ at, load, machine, minutes, peers, redis, stolen }: Report): ReadonlyArray<string> => [
  `- ${machine.cores} cores of ${machine.cpu}, ${(machine.memory / 2 ** 30).toFixed(0)} GiB, ${machine.system}`,
  `- Node ${machine.node}, Redis ${redis} without persistence, over the loopback of the same machine`,
  `- ${peers.map(({ title, version }) => `${title} ${version}`).join(", ")}`,
  `- ${at.slice(0, 10)}, ${minutes.toFixed(0)} minutes; when it began ${load.toFixed(1)} processes of others wanted to run${stolen === undefined ? "" : `, and the host gave ${percent(stolen)} of the time to other machines`}`
]

const notes = (report: Report): ReadonlyArray<string> => {
  const { missing, peers, rounds, rows, scale } = report
  const small = peers.filter(({ share }) => share < 1)
  const apart = spread(rows)
  return [
    ...small.map(
      ({ share, title }) =>
        `${title} gets ${percent(share)} of the counts of tasks and flows, and shorter chains and chords, because it would take too long; its costs per task do not depend on that.`
    ),
    ...missing.map(({ missing, title }) => `${title} was not measured: ${missing}.`),
    ...(scale === 1 ? [] : [`All sizes are ${scale} of the full ones: code is less warm, and fixed costs weigh more.`]),
    rounds === 1
      ? "There was one round, so nothing is known about how far results lie apart."
      : `Every number is the median of ${rounds} rounds. For half of all numbers the lowest and the highest round were no more than ${percent(apart)} apart.`
  ]
}

export const markdown = (report: Report): string =>
  [
    "<!-- Written by `pnpm bench --write`: edit bench/Page.ts. -->",
    "# What a task costs",
    "",
    "Arpeggio beside other queues, in one run on the same Redis, on:",
    "",
    ...measuredOn(report),
    "",
    "**Read the costs per task, not the rates.** Rates and milliseconds depend on the machine and on who else uses it; CPU time and Redis commands per task much less, so these are what to compare, and within one run only.",
    "",
    ...notes(report).map((note) => `- ${note}`),
    "",
    "A dash: the peer has no such thing, or is given none so large. The budget is what Arpeggio is meant to keep.",
    "",
    "## Figures",
    "",
    Table.markdown(report),
    "",
    ...(report.failures.length === 0
      ? []
      : [
          "## What failed",
          "",
          ...report.failures.map(
            ({ message, peer, round, workload }) => `- ${workload}, ${peer}, round ${round}: ${message.split("\n")[0]}`
          ),
          ""
        ]),
    "## Reproduce it",
    "",
    "```sh",
    commandOf(report),
    "```",
    "",
    "It starts its own `redis-server`, which has to be on the PATH, and removes it at the end; `--help` tells the rest. Celery takes part where Debian's `python3-celery` and `python3-redis` are installed.",
    "",
    "## How it is measured",
    "",
    `For each workload of a round each peer gets an emptied Redis, a fresh producer process and one fresh worker process (${concurrency} tasks at once where nothing else is said; Celery one), one peer right after the other. A smaller load of the same kind comes first and does not count, so that code is compiled and connections are open.`,
    "",
    "- **Worker and producer CPU**: user and system time of the process, all its threads, over the measurement.",
    "- **Redis CPU**: `used_cpu_user` + `used_cpu_sys` of INFO, without what an idle server takes. **Commands**: all calls in INFO `commandstats`, those made inside of scripts included.",
    "- **Bytes**: growth of `used_memory` without the slow log, divided by the number of tasks.",
    "- A task is done when its result is recorded in Redis. After each measurement all results are read back, and their number and sum compared; a wrong one is a failure, not a figure.",
    "- Tasks do nothing; inputs and results are numbers. Nobody retries, nothing fails. Results are kept by everybody, but where they are dropped: BullMQ by `removeOnComplete`, Celery by `ignore_result`, Arpeggio by a retention of nothing, whose sweeps are part of the costs.",
    "- Arpeggio as it is published, built, and not its sources: `Worker.layer`, `Client.submit`, in bulk and for flows up to 1,000 at once, schemas on. Its plans are stored with the first run of a flow, which is shown apart. The thread that keeps a worker's lease connects seven seconds after the start, which is after most measurements: some 80 ms of CPU once, and next to nothing afterwards.",
    "- BullMQ: one `Queue` and `Worker`, `addBulk`, `FlowProducer.addBulk`; a parent reads `getChildrenValues`; single outcomes by `QueueEvents`.",
    "- Celery: Redis as broker and result backend, late acknowledgement, one worker process with the `solo` pool: one task at a time, which costs less per task than its pool of 100 threads.",
    "",
    "## What it does not say",
    "",
    "No task here works: with tasks of some milliseconds all of these are equally fast, and what differs is how much of Redis they leave for others. One worker and one Redis on one machine say nothing about a network between them. A process that wakes up from idle pays 50 to 100 µs for it on virtual machines, of which chains and round trips are partly made. The peers offer things that Arpeggio lacks, and the other way round.",
    ""
  ].join("\n")

import { describe, expect, it } from "vitest"
import * as Campaign from "./chaos/Campaign.ts"
import * as Report from "./chaos/Report.ts"
import * as Store from "./chaos/Store.ts"

/** Everything but what goes wrong, and how much there is to do. */
const setting = {
  seed: Number(process.env["ARPEGGIO_SEED"] ?? 1),
  poisons: 0,
  patience: 60_000,
  workers: 3,
  orchestrators: 1,
  concurrency: 8,
  lease: 2_000,
  log: () => {}
}

const play = async (options: Partial<Campaign.Options> & Pick<Campaign.Options, "runs" | "window" | "dose">) => {
  const outcome = await Campaign.run({ ...setting, ...options })
  console.log(Report.table(outcome))
  // What processes complained of is what one needs to see when something is wrong.
  const { complaints, losses, violations } = outcome
  if (violations.length > 0) console.log({ complaints, losses })
  expect(violations).toEqual([])
  expect([...outcome.tally.keys()].toSorted()).toEqual(Object.keys(options.dose).toSorted())
  return outcome
}

describe("processes over Redis", () => {
  it("run every attempt once in calm weather", async () => {
    const { figures } = await play({ runs: 80, window: 3_000, dose: {} })
    const { away, forgotten, redispatched, repeated } = figures
    expect({ away, forgotten, redispatched, repeated }).toEqual({ away: 0, forgotten: 0, redispatched: 0, repeated: 0 })
  }, 120_000)

  it("give back what they hold when they are asked to stop, so that it waits for no lease", async () => {
    const { figures } = await play({ runs: 60, window: 4_000, shape: "slow", dose: { "worker stopped": 4 } })
    const { claimedAfterStop, forgotten, redispatched } = figures
    expect({ forgotten, redispatched }).toEqual({ forgotten: 0, redispatched: 0 })
    expect(claimedAfterStop.length).toBeGreaterThan(0)
  }, 120_000)

  it("lose no run and record nothing twice, whatever is killed, frozen, cut off, filled, restarted or set back", async () => {
    const outcome = await play({
      runs: 600,
      poisons: 1,
      window: 45_000,
      workers: 4,
      orchestrators: 2,
      dose: {
        "worker killed": 20,
        "worker frozen longer than its lease": 5,
        "worker stopped": 3,
        "orchestrator killed": 8,
        "store killed and restarted": 4,
        "power lost": 2,
        "failed over to a stale replica": 2,
        "store frozen": 1,
        "memory full": 2,
        "functions flushed": 20,
        "clients killed": 4,
        "connections cut": 20,
        "replies dropped": 20,
        "network silent": 2,
        "network slow": 2
      }
    })
    expect(Report.idleFaults(outcome)).toEqual([])
  }, 240_000)

  it("keep to it on a cluster whose nodes are killed, frozen and change places", async () => {
    await play({
      runs: 200,
      window: 15_000,
      workers: 4,
      store: Store.cluster,
      partitions: 6,
      dose: {
        "worker killed": 6,
        "orchestrator killed": 2,
        "store killed and restarted": 3,
        "failed over without a loss": 2,
        "store frozen": 1,
        "functions flushed": 6,
        "clients killed": 2
      }
    })
  }, 240_000)
})

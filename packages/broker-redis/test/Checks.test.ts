import { describe, expect, it } from "vitest"
import type { Facts } from "../src/Checks.ts"
import * as Checks from "../src/Checks.ts"

/** A store as it should be; `info` says what is different. */
const facts = (info: { readonly [name: string]: string } = {}, rest: Partial<Facts> = {}): Facts => ({
  info: new Map(
    Object.entries({
      redis_version: "8.2.3",
      role: "master",
      cluster_enabled: "0",
      maxmemory: "1073741824",
      maxmemory_policy: "noeviction",
      used_memory: "1048576",
      aof_enabled: "1",
      ...info
    })
  ),
  settings: new Map(),
  refused: [],
  layout: Checks.layout,
  clock: { ahead: 3, margin: 1 },
  overdue: 0,
  access: undefined,
  namespace: "arpeggio:",
  cluster: false,
  ...rest
})

const access = (some: Partial<Checks.Access>): Checks.Access => ({
  secure: false,
  authenticated: false,
  local: false,
  ...some
})

/** What is not as it should be: `Warning eviction`. */
const marks = (given: Facts): ReadonlyArray<string> =>
  Checks.of(given).flatMap(({ _tag, about }) => (_tag === "Ok" ? [] : [`${_tag} ${about}`]))

const says = (given: Facts, about: Checks.About): string =>
  Checks.of(given)
    .filter((check) => check.about === about)
    .map((check) => ("advice" in check ? `${check.says} ${check.advice}` : check.says))
    .join(" ")

describe("Checks", () => {
  it("find nothing in a store as it should be", () => {
    expect(marks(facts())).toEqual([])
  })

  it.each<readonly [string, Facts, ReadonlyArray<string>]>([
    ["a Redis before 7.0", facts({ redis_version: "6.2.14" }), ["Error server"]],
    ["Redis 7.0, which distributions patch", facts({ redis_version: "7.0.15" }), ["Note server"]],
    ["a Redis without the fix for scripts", facts({ redis_version: "7.2.10" }), ["Note server"]],
    ["a Redis with the fix for scripts", facts({ redis_version: "7.2.11" }), []],
    ["a Valkey before 7.2", facts({ redis_version: "7.0.0", valkey_version: "7.1.0" }), ["Error server"]],
    ["a Valkey", facts({ redis_version: "7.2.4", server_name: "valkey", valkey_version: "9.0.1" }), []],
    ["another server that speaks the protocol", facts({ dragonfly_version: "1.30.0" }), ["Warning server"]],
    ["a server that says another name", facts({ server_name: "redict" }), ["Warning server"]],
    ["a replica", facts({ role: "slave", master_host: "h", master_port: "1" }), ["Error role"]],
    ["a node of a Cluster, used alone", facts({ cluster_enabled: "1" }), ["Error cluster"]],
    ["a Cluster", facts({ cluster_enabled: "1" }, { cluster: true }), []],
    ["a server without a Cluster, used as one", facts({}, { cluster: true }), ["Error cluster"]],
    ["eviction", facts({ maxmemory_policy: "allkeys-lru" }), ["Error eviction"]],
    ["eviction of keys that expire only", facts({ maxmemory_policy: "volatile-lru" }), ["Error eviction"]],
    [
      "eviction that has no limit yet",
      facts({ maxmemory_policy: "allkeys-lru", maxmemory: "0" }),
      ["Note eviction", "Note memory"]
    ],
    ["a store that is almost full", facts({ used_memory: "1000000000" }), ["Warning memory"]],
    ["no append-only file", facts({ aof_enabled: "0" }), ["Warning persistence"]],
    ["a disk that fails", facts({ aof_last_write_status: "err" }), ["Warning persistence"]],
    ["snapshots that fail", facts({ rdb_last_bgsave_status: "err" }), ["Warning persistence"]],
    [
      "a file that is never synchronised",
      facts({}, { settings: new Map([["appendfsync", "no"]]) }),
      ["Note persistence"]
    ],
    ["replicas that may lag for ever", facts({ connected_slaves: "2" }), ["Note replicas"]],
    ["replicas that may not", facts({ connected_slaves: "1", min_slaves_good_slaves: "1" }), []],
    ["a layout from the future", facts({}, { layout: "99" }), ["Error layout"]],
    ["a clock that is off", facts({}, { clock: { ahead: -1_500, margin: 2 } }), ["Warning clock"]],
    ["a clock that may be right, over a slow network", facts({}, { clock: { ahead: -1_500, margin: 700 } }), []],
    ["a timer that nobody fires", facts({}, { overdue: 60_000 }), ["Warning sweeps"]],
    ["a timer that is due", facts({}, { overdue: 900 }), []],
    ["no password over a network", facts({}, { access: access({ secure: true }) }), ["Warning access"]],
    ["no TLS over a network", facts({}, { access: access({ authenticated: true }) }), ["Note access"]],
    ["neither on this machine", facts({}, { access: access({ local: true }) }), []],
    ["a missing right", facts({}, { refused: [{ command: "hset", kind: "command" }] }), ["Error rights"]]
  ])("mark %s", (_, given, expected) => {
    expect(marks(given)).toEqual(expected)
  })

  it("claim nothing about rights where none was tried", () => {
    const replica = facts({ role: "slave" }, { layout: undefined, clock: undefined, overdue: undefined })
    expect(Checks.of(replica).map(({ about }) => about)).not.toContain("rights")
  })

  it("do without INFO: what rests on it is left out", () => {
    const refused = [{ command: "info", kind: "command" }] as const
    expect(Checks.of(facts({}, { info: new Map(), refused })).map(({ about }) => about)).toEqual([
      "rights",
      "layout",
      "clock",
      "sweeps"
    ])
  })

  it("say for which layouts to update this process, and for which to keep the old one", () => {
    expect(says(facts({}, { layout: "99" }), "layout")).toBe(
      `The data under arpeggio: has layout 99, and this version of Arpeggio works on layout ${Checks.layout}. ` +
        "Update this process, or give it a namespace of its own."
    )
    expect(says(facts({}, { layout: "0" }), "layout")).toContain("Let the version that wrote it finish its runs")
  })

  it("name each refused right once, apart from keys and channels out of reach", () => {
    const refused = [
      { command: "hset", kind: "command" },
      { command: "hset", kind: "command" },
      { command: "publish", kind: "channel" },
      { command: "get", kind: "key" }
    ] as const
    expect(says(facts({}, { refused }), "rights")).toMatch(
      /^The user of this connection may not run hset, nor touch the keys arpeggio:\* with get, nor use the channels arpeggio:\* with publish\. Give it the rights that docs\/redis\.md lists: ~arpeggio:\* &arpeggio:\* -@all \+info /
    )
  })

  it.each([
    ["always", "survives a power failure"],
    ["everysec", "a second or two"],
    ["no", "half a minute"]
  ])("say what accepted means with appendfsync %s", (fsync, expected) => {
    expect(says(facts({}, { settings: new Map([["appendfsync", fsync]]) }), "persistence")).toContain(expected)
  })

  it.each([
    ["", "no snapshots either: a restart loses every run"],
    ["3600 1", "at most the last snapshot survives a restart"]
  ])("say what is kept with save %j and no append-only file", (save, expected) => {
    const settings = new Map([["save", save]])
    expect(says(facts({ aof_enabled: "0" }, { settings }), "persistence")).toContain(expected)
  })
})

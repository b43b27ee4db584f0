import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as RedisBroker from "../src/RedisBroker.ts"
import * as Authority from "./Authority.ts"
import { survives } from "./failOver.ts"
import * as RedisSentinels from "./RedisSentinels.ts"
import * as Scene from "./Scene.ts"

const authority = await Authority.makeWherePossible()
afterAll(() => authority?.remove())

const single = PlanBuilder.make("single", (p) => p.task("a"))

const works = (options: RedisBroker.Options) =>
  Effect.gen(function* () {
    const rig = yield* Scene.rig(options)
    yield* rig.submit(single)
    expect(yield* (yield* rig.hand()).play()).toEqual(["a"])
  })

const refusal = (options: RedisBroker.Options) => Scene.refusal({ deadline: "500 millis", ...options })

/** That the primary dies under running workers, which find it with these options. */
const outlives = ({ primary, replica }: RedisSentinels.RedisSentinels, options: RedisBroker.Options) =>
  survives({
    broker: RedisBroker.layer({ ...options, namespace: "survives:", lease: "5 seconds", deadline: "3 seconds" }),
    primary,
    replica,
    key: "survives:replicated"
  })

describe("RedisBroker with Sentinels", { timeout: 120_000 }, () => {
  let sentinels: RedisSentinels.RedisSentinels
  beforeAll(async () => {
    sentinels = await RedisSentinels.start()
  }, 120_000)
  afterAll(() => sentinels?.stop())

  const hosts = () => sentinels.addresses.map(({ host, port }) => `${host}:${port}`).join(",")

  it("is found over the URL of the Sentinels", () =>
    Scene.play(works({ url: `redis+sentinel://${hosts()}/${RedisSentinels.name}`, namespace: "url:" })))

  it("says which primary of which Sentinels it can't reach, and nothing secret", () =>
    Scene.play(
      Effect.gen(function* () {
        const error = yield* refusal({ sentinels: sentinels.addresses, name: "another", password: "secret" })
        expect(error._tag).toBe("IncompatibleStore")
        expect(error.reason).toContain(
          `The Sentinels ${hosts().replaceAll(",", ", ")} know no primary called another. Correct the name`
        )
        expect(error.reason).not.toContain("secret")
      })
    ))

  // The last one: the primary is dead after it.
  it("loses no run when the primary is killed under running workers and the replica takes over", () =>
    Scene.play(outlives(sentinels, { sentinels: sentinels.addresses.slice(0, 2), name: RedisSentinels.name })))
})

describe.skipIf(authority === undefined)("RedisBroker with Sentinels over TLS", { timeout: 120_000 }, () => {
  const guard = { password: "sesam", sentinelPassword: "s/he@l", authority: authority! }
  let sentinels: RedisSentinels.RedisSentinels
  beforeAll(async () => {
    sentinels = await RedisSentinels.start(guard)
  }, 120_000)
  afterAll(() => sentinels?.stop())

  const options = () => ({
    sentinels: sentinels.addresses,
    name: RedisSentinels.name,
    password: Redacted.make(guard.password),
    sentinelPassword: Redacted.make(guard.sentinelPassword),
    certificates: { ca: guard.authority.ca }
  })

  it("is found over a URL that has the passwords of the Redis and of the Sentinels, and the authority", () => {
    const hosts = sentinels.addresses.map(({ host, port }) => `${host}:${port}`).join(",")
    const query = `ca=${guard.authority.ca}&sentinelPassword=${encodeURIComponent(guard.sentinelPassword)}`
    const url = `rediss+sentinel://:${guard.password}@${hosts}/${RedisSentinels.name}?${query}`
    return Scene.play(works({ url: Redacted.make(url), namespace: "url:" }))
  })

  it("says whose password is missing or wrong, and whose certificate is not trusted", () =>
    Scene.play(
      Effect.gen(function* () {
        const given = options()
        const {
          addresses: [first]
        } = sentinels
        expect(yield* refusal({ ...given, sentinelPassword: undefined })).toMatchObject({
          _tag: "IncompatibleStore",
          reason: expect.stringContaining(`The Sentinel on 127.0.0.1:${first!.port} asks for a password.`)
        })
        expect(yield* refusal({ ...given, sentinelPassword: guard.password })).toMatchObject({
          _tag: "IncompatibleStore",
          reason: expect.stringContaining("does not accept the password. Correct it as that of the Sentinels")
        })
        expect(yield* refusal({ ...given, password: guard.sentinelPassword })).toMatchObject({
          _tag: "IncompatibleStore",
          reason: expect.stringMatching(
            /^The Redis on \S+ \(the primary, its Sentinels say\) does not accept the password/
          )
        })
        expect(yield* refusal({ ...given, certificates: undefined, tls: true })).toMatchObject({
          _tag: "IncompatibleStore",
          reason: expect.stringContaining("is from another authority than one that is known here")
        })
      })
    ))

  // The last one: the primary is dead after it.
  it("loses no run when the primary is killed under running workers and the replica takes over", () =>
    Scene.play(outlives(sentinels, options())))
})

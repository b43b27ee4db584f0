import * as Keys from "@arpeggio/broker-redis/Keys"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import * as Store from "../src/Store.ts"

const find = (redis?: string, namespace?: string) =>
  Store.find({ redis: Option.fromNullishOr(redis), namespace: Option.fromNullishOr(namespace) })

const variable = "ARPEGGIO_REDIS_URL"

describe("Store", () => {
  let before: string | undefined
  beforeEach(() => {
    before = process.env[variable]
    delete process.env[variable]
  })
  afterEach(() => {
    if (before === undefined) delete process.env[variable]
    else process.env[variable] = before
  })

  it("is named by the flag before the environment, and may be named by neither", () => {
    expect(find()).toEqual(Result.succeed(undefined))
    process.env[variable] = "redis://env:1"
    expect(find()).toMatchObject({ success: { url: "redis://env:1", flags: "" } })
    expect(find("redis://flag:2", "shop:")).toMatchObject({
      success: { url: "redis://flag:2", flags: " --redis redis://flag:2 --namespace shop:" }
    })
    expect(find("rediss://flag?cert=a&key=b")).toMatchObject({
      success: { flags: " --redis 'rediss://flag?cert=a&key=b'" }
    })
  })

  it("tells the broker what is asked for, and nothing else", () => {
    const given = { redis: Option.some("redis://h"), namespace: Option.none() }
    const settings = (more: Partial<Store.Given>) =>
      Result.map(Store.named({ ...given, ...more }), (store) => store.settings)
    expect(settings({})).toEqual(Result.succeed({ partitions: undefined, lease: undefined, stallBudget: undefined }))
    expect(settings({ partitions: Option.some(4), stallBudget: Option.none() })).toEqual(
      Result.succeed({ partitions: 4, lease: undefined, stallBudget: undefined })
    )
    expect(settings({ lease: Option.some(5_000), stallBudget: Option.some(90_000) })).toEqual(
      Result.succeed({ partitions: undefined, lease: 5_000, stallBudget: 90_000 })
    )
  })

  it("accepts as many partitions as the broker does", () => {
    expect(Store.mostPartitions).toBe(Keys.mostPartitions)
  })

  it("never shows its password, and says when it was typed where others can read it", () => {
    process.env[variable] = "redis://joe:sesam@env:1/2"
    expect(find()).toMatchObject({ success: { name: "redis://joe@env:1/2", flags: "", exposed: false } })
    expect(find("redis://:sesam@flag:2")).toMatchObject({
      success: { name: "redis://flag:2", flags: ' --redis "$ARPEGGIO_REDIS_URL"', exposed: true }
    })
    expect(find("redis+sentinel://a,b/prime?sentinelPassword=sesam")).toMatchObject({ success: { exposed: true } })
    expect(JSON.stringify(find("http://:sesam@flag:2"))).not.toContain("sesam")
  })

  it.each(["localhost:6379", "http://localhost:6379", "redis://", ""])("refuses %j as the URL of a Redis", (url) => {
    expect(find(url)).toMatchObject({ failure: { reason: "NoStore" } })
  })
})

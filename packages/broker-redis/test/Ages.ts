/**
 * Lets time pass in a store, whose clock nobody can set: everything in it becomes older.
 */
import type { Redis } from "ioredis"

/** Moves what is due, the leases and the waits of suspects back by so many milliseconds; over a connection of protocol 2. */
export const passTime = async (redis: Redis, namespace: string, ms: number): Promise<void> => {
  const prefix = `${namespace}{0}:`
  for (const key of [`${prefix}ws`, `${prefix}t`]) {
    const scores = (await redis.call("ZRANGE", key, 0, -1, "WITHSCORES")) as ReadonlyArray<string>
    for (let i = 0; i < scores.length; i += 2) await redis.call("ZINCRBY", key, -ms, scores[i]!)
  }
  const lastSweep = await redis.hget(`${prefix}flags`, "swept")
  if (lastSweep !== null) await redis.hset(`${prefix}flags`, "swept", String(Number(lastSweep) - ms))
  const older = (entry: string) => {
    const parts = entry.split("\t")
    return [...parts.slice(0, -1), Number(parts.at(-1)) - ms].join("\t")
  }
  for (const key of await redis.keys(`${prefix}s:*`)) {
    const entries = await redis.lrange(key, 0, -1)
    await redis.del(key)
    if (entries.length > 0) await redis.rpush(key, ...entries.map(older))
  }
  const reserved = await redis.hgetall(`${prefix}reserved`)
  await redis.del(`${prefix}reserved`)
  for (const [entry, worker] of Object.entries(reserved)) await redis.hset(`${prefix}reserved`, older(entry), worker)
}

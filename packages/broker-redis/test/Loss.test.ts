import * as Answer from "@arpeggio/core/testing/suite/Answer"
import * as PlanBuilder from "@arpeggio/core/testing/PlanBuilder"
import type * as Rig from "@arpeggio/core/testing/suite/Rig"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import * as AppendOnlyFile from "./AppendOnlyFile.ts"
import * as RedisServer from "./RedisServer.ts"
import * as Scene from "./Scene.ts"
import * as StaleReplica from "./StaleReplica.ts"
import * as TcpProxy from "./TcpProxy.ts"

let server: RedisServer.OwnServer
let proxy: TcpProxy.TcpProxy
beforeAll(async () => {
  server = await RedisServer.startOwn("everything")
  proxy = await TcpProxy.start(server.port)
}, 120_000)
afterAll(async () => {
  await proxy?.stop()
  await server?.stop()
})

let stores = 0
const freshNamespace = () => `loss-${stores++}:`

const pair = PlanBuilder.make("pair", (p) => p.task("b", { after: [p.task("a")] }))
const single = PlanBuilder.make("single", (p) => p.task("a"))

/** What the store confirms between the two calls, it loses with the second. */
interface Loss {
  readonly begin: () => Promise<{ readonly strike: () => Promise<void>; readonly stop: () => Promise<void> }>
}

const losses: { readonly [name: string]: Loss } = {
  "a loss of power": {
    begin: async () => {
      const file = await AppendOnlyFile.of(server)
      const onDisk = file.size()
      return {
        strike: async () => {
          await server.kill()
          // The disk was in the middle of a transaction.
          file.cut(onDisk + Math.floor((file.size() - onDisk) / 50))
          await server.restart()
        },
        stop: async () => {}
      }
    }
  },
  "a fail-over to a stale replica": {
    begin: async () => {
      const replica = await StaleReplica.of(server)
      replica.cutOff()
      return { strike: replica.takeOver, stop: replica.stop }
    }
  }
}

describe.each(Object.keys(losses))("%s", { timeout: 60_000 }, (name) => {
  const beginning = Effect.acquireRelease(
    Effect.promise(() => losses[name]!.begin()),
    ({ stop }) => Effect.promise(stop)
  )

  it("takes the runs accepted last, which are accepted again, and nothing from those before", () =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* Scene.rig({ url: server.url, namespace: freshNamespace() })
        yield* rig.submit(pair, { id: "before" })
        const { strike } = yield* beginning
        yield* rig.submit(pair, { id: "after" })
        yield* Effect.promise(strike)
        expect(yield* Effect.flip(rig.broker.await("after"))).toMatchObject({ _tag: "RunNotFound", run: "after" })
        expect(yield* rig.submitted(pair, { id: "before" })).toEqual({ created: false })
        expect(yield* rig.submitted(pair, { id: "after" })).toEqual({ created: true })
        expect(yield* (yield* rig.hand()).play()).toEqual(["a", "a", "b", "b"])
        for (const id of ["before", "after"]) expect((yield* rig.broker.await(id)).state).toBe("succeeded")
      })
    ))

  it("undoes outcomes: who had reported them is told nothing of it, gives the work back and it is done once more", () =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* Scene.rig({ url: server.url, namespace: freshNamespace() })
        const id = yield* rig.submit(pair)
        const hand = yield* rig.hand()
        const a = yield* hand.take("a")
        const { strike } = yield* beginning
        const { jobs } = yield* hand.settle([Answer.succeeded(a)], 1)
        expect(jobs.map(({ name }) => name)).toEqual(["b"])
        yield* Effect.promise(strike)
        // What it holds now is `b`, and for the store it is `a`.
        const { nonce } = jobs[0]!
        expect(yield* rig.broker.renew(hand.id, [nonce])).toEqual({ lost: [nonce], interrupt: [], unknown: false })
        expect(yield* hand.report(Answer.succeeded(jobs[0]!))).toEqual(["stale"])
        const again = yield* hand.take("a")
        expect({ attempt: again.attempt, lost: again.lost }).toEqual({ attempt: 1, lost: 0 })
        expect(yield* hand.report(Answer.succeeded(a))).toEqual(["stale"])
        expect(yield* rig.states(id)).toEqual({ a: "running", b: "blocked" })
        expect(yield* hand.report(Answer.succeeded(again))).toEqual(["recorded"])
        expect(yield* hand.play()).toEqual(["b"])
        expect((yield* rig.broker.await(id)).state).toBe("succeeded")
      })
    ))

  it("hands out anew what it forgets to have handed out, and tells the two apart", () =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* Scene.rig({ url: server.url, namespace: freshNamespace() })
        const id = yield* rig.submit(single)
        const hands = [yield* rig.hand(), yield* rig.hand()]
        const { strike } = yield* beginning
        const old = yield* hands[0]!.take("a")
        yield* Effect.promise(strike)
        const anew = yield* hands[1]!.take("a")
        expect({ attempt: anew.attempt, lost: anew.lost }).toEqual({ attempt: old.attempt, lost: old.lost })
        expect(yield* hands[0]!.report(Answer.succeeded(old))).toEqual(["stale"])
        expect(yield* rig.states(id)).toEqual({ a: "running" })
        expect(yield* hands[1]!.report(Answer.succeeded(anew))).toEqual(["recorded"])
        expect((yield* rig.broker.await(id)).state).toBe("succeeded")
      })
    ))

  it("forgets a worker that had just come: it is told so, and takes part once it has registered again", () =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* Scene.rig({ url: server.url, namespace: freshNamespace() })
        yield* rig.submit(single)
        const { strike } = yield* beginning
        const hand = yield* rig.hand({ id: "newcomer" })
        const { nonce } = yield* hand.take("a")
        yield* Effect.promise(strike)
        expect(yield* rig.broker.renew("newcomer", [nonce])).toMatchObject({ lost: [nonce], unknown: true })
        expect(yield* hand.settle([], 1)).toMatchObject({ jobs: [], unknown: true })
        const again = yield* rig.hand({ id: "newcomer" })
        expect(yield* again.play()).toEqual(["a"])
      })
    ))

  it("brings back a run that was cancelled last: what was interrupted for it goes on", () =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* Scene.rig({ url: server.url, namespace: freshNamespace() })
        const id = yield* rig.submit(single)
        const hand = yield* rig.hand()
        const a = yield* hand.take("a")
        const { strike } = yield* beginning
        expect(yield* rig.broker.cancel(id)).toBe(true)
        yield* Effect.promise(strike)
        expect(yield* hand.report(Answer.interrupted(a))).toEqual(["recorded"])
        expect(yield* hand.play()).toEqual(["a"])
        expect((yield* rig.broker.await(id)).state).toBe("succeeded")
      })
    ))
})

describe("a transition that a loss of power cut in two", { timeout: 60_000 }, () => {
  /** The claim of `a` is cut in two; the server starts, goes on, and starts again. */
  const comeBack = (
    afterTheLoss: () => Promise<void>,
    story: (rig: Rig.Rig, hand: Rig.Hand) => Effect.Effect<void, unknown>
  ) =>
    Scene.play(
      Effect.gen(function* () {
        const rig = yield* Scene.rig({ url: server.url, namespace: freshNamespace() })
        yield* rig.submit(pair, { id: "one" })
        const hand = yield* rig.hand()
        const file = yield* Effect.promise(() => AppendOnlyFile.of(server))
        yield* hand.take("a")
        yield* Effect.promise(async () => {
          await server.kill()
          // All of the claim but its end: that it is one, and who holds what.
          file.cut(file.size() - 60)
          await server.restart()
          await afterTheLoss()
        })
        yield* rig.submit(pair, { id: "another" })
        yield* Effect.promise(async () => {
          await server.kill()
          await server.restart()
        })
        yield* story(rig, hand)
        for (const run of ["one", "another"]) expect((yield* rig.broker.await(run)).state).toBe("succeeded")
      })
    )

  it("does not come back by half at the next start, where the file was written anew after the loss", () =>
    comeBack(
      () => AppendOnlyFile.rewrite(server),
      (_, hand) =>
        Effect.gen(function* () {
          expect(yield* hand.play()).toEqual(["a", "a", "b", "b"])
        })
    ))

  it("may come back by half at the next start; what that costs is found and put right", () =>
    comeBack(
      () => Promise.resolve(),
      (rig, hand) =>
        Effect.gen(function* () {
          const played = yield* hand.play()
          // A server without this fault has nothing to put right.
          expect(yield* rig.broker.reconcile).toBe(played.length === 2 ? 1 : 0)
          expect([...played, ...(yield* hand.play())].toSorted()).toEqual(["a", "a", "b", "b"])
        })
    ))
})

describe("a run that is lost, with its plan, while somebody reads it", { timeout: 60_000 }, () => {
  /** The server loses all it has between the reply before the first request like this and that request. */
  const losing = (isMeant: (request: Buffer) => boolean) =>
    proxy.dropReplies(1, 30_000, isMeant).then(async () => {
      proxy.refuse()
      await server.command("FLUSHALL")
      proxy.heal()
    })
  const isForPlan = (request: Buffer): boolean => request.includes("json")

  /** What comes of a call over the proxy, when the run it is about is lost while its plan is read. */
  const losingOne = <A, E>(call: (rig: Rig.Rig, run: string) => Effect.Effect<A, E, Scope.Scope>) =>
    Effect.gen(function* () {
      const namespace = freshNamespace()
      const id = yield* (yield* Scene.rig({ url: server.url, namespace })).submit(single)
      const rig = yield* Scene.rig({ url: proxy.url, namespace })
      const answer = yield* Effect.forkScoped(call(rig, id), { startImmediately: true })
      yield* Effect.promise(() => losing(isForPlan))
      return yield* Fiber.join(answer)
    })

  it.each<[string, (rig: Rig.Rig, run: string) => Effect.Effect<unknown, unknown>]>([
    ["awaits", ({ broker }, run) => broker.await(run)],
    ["looks at", ({ broker }, run) => broker.run(run)]
  ])("is unknown to who %s it", (_, call) =>
    Scene.play(
      Effect.gen(function* () {
        expect(yield* losingOne((rig, run) => Effect.flip(call(rig, run)))).toMatchObject({ _tag: "RunNotFound" })
      })
    )
  )

  it("is not among what a worker is given", () =>
    Scene.play(
      Effect.gen(function* () {
        const claim = (rig: Rig.Rig) => Effect.flatMap(rig.hand({ tasks: ["a"] }), (hand) => hand.claim(1))
        expect(yield* losingOne(claim)).toEqual([])
      })
    ))
})

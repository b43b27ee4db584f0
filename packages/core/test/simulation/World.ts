/**
 * A broker's world in one thread: the engine's state, workers that claim, report, fall silent and come back from the dead,
 * users that submit, cancel and retry, and a clock that jumps. What happens next is drawn from a seed.
 *
 * After each event everything is checked: the invariants of the state; that every receipt and every loss is explained by
 * what the world did; that nothing ends twice. At last all faults stop, and every run must end.
 */
import { isSuspect } from "../../src/engine/suspicion.ts"
import type { Delivery, Event, Outcome, Receipt, Settlement, WorkerInfo } from "../../src/Broker.ts"
import type { Cell, Run, Store } from "../../src/engine/Store.ts"
import type { Plan } from "../../src/plan/Document.ts"
import type { Engine } from "./Engine.ts"
import { Generations } from "./Generations.ts"
import { queues } from "./KernelPlans.ts"
import type { Random } from "./Random.ts"
import { wrong } from "./Wrong.ts"

/** A run that the world will submit. */
export interface Subject {
  readonly id: string
  readonly plan: Plan
  readonly hash: string
  readonly input: string
  readonly elements: ReadonlyMap<number, ReadonlyArray<string>>
  readonly onFailure: "cancel" | "finish"
}

/** What is simulated: runs, and what their handlers do. */
export interface Scenario {
  readonly subjects: ReadonlyArray<Subject>
  readonly tasks: ReadonlyArray<string>
  /** Called with each delivery: what its input needs is there now, and may be gone when a worker thought dead reports. */
  readonly begin: (delivery: Delivery) => void
  /** What a worker reports for a delivery. Healthy ones never fail for reasons of their own. */
  readonly outcome: (delivery: Delivery, isHealthy: boolean) => Outcome
  /** Whether all that an outcome causes is done before the next is recorded. */
  readonly inOrder: boolean
  /** Called with each run that has ended; throws when it ended in a wrong way. */
  readonly onEnd: (world: World, run: Run) => void
}

interface Worker {
  info: WorkerInfo
  leaseUntil: number
  readonly held: Map<string, Delivery>
}

const lease = 1_000

/** What can happen, with its weight. */
type Happening = readonly [weight: number, name: string, happen: () => void]

export class World {
  readonly engine: Engine
  readonly store: Store
  readonly random: Random
  readonly scenario: Scenario
  now: number
  /** How often something happened, to know that all of it did. */
  readonly counts: Map<string, number>
  /** A line for each event, when somebody wants to read them. */
  readonly trace: Array<string> | undefined
  /** The order in which outcomes were recorded: of each cell, by run. */
  readonly recordedAt = new Map<Cell, number>()
  readonly #workers: Array<Worker> = []
  /** Workers that fell silent or were unregistered, and believe they hold something. */
  readonly #ghosts: Array<Worker> = []
  /** Reports sent lately, to be sent again. */
  readonly #sent: Array<{ readonly worker: string; readonly settlement: Settlement }> = []
  readonly #generations: Generations
  #recorded = 0
  #claims = 0
  #waiting: Array<Subject>

  constructor(engine: Engine, random: Random, scenario: Scenario, counts: Map<string, number>, trace?: Array<string>) {
    this.engine = engine
    this.random = random
    this.scenario = scenario
    this.counts = counts
    this.trace = trace
    this.now = random.between(1, 5_000)
    this.store = engine.Store.make({
      lease,
      maxDeliveries: random.pick([1, 2, 3, 3]),
      payloadLimit: 1_000_000,
      retention: { age: Number.POSITIVE_INFINITY, count: Number.POSITIVE_INFINITY },
      slice: scenario.inOrder ? 5_000 : random.pick([1, 2, 3, 7, 5_000])
    })
    this.store.watched = true
    this.#generations = new Generations(this.store)
    this.#waiting = [...scenario.subjects]
  }

  /** Lets things happen, then lets everything end. */
  live(): void {
    const { random } = this
    // Some seeds leave something out, or do it again and again.
    const happenings = this.#happenings().map(([weight, name, happen]): Happening => [
      weight * random.pick([0, 0.3, 1, 1, 1, 4]),
      name,
      happen
    ])
    const total = happenings.reduce((sum, [weight]) => sum + weight, 0)
    const length = total === 0 ? 0 : random.between(0, 80)
    this.#do("submit", () => this.#submit(true))
    for (let workers = random.below(4); workers > 0; workers--) this.#do("register", () => this.#register())
    for (let i = 0; i < length; i++) {
      let at = random.next() * total
      const [, name, happen] = happenings.find(([weight]) => (at -= weight) < 0) ?? happenings[0]!
      this.#do(name, happen)
    }
    this.#settleDown()
    for (let retries = random.below(3); retries > 0; retries--) this.#again()
  }

  #happenings(): ReadonlyArray<Happening> {
    return [
      [3, "submit", () => this.#submit(true)],
      [1, "submit again", () => this.#submitAgain()],
      [2, "register", () => this.#register()],
      [24, "work", () => this.#work()],
      [2, "resend", () => this.#resend()],
      [2, "forge", () => this.#forge()],
      [2, "release", () => this.#release()],
      [2, "renew", () => this.#renew()],
      [1.5, "fall silent", () => this.#fallSilent()],
      [1, "ghost reports", () => this.#ghostReports()],
      [1, "unregister", () => this.#unregister()],
      [0.4, "cancel", () => this.#cancel()],
      [1, "retry", () => this.#retryOne()],
      [5, "sweep", () => this.#sweep()],
      [6, "time passes", () => void (this.now += this.random.below(300))],
      [1, "time jumps", () => void (this.now += this.random.between(lease, 5 * lease))],
      [0.7, "time goes back", () => void (this.now -= this.random.below(2 * lease))]
    ]
  }

  #do(name: string, happen: () => void): void {
    this.count(name)
    this.#note(name)
    happen()
    this.#check()
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1)
  }

  #note(what: string): void {
    this.trace?.push(`${String(this.now).padStart(6)}  ${what}`)
  }

  // ---- users --------------------------------------------------------------------------------------------------------

  #submit(mayDelay: boolean): void {
    const subject = this.#waiting.shift()
    if (subject === undefined) return
    const delay = mayDelay && this.random.chance(0.1) ? this.random.between(1, 2_000) : 0
    this.#note(`  ${subject.id}${delay > 0 ? ` in ${delay} ms` : ""}`)
    const said = this.engine.submit.submit(this.store, { ...subject, planHash: subject.hash, delay }, this.now)
    if (said !== "created") wrong(`submit of a new run said ${said}`)
  }

  #submitAgain(): void {
    const subject = this.random.pick(this.scenario.subjects)
    if (!this.store.runs.has(subject.id)) return
    const other = this.random.chance(0.5)
    const input = other ? `${subject.input} ` : subject.input
    const submission = { ...subject, input, planHash: subject.hash, delay: 0 }
    const said = this.engine.submit.submit(this.store, submission, this.now)
    if (said !== (other ? "conflict" : "exists")) wrong(`submit of a known run said ${said}`)
  }

  #pickRun(): Run | undefined {
    const runs = [...this.store.runs.values()]
    return runs.length === 0 ? undefined : this.random.pick(runs)
  }

  #cancel(): void {
    const run = this.#pickRun()
    if (run === undefined) return
    this.#note(`  ${run.id}`)
    const isRunning = run.state === "running"
    if (this.engine.cancel.cancel(this.store, run, this.now) !== isRunning)
      wrong(`cancel of ${run.id} did not say ${isRunning}`)
    if (isRunning) this.#generations.cancelled(run)
  }

  #retryOne(): void {
    const ended = [...this.store.runs.values()].filter((run) => run.state !== "running")
    if (ended.length > 0) this.#retry(this.random.pick(ended))
  }

  #retry(run: Run): void {
    const cells = [...this.engine.Store.frames(run)].flatMap((frame) => frame.cells)
    const from = this.random.chance(0.3) ? this.random.pick(cells) : undefined
    this.#note(`  ${run.id}${from === undefined ? "" : ` from ${this.engine.Store.addressOf(from)}`}`)
    this.count(from === undefined ? `retry of ${run.state}` : "retry from")
    const expected = this.#generations.restarts(run, from)
    const tickets = new Map(cells.map((cell) => [cell, cell.ticket]))
    this.engine.retry.retry(this.store, run, from, this.now)
    const kept = new Set([...this.engine.Store.frames(run)].flatMap((frame) => frame.cells))
    for (const cell of cells) {
      const didRestart = cell.ticket !== tickets.get(cell) || !kept.has(cell)
      if (didRestart === expected.has(cell)) continue
      wrong(
        `${this.engine.Store.addressOf(cell)} ${didRestart ? "was restarted" : "was kept"} by the retry of ${run.id}`
      )
    }
  }

  // ---- workers ------------------------------------------------------------------------------------------------------

  #register(): void {
    const { random } = this
    const known = this.#workers.length > 0 && random.chance(0.4) ? random.pick(this.#workers) : undefined
    const back = this.#ghosts.filter(({ info }) => !this.#workers.some((worker) => worker.info.id === info.id))
    const ghost = back.length > 0 && random.chance(0.3) ? random.pick(back).info.id : undefined
    const info = {
      id: known?.info.id ?? ghost ?? `w${this.#workers.length + this.#ghosts.length}`,
      tasks: random.some(this.scenario.tasks, 0.8),
      queues: random.chance(0.7) ? queues : random.some(queues, 0.6),
      concurrency: random.between(1, 4),
      host: "here"
    }
    this.#enter(known, info)
  }

  #enter(known: Worker | undefined, info: WorkerInfo): void {
    this.engine.register.register(this.store, info, this.now)
    if (known === undefined) this.#workers.push({ info, leaseUntil: this.now + lease, held: new Map() })
    else Object.assign(known, { info, leaseUntil: this.now + lease })
  }

  #pickWorker(): Worker | undefined {
    return this.#workers.length === 0 ? undefined : this.random.pick(this.#workers)
  }

  /** Reports some of what it holds, and claims. */
  #work(): void {
    const worker = this.#pickWorker()
    if (worker === undefined) return this.#register()
    const { random } = this
    const probability = random.pick([0, 0.3, 1])
    const settlements = [...worker.held.values()]
      .filter(() => random.chance(probability))
      .map((delivery) => this.#report(delivery, false))
    const claim = random.chance(0.8) ? random.below(worker.info.concurrency + 1) : 0
    this.#exchange(worker, settlements, claim)
  }

  #report(delivery: Delivery, isHealthy: boolean): Settlement {
    const { attempt, node, nonce, run } = delivery
    const isAsked = this.store.workers.get(this.#holderOf(nonce) ?? "")?.interrupts.has(nonce) === true
    const stops = isAsked ? isHealthy || this.random.chance(0.7) : !isHealthy && this.random.chance(0.02)
    const outcome: Outcome = stops ? { _tag: "Interrupted" } : this.scenario.outcome(delivery, isHealthy)
    return { run, node, attempt, nonce, outcome }
  }

  #holderOf(nonce: string): string | undefined {
    return this.#workers.find((worker) => worker.held.has(nonce))?.info.id
  }

  /** One call of the broker's `settle`: reports, then a claim. */
  #exchange(worker: Worker, settlements: ReadonlyArray<Settlement>, claim: number): number {
    const { advance, claim: claims } = this.engine
    advance.advanceDeferred(this.store, this.now, this.store.options.slice)
    for (const settlement of settlements) this.#settle(worker.info.id, settlement)
    const known = this.store.workers.get(worker.info.id)
    if (known === undefined) {
      this.#note(`  ${worker.info.id} is unknown`)
      this.#bury(worker)
      return 0
    }
    if (claim === 0) return 0
    const deliveries = claims.claim(this.store, known, claim, `n${this.#claims++}`, this.now)
    if (deliveries.length > claim) wrong(`${deliveries.length} deliveries for a claim of ${claim}`)
    this.#isAlone(worker, deliveries)
    for (const delivery of deliveries) {
      this.#note(
        `  ${worker.info.id} claims ${delivery.run}/${delivery.node} attempt ${delivery.attempt} as ${delivery.nonce}`
      )
      this.#generations.delivered(delivery, worker.info)
      this.scenario.begin(delivery)
      worker.held.set(delivery.nonce, delivery)
    }
    if (deliveries.length < claim) this.#isIdleForAReason(worker)
    return deliveries.length
  }

  /** A node that was lost twice, or may be lost but once more, is handed out alone; it does not wait for that longer than a lease. */
  #isAlone(worker: Worker, deliveries: ReadonlyArray<Delivery>): void {
    for (const { lost, node, run } of deliveries) {
      if (lost === 0 || lost < Math.min(2, this.store.options.maxDeliveries - 1)) continue
      this.count("suspect")
      const isPatient = this.now - this.#generations.lostAt(run, node) < lease
      if (deliveries.length > 1 || (worker.held.size > 0 && isPatient))
        wrong(`${run}/${node} was lost and is not alone with ${worker.info.id}`)
    }
  }

  #settle(worker: string, settlement: Settlement): Receipt {
    const holder = this.#holderOf(settlement.nonce)
    const held = this.#workers.find(({ info }) => info.id === holder)?.held
    const isCurrent =
      holder === worker && held?.get(settlement.nonce)?.attempt === settlement.attempt && this.store.workers.has(worker)
    const receipt = this.engine.settle.settle(
      this.store,
      this.store.workers.get(worker),
      settlement,
      this.random.next(),
      this.now
    )
    this.#note(`  ${worker} reports ${settlement.nonce} as ${inWords(settlement.outcome)}: ${receipt}`)
    this.count(`${receipt} ${settlement.outcome._tag}`)
    if (isCurrent !== (receipt === "recorded")) wrong(`the report of ${settlement.nonce} by ${worker} is ${receipt}`)
    if (receipt === "already" && !this.#sent.some((sent) => sent.settlement.nonce === settlement.nonce)) {
      wrong(`${settlement.nonce} was never reported, and is ${receipt}`)
    }
    if (receipt === "recorded") this.#generations.reported(settlement, this.now)
    if (isCurrent) {
      held!.delete(settlement.nonce)
      this.#sent.push({ worker, settlement })
    }
    this.hear()
    return receipt
  }

  /** A worker that got less than it asked for: nothing it could run is ready, but a suspect that somebody else shall run. */
  #isIdleForAReason({ info }: Worker): void {
    const { claim, inspect } = this.engine
    const worker = this.store.workers.get(info.id)!
    if (worker.alone !== undefined) return
    const ready = info.queues.flatMap((name) => {
      const queue = this.store.queues.get(name)
      return queue === undefined ? [] : [...inspect.readyIn(queue)].filter((cell) => claim.canRun(worker, cell))
    })
    if (ready.length > 0 && !ready.some((cell) => isSuspect(cell.lost, this.store.options.maxDeliveries))) {
      wrong(`${info.id} gets less than it asked for, and ${ready.length} nodes are ready in its queues`)
    }
  }

  #resend(): void {
    if (this.#sent.length === 0) return
    const { settlement, worker } = this.random.pick(this.#sent)
    this.#settle(worker, settlement)
  }

  /** A report by the wrong worker, for the wrong attempt, or with a nonce that nobody gave. */
  #forge(): void {
    const worker = this.#pickWorker()
    const deliveries = this.#workers.flatMap(({ held }) => [...held.values()])
    if (worker === undefined || deliveries.length === 0) return
    const { attempt, node, nonce, run } = this.random.pick(deliveries)
    const outcome: Outcome = { _tag: "Succeeded", value: "forged" }
    const kind = this.random.below(3)
    if (kind === 0) this.#settle(worker.info.id, { run, node, attempt, nonce: `${nonce}x`, outcome })
    else if (kind === 1) this.#settle(worker.info.id, { run, node, attempt: attempt + 1, nonce, outcome })
    else if (this.#holderOf(nonce) !== worker.info.id)
      this.#settle(worker.info.id, { run, node, attempt, nonce, outcome })
  }

  #release(): void {
    const worker = this.#pickWorker()
    if (worker === undefined) return
    const known = this.store.workers.get(worker.info.id)
    const claims = this.random.some([...worker.held.values()], 0.6)
    if (known === undefined) return this.#bury(worker)
    this.#note(`  ${worker.info.id} gives back ${claims.map(({ nonce }) => nonce).join(", ")}`)
    for (const { nonce } of claims) worker.held.delete(nonce)
    this.engine.release.release(this.store, known, claims, this.now)
  }

  #renew(): void {
    const worker = this.#pickWorker()
    if (worker === undefined) return
    const said = this.engine.register.renew(this.store, worker.info.id, [...worker.held.keys(), "n?"], this.now)
    if (said.unknown) return this.#bury(worker)
    if (said.lost.length !== 1) wrong(`a renewal of ${worker.info.id} lost ${said.lost.join(", ")}`)
    for (const nonce of said.interrupt)
      if (!worker.held.has(nonce)) wrong(`${worker.info.id} shall stop ${nonce}, which it does not hold`)
    worker.leaseUntil = this.now + lease
  }

  #fallSilent(): void {
    const busy = this.#workers.filter(({ held }) => held.size > 0)
    const worker = busy.length > 0 ? this.random.pick(busy) : this.#pickWorker()
    if (worker === undefined) return
    this.#note(`  ${worker.info.id}`)
    worker.leaseUntil = Math.min(worker.leaseUntil, this.now)
    this.store.workers.get(worker.info.id)!.leaseUntil = worker.leaseUntil
  }

  #ghostReports(): void {
    const ghosts = this.#ghosts.filter(({ held }) => held.size > 0)
    if (ghosts.length === 0) return
    const ghost = this.random.pick(ghosts)
    const delivery = this.random.pick([...ghost.held.values()])
    ghost.held.delete(delivery.nonce)
    this.#settle(ghost.info.id, this.#report(delivery, false))
  }

  #unregister(): void {
    const worker = this.#pickWorker()
    if (worker === undefined) return
    this.#note(`  ${worker.info.id}`)
    this.#bury(worker)
    const known = this.store.workers.get(worker.info.id)
    if (known !== undefined) this.engine.release.dismiss(this.store, known, "released", this.now)
  }

  #bury(worker: Worker): void {
    this.#workers.splice(this.#workers.indexOf(worker), 1)
    this.#ghosts.push(worker)
  }

  #sweep(): number {
    const silent = this.#workers.filter(({ leaseUntil }) => leaseUntil <= this.now)
    const swept = this.engine.sweep.sweep(this.store, this.now)
    for (const worker of silent) this.#bury(worker)
    if (swept.workers !== silent.length)
      wrong(`a sweep dismissed ${swept.workers} workers, ${silent.length} were silent`)
    if (swept.timers > 0) this.count("timer")
    if (silent.some(({ held }) => held.size > 0)) this.count("lost deliveries")
    return swept.timers + swept.workers
  }

  // ---- the end ------------------------------------------------------------------------------------------------------

  /** No more faults: with one worker that can do everything, every run ends. */
  #settleDown(): void {
    while (this.#waiting.length > 0) this.#do("submit", () => this.#submit(false))
    const info = { id: `healthy${this.#claims}`, tasks: this.scenario.tasks, queues, concurrency: 3, host: "here" }
    this.#do("register", () => this.#enter(undefined, info))
    const worker = this.#workers[this.#workers.length - 1]!
    for (let steps = 0; this.#isBusy(); steps++) {
      if (steps > 5_000)
        wrong(
          `still runs: ${[...this.store.runs.values()]
            .filter((run) => run.state === "running")
            .map((run) => run.id)
            .join(", ")}`
        )
      let happened = 0
      this.#do("renew", () => {
        this.engine.register.renew(this.store, info.id, [...worker.held.keys()], this.now)
        worker.leaseUntil = this.now + lease
      })
      this.#do("sweep", () => void (happened += this.#sweep() + this.store.deferred.size))
      this.#do("work", () => {
        const settlements = [...worker.held.values()].map((delivery) => this.#report(delivery, true))
        happened += settlements.length + this.#exchange(worker, settlements, 3)
      })
      // The others keep what they hold until their leases run out.
      if (happened === 0) this.now += this.random.between(lease / 4, lease)
    }
    this.#do("unregister", () => {
      this.#bury(worker)
      this.engine.release.dismiss(this.store, this.store.workers.get(info.id)!, "released", this.now)
    })
  }

  #isBusy(): boolean {
    for (const run of this.store.runs.values()) if (run.state === "running") return true
    return false
  }

  /** Retries what ended, and lets it end again. */
  #again(): void {
    this.#do("retry", () => this.#retryOne())
    if (this.random.chance(0.2)) this.#do("cancel", () => this.#cancel())
    this.#settleDown()
  }

  // ---- checks -------------------------------------------------------------------------------------------------------

  /** Takes what a transition had to tell. */
  hear(): void {
    const { store } = this
    if (store.events.length > 0) {
      const { events } = store
      store.events = []
      for (const event of events) this.#heard(event)
    }
    if (store.ended.length > 0) {
      const { ended } = store
      store.ended = []
      for (const run of ended) {
        this.#generations.ended(run)
        this.count(`run ${run.state}`)
        this.scenario.onEnd(this, run)
      }
    }
  }

  #heard(event: Event): void {
    this.#generations.heard(event)
    if (event._tag !== "NodeEnded" || (event.state !== "succeeded" && event.state !== "failed")) return
    const cell = this.engine.claim.cellAt(this.store.runs.get(event.run)!, event.node)!
    if (event.state === "failed") this.count(`node failed: ${cell.failed!.tag}`)
    if (cell.node.collects !== undefined) this.count("collect")
    if (cell.node.work) this.recordedAt.set(cell, ++this.#recorded)
  }

  #check(): void {
    this.hear()
    this.#generations.check()
    const found = this.engine.invariants.violations(this.store)
    if (found.length > 0) wrong(found.join("\n"))
    for (const worker of this.#workers) {
      const known = this.store.workers.get(worker.info.id)
      if (known === undefined) wrong(`${worker.info.id} was forgotten`)
      else if (known.holding.size !== worker.held.size)
        wrong(`${worker.info.id} holds ${worker.held.size} and is said to hold ${known.holding.size}`)
      else
        for (const nonce of worker.held.keys()) if (!known.holding.has(nonce)) wrong(`${worker.info.id} lost ${nonce}`)
    }
  }
}

const inWords = (outcome: Outcome): string =>
  outcome._tag === "Failed" ? `failed with ${outcome.failed.tag}` : outcome._tag

/**
 * One for each thing that the store must not forget: its scripts, the broker around them, and the worker that relies on it.
 * The bugs of the kernel's rules are planted in core's engine, with which the scripts are compared.
 */
import type { Catcher, Mutant } from "./Mutant.ts"

/** A case of the suite that every broker has to pass. */
const suite = (name: string): Catcher => ({ test: "broker-redis/test/RedisBroker.test.ts", name })
/** Random stories that this broker and the memory broker are told. */
const duet = (name: "short" | "retried" | "timed" | "twice" | "large"): Catcher => ({
  test: "broker-redis/test/Duet.test.ts",
  name: `${name}:`
})
const faults = (name: string): Catcher => ({ test: "broker-redis/test/Faults.test.ts", name })
const leases = (name: string): Catcher => ({ test: "broker-redis/test/Leases.test.ts", name })
const staging = (name: string): Catcher => ({ test: "broker-redis/test/Staging.test.ts", name })
const damaged = (name: string): Catcher => ({ test: "broker-redis/test/Damage.test.ts", name })
const reconcile = (name: string): Catcher => ({ test: "broker-redis/test/Reconcile.test.ts", name })
const waking = (name: string): Catcher => ({ test: "broker-redis/test/Waking.test.ts", name })
const large = (name: string): Catcher => ({ test: "broker-redis/test/Large.test.ts", name })
const retention = (name: string): Catcher => ({ test: "broker-redis/test/Retention.test.ts", name })
const bucketed = (name: string): Catcher => ({ test: "broker-redis/test/Buckets.test.ts", name })
const connection = (name: string): Catcher => ({ test: "broker-redis/test/Connection.test.ts", name })
const heartbeat = (name: string): Catcher => ({ test: "broker-redis/test/Heartbeat.test.ts", name })
const partitions = (name: string): Catcher => ({ test: "broker-redis/test/Partitions.test.ts", name })
const idle = (name: string): Catcher => ({ test: "broker-redis/test/Idle.test.ts", name })
const closing = (name: string): Catcher => ({ test: "broker-redis/test/Closing.test.ts", name })
const awaiting = (name: string): Catcher => ({ test: "broker-redis/test/Awaiting.test.ts", name })
const hints = (name: string): Catcher => ({ test: "broker-redis/test/Hints.test.ts", name })
const worker = (name: string): Catcher => ({ test: "core/test/Worker.test.ts", name })

const script = (name: string): string => `broker-redis/src/scripts/${name}.lua`

/** Reports, and the fence that says which of them count. */
const fences: ReadonlyArray<Mutant> = [
  {
    name: "a delivery has the fence of the one before",
    file: script("settle"),
    find: "max(now * 1000, issued + 1)",
    replace: "math.floor(now / 100000) * 100000000",
    by: suite("gives every delivery of a node a greater fence")
  },
  {
    name: "a report counts whatever its nonce",
    file: script("settle"),
    find: "find(value, fence, 14, true) == 14",
    replace: "find(value, match(fence, '^%d+,'), 14, true) == 14",
    by: suite("says `stale` to another nonce, and changes nothing")
  },
  {
    name: "a report counts whatever its attempt",
    file: script("settle"),
    find: "find(value, fence, 14, true) == 14",
    replace: "find(value, match(fence, ',.*,$'), 14, true)",
    by: suite("says `stale` to another attempt, and changes nothing")
  },
  {
    name: "a report that does not count is called recorded",
    file: script("settle"),
    find: "and 'A' or 'S'",
    replace: "and 'A' or 'R'",
    by: suite("says `stale` after the delivery was given back")
  },
  {
    name: "a join counts a report again that is sent again",
    file: script("settle"),
    find: "receipts[position] = run and wasRecorded(run, address, nonce) and 'A' or 'S'",
    replace:
      "receipts[position] = run and wasRecorded(run, address, nonce) and 'A' or 'S'\n" +
      "      if receipts[position] == 'A' and run.state == 'R' then\n" +
      "        defer(run, address)\n" +
      "        budget = advance(run, budget)\n" +
      "      end",
    by: duet("twice")
  },
  {
    name: "a failure that is reported again is not known again",
    file: script("hold"),
    find: "  if first == 115 then return match(value, '^s%d+|%d+|([^|]*)|') == mark end\n",
    replace: "",
    by: suite("says `already` to a failure that was recorded and is to be tried again")
  },
  {
    name: "a node is tried once more than its policy says",
    file: script("settle"),
    find: "tries >= policy.attempts",
    replace: "tries > policy.attempts",
    by: suite("fails for good when the attempts are used up, with the last error")
  },
  {
    name: "what is reported is still counted as held",
    file: script("hold"),
    find: "held[field] = nil\n  holder.gone[#holder.gone + 1] = field",
    replace: "held[field] = nil",
    by: suite("tell a worker which of its nonces the broker knows nothing of")
  },
  {
    name: "a claim that is sent again hands out others",
    file: script("settle"),
    find: "known and holder.sequence and find(holder.sequence, base, 1, true)",
    replace: "false",
    by: faults("of a claim: the call is sent again")
  },
  {
    name: "a claim that is sent again hands out nothing",
    file: script("settle"),
    find: "    redeliver(holder, deliveries)\n",
    replace: "",
    by: faults("of a claim: the call is sent again")
  },
  {
    name: "of the calls of a worker on their way only the last is known when it is sent again",
    file: script("hold"),
    find: "sub(holder.base .. (holder.sequence or ''), 1, 64)",
    replace: "holder.base",
    by: faults("of two claims on their way at once")
  },
  {
    name: "a report whose elements are gone is recorded",
    file: script("run"),
    find: "and call('EXISTS', fork[3]) == 0 then return false end",
    replace: "and call('EXISTS', fork[3]) == 0 then return true end",
    by: staging("leaves a report unmade")
  }
]

/** How ends move on, and what one call leaves to the next. */
const advancing: ReadonlyArray<Mutant> = [
  {
    name: "a join forgets an edge that another call has resolved",
    file: script("save"),
    find: "if join.dirty and not join.over then\n      put(",
    replace:
      "if join.dirty and not join.over then\n      if not join.stored then put(run, 'j' .. address, saveJoin(join)) end\n    elseif false then\n      put(",
    by: suite("joins a thousand nodes, settled a hundred at a time, exactly once")
  },
  {
    name: "what was done of the deferred work and not taken away is done again",
    file: script("work"),
    find: "local from = run.next + run.read",
    replace: "if run.read == 0 then run.next = run.base end\n  local from = run.next + run.read",
    by: { test: "broker-redis/test/Work.test.ts", name: "is not done twice" }
  },
  {
    name: "what was added to the deferred work of a run that was not written stays",
    file: script("work"),
    find: "elseif call('LLEN', key) > last - run.base then call('LTRIM', key, 0, last - run.base - 1) end",
    replace: "end",
    by: { test: "broker-redis/test/Work.test.ts", name: "is not added twice" }
  },
  {
    name: "the first edge lets a node go",
    file: script("kernel"),
    find: "if said == 'fire' and edge >= 0 and not hasJoin(run, program) then",
    replace: "if said == 'fire' and edge >= 0 then",
    by: suite("`all` goes when every edge has fired")
  },
  {
    name: "a node is ready before its join is complete",
    file: script("kernel"),
    find: "(join.pending == 0 and 'go' or 'wait')",
    replace: "(join.pending <= 1 and 'go' or 'wait')",
    by: suite("`all` goes when every edge has fired")
  },
  {
    name: "a run ends when its outcome is known",
    file: script("kernel"),
    find: "if run.open == 0 then finish(run) end\nend",
    replace: "if run.state == 'R' and (run.open == 0 or run.decided ~= '-') then finish(run) end\nend",
    by: suite("ends a run when every node has ended, not when its outcome is known")
  },
  {
    name: "a success moves on more edges than a call may",
    file: script("advance"),
    find: "if run.work or not program.e or program.q >= budget then",
    replace: "if run.work or not program.e then",
    by: suite("follows six thousand edges of one node")
  },
  {
    name: "what is ready at once is queued in a closing run, too",
    file: script("kernel"),
    find: "if program.isPlain and run.closing == '-' then",
    replace: "if program.isPlain then",
    by: duet("short")
  },
  {
    name: "a node that expires is taken for one that does not",
    file: script("plan"),
    find: "program.isPlain = isWork and not (policy and (policy.delay > 0 or policy.expires))",
    replace: "program.isPlain = isWork and not (policy and policy.delay > 0)",
    by: duet("timed")
  },
  {
    name: "a delivery of another plan does not say so",
    file: script("delivery"),
    find: "if history or hash ~= holder.hash then",
    replace: "if history or holder.hash == '' then",
    by: suite("says of each of many deliveries which plan it is of")
  },
  {
    name: "what a call leaves to later calls is lost",
    file: script("work"),
    find: "for _, item in ipairs(run.later or NONE) do add(item) end",
    replace: "",
    by: suite("follows six thousand edges of one node")
  },
  {
    name: "what a call leaves behind other work is lost",
    file: script("work"),
    find: "  for _, item in ipairs(run.later or NONE) do work[#work + 1] = item end\n",
    replace: "",
    by: duet("large")
  },
  {
    name: "nobody goes on with what a call has left",
    file: script("sweep"),
    find: "if budget > 0 then budget = advance(run, budget) end\n      if nextWork(run)",
    replace: "if nextWork(run)",
    by: duet("large")
  },
  {
    name: "what was removed stays in the list of all runs behind an older one that goes on",
    file: script("sweep"),
    find: "if further > 0 then setFlag('gone',",
    replace: "if further < 0 then setFlag('gone',",
    by: retention("does not stay in the list of all runs either")
  },
  {
    name: "runs that go on leave the list of all together with what was removed",
    file: script("sweep"),
    find: "(raw[id] or call('EXISTS', prefix .. 'r:' .. id) == 1)",
    replace: "call('EXISTS', prefix .. 'r:' .. id) == 1",
    by: retention("does not stay in the list of all runs either")
  },
  {
    name: "what is sought ends with the newest runs",
    file: script("reconcile"),
    find: "list == 'runs' and call('EXISTS', prefix .. 'kept') == 1 and 'kept' or ''",
    replace: "''",
    by: retention("does not stay in the list of all runs either")
  },
  {
    name: "a node of a poisoned delivery moves nothing on",
    file: script("hold"),
    find: "endCell(run, address, program, 'F' .. text[held.tries",
    replace: "put(run, address, 'F' .. text[held.tries",
    by: suite("let a handler catch that")
  },
  {
    name: "plans share their nodes",
    file: script("plan"),
    find: "plan = { hash = hash, nodes = {}, programs = {} }",
    replace: "plan = { hash = hash, nodes = plans.nodes or {}, programs = {} }\n    plans.nodes = plan.nodes",
    by: duet("short")
  },
  {
    name: "the node after a group is programmed like the group",
    file: script("plan"),
    find: "if firsts[middle + 1] <= node then",
    replace: "if firsts[middle + 1] < node then",
    by: suite("joins a thousand nodes, settled a hundred at a time, exactly once")
  },
  {
    name: "the nodes of a group resolve one edge",
    file: script("advance"),
    find: "edge[3] and node + edge[3] or -1",
    replace: "edge[3] or -1",
    by: duet("short")
  },
  {
    name: "what a call has read is believed by the next",
    file: script("run"),
    find: "ended, flags, watched, out, closingLate = {}, {}, {}, {}, {}, {}, {}, nil, nil, nil",
    replace: "ended, flags, watched, out, closingLate = {}, {}, {}, {}, {}, {}, flags or {}, nil, nil, nil",
    by: duet("timed")
  }
]

/** Cancelling and retrying. */
const generations: ReadonlyArray<Mutant> = [
  {
    name: "a claim hands out first attempts of a cancelled run",
    file: script("claim"),
    find: "run.state == 'R' and run.closing == '-' and run.generation == '1'",
    replace: "run.state == 'R' and run.generation == '1'",
    by: suite("lets no delivery of thousands out once it has returned")
  },
  {
    name: "a claim hands out nodes of a cancelled run",
    file: script("claim"),
    find: "  if run.closing ~= '-' and not program.c then return nil end\n",
    replace: "",
    by: suite("lets no delivery of thousands out once it has returned")
  },
  {
    name: "a closing run starts nodes",
    file: script("kernel"),
    find: "if isClosedFor(run, program) then endCell(run, address, program, 'X')\n    elseif program.x",
    replace: "if program.x",
    by: suite("records a value that came first, and lets nothing start after it")
  },
  {
    name: "a closing run ends what a worker has",
    file: script("advance"),
    find: "or not isHeld(run, address)) then",
    replace: "or true) then",
    by: suite("tells the worker that runs it to stop, with its next report and its next renewal")
  },
  {
    name: "a closing run leaves what this very call gives back",
    file: script("advance"),
    find: "return out[field] and not freed[field]",
    replace: "return out[field]",
    by: suite("ends the node when another report of the same call closes the run")
  },
  {
    name: "what is to stop is looked for in all that a worker holds",
    file: script("settle"),
    find: "if tab and isAmong[sub(field, 1, tab - 1)] and",
    replace: "if tab and",
    by: closing("costs the same however much its worker holds of others")
  },
  {
    name: "a run is closed before the reports of the call are in",
    file: script("kernel"),
    find: "if closingLate then closingLate[#closingLate + 1] = run else defer(run, 'close|0') end",
    replace: "defer(run, 'close|0')",
    by: closing("costs nothing more where the rest of it is reported by the same call")
  },
  {
    name: "what a call closes is never ended",
    file: script("settle"),
    find: "      defer(run, 'close|0')\n",
    replace: "",
    by: duet("short")
  },
  {
    name: "a closing run tells nobody to stop",
    file: script("settle"),
    find: "if run and isClosedFor(run, program) then nonces",
    replace: "if false then nonces",
    by: suite("tells the worker that runs it to stop, with its next report and its next renewal")
  },
  {
    name: "a retry keeps the outcomes of the generation before",
    file: script("restart"),
    find: "  remove(run, address)\n",
    replace: "",
    by: suite("opens the next generation with what failed and what depends on it, and keeps the rest")
  },
  {
    name: "a retry keeps how many instances there were of what it decides anew",
    file: script("restart"),
    find: "  if isDiscarded then removeExpansion(run, address) end\n",
    replace: "",
    by: suite("makes new instances in new instances, as many as they decide now")
  },
  {
    name: "a retry keeps the instances of a fork that is decided anew",
    file: script("restart"),
    find: "    removeExpansion(run, address)\n    return nil",
    replace: "    return nil",
    by: suite("makes new instances when it starts again what decides them")
  },
  {
    name: "a queue hands out first attempts of a generation before",
    file: script("claim"),
    find: "run.state == 'R' and run.closing == '-' and run.generation == '1'",
    replace: "run.state == 'R' and run.closing == '-'",
    by: suite("hands out once what was ready when the run was cancelled")
  },
  {
    name: "a queue hands out what a generation before had left there",
    file: script("claim"),
    find: " or run.generation ~= generation then return nil end",
    replace: " then return nil end",
    by: suite("hands out once what was ready when the run was cancelled")
  },
  {
    name: "a retry that is sent again opens another generation",
    file: script("retry"),
    find: "local begins = get(run, 'y') ~= argv[4]",
    replace: "local begins = true",
    by: duet("twice")
  },
  {
    name: "what a retry starts again is removed before it has",
    file: script("restart"),
    find: "if action == 'resume' and last == size and total > 0 then",
    replace: "if action == 'resume' and total > 0 then",
    by: duet("large")
  }
]

/** What needs a clock. */
const timers: ReadonlyArray<Mutant> = [
  {
    name: "timers fire before their time",
    file: script("sweep"),
    find: "prefix .. 't', '-inf', now, 'BYSCORE'",
    replace: "prefix .. 't', '-inf', now + 600000, 'BYSCORE'",
    by: suite("waits for the next attempt, and lets nobody claim it before its time")
  },
  {
    name: "timers are removed and nothing is done",
    file: script("sweep"),
    find: "            push(run, address, program, tonumber(said), ms)\n",
    replace: "",
    by: suite("delays a node after what it depends on")
  },
  {
    name: "a timer makes ready what has ended meanwhile",
    file: script("sweep"),
    find: "if kind == 's' and value and match(value, '^s%d+|(%d+)|') == said then",
    replace: "if kind == 's' and value then",
    by: duet("timed")
  },
  {
    name: "a timer of the generation before counts",
    file: script("sweep"),
    find: "elseif run.generation == generation then",
    replace: "else",
    by: suite("lets an attempt wait for its own time, not for that of the generation before")
  },
  {
    name: "a node expires at the time of an earlier wait",
    file: script("sweep"),
    find: "isActive(value) and match(value, ',(%d+)$') == said and",
    replace: "isActive(value) and",
    by: duet("timed")
  },
  {
    name: "a node expires that a worker has",
    file: script("sweep"),
    find: " == said and not isHeld(run, address) then",
    replace: " == said then",
    by: suite("expires nothing that was claimed in time")
  },
  {
    name: "the delay of a run starts it although it has started by its cancel",
    file: script("sweep"),
    find: "          if get(run, 'w') then\n            remove(run, 'w')\n            defer(run, 'start|0')\n          end",
    replace: "          defer(run, 'start|0')",
    by: duet("timed")
  },
  {
    name: "retention removes runs that are running",
    file: script("sweep"),
    find: "local isCurrent = run and run.state ~= 'R' and run.generation == (generation == '' and '1' or generation)",
    replace:
      "local isCurrent = run and (run.state == 'R' or run.generation == (generation == '' and '1' or generation))",
    by: suite("counts from the end of the last generation")
  },
  {
    name: "retention removes a run long before its time",
    file: script("sweep"),
    find: "if run and excess <= 0 and isYoung",
    replace: "if run and excess <= -3 and isYoung",
    by: suite("keeps of every state the runs that ended last")
  },
  {
    name: "retention goes by the end of the generation before",
    file: script("sweep"),
    find: " and run.generation == (generation == '' and '1' or generation)",
    replace: "",
    by: suite("takes a run that ended again as one that ended last")
  },
  {
    name: "a run that is removed leaves its elements behind",
    file: script("sweep"),
    find: "if body.fork == fork then gone[#gone + 1]",
    replace: "if false then gone[#gone + 1]",
    by: { test: "broker-redis/test/Retention.test.ts", name: "leaves no elements behind" }
  },
  {
    name: "what is staged is removed before anybody can use it",
    file: script("sweep"),
    find: "now - stagingAge, 'BYSCORE'",
    replace: "now, 'BYSCORE'",
    by: staging("is left alone")
  }
]

/** Leases, and what becomes of what a worker held. */
const holding: ReadonlyArray<Mutant> = [
  {
    name: "silent workers are not dismissed",
    file: script("sweep"),
    find: "local silent = #excused == 0 and",
    replace: "local silent = false and",
    by: leases("while others swept is dismissed when it has run out")
  },
  {
    name: "a sweep leaves the second silent worker to the next",
    file: script("sweep"),
    find: "    more = 1\n  end\n\n  local removed",
    replace: "  end\n\n  local removed",
    by: suite("of several silent workers are all ended by one sweep")
  },
  {
    name: "a renewal does not renew",
    file: script("renew"),
    find: "  call('ZADD', prefix .. 'ws', now + lease, worker)\n",
    replace: "",
    by: suite("keep what a worker holds while it renews")
  },
  {
    name: "a renewal of many looks at all of them with each of its parts",
    file: script("renew"),
    find: "% parts == part then",
    replace: "% parts >= 0 then",
    by: large("3,000 deliveries of one worker")
  },
  {
    name: "a renewal brings back a worker that was dismissed",
    file: script("renew"),
    find: "  if not call('ZSCORE', prefix .. 'ws', worker) then return { 0, {}, {} } end\n",
    replace: "",
    by: suite("tell a worker that comes back that it is unknown and what it lost")
  },
  {
    name: "a renewal keeps nonces that nobody gave out",
    file: script("renew"),
    find: "    if says[argv[i]] then lost[#lost + 1] = argv[i] end\n",
    replace: "",
    by: suite("tell a worker which of its nonces the broker knows nothing of")
  },
  {
    name: "what was claimed by a call whose answer was lost is never given back",
    file: script("renew"),
    find: "elseif not says[held.nonce] then",
    replace: "elseif false then",
    by: faults("and the worker has given the call up")
  },
  {
    name: "a worker that could not renew for an outage is dismissed at once",
    file: script("sweep"),
    find: "if now - lastSweep > outage then",
    replace: "if false then",
    by: leases("because the store was away has a lease from its return on")
  },
  {
    name: "a silent worker is excused for ever where sweeps are rare",
    file: script("sweep"),
    find: "if tonumber(leases[i + 1]) % 1 == 0 then",
    replace: "if true then",
    by: leases("is dismissed by the second sweep")
  },
  {
    name: "a node kills workers without end",
    file: script("hold"),
    find: "if lost >= maxLost then",
    replace: "if false then",
    by: suite("fail a node over which too many workers died")
  },
  {
    name: "a node fails over one death fewer than allowed",
    file: script("hold"),
    find: "if lost >= maxLost then",
    replace: "if lost + 1 >= maxLost then",
    by: suite("fail a node over which too many workers died")
  },
  {
    name: "a suspect comes with others",
    file: script("claim"),
    find: "    holder.suspect = suspect\n    return false\n",
    replace: "    holder.suspect = suspect\n",
    by: suite("let a node whose worker died be claimed alone")
  },
  {
    name: "a suspect that is given back stands among the others",
    file: script("hold"),
    find: "local isSuspect = holder.alone == held.nonce",
    replace: "local isSuspect = false",
    by: suite("keep a suspect apart that was given back")
  },
  {
    name: "others come to a worker that has a suspect",
    file: script("settle"),
    find: "elseif known and wanted > 0 and not holder.alone then",
    replace: "elseif known and max > 0 then",
    by: suite("let a node whose worker died be claimed alone")
  },
  {
    name: "what one crash has taken along is set apart from the others",
    file: script("hold"),
    find: "lost >= min(2, maxLost - 1)",
    replace: "true",
    by: suite("return what was lost first in its queue, in the order it was claimed, and with the others")
  },
  {
    name: "what crashes have taken along is never set apart from the others",
    file: script("hold"),
    find: "lost >= min(2, maxLost - 1)",
    replace: "false",
    by: suite("let what was lost twice be claimed alone")
  },
  {
    name: "a suspect comes to a busy worker",
    file: script("claim"),
    find: "if isPatient and isHolding(holder) then return 'wait', entry end",
    replace: "",
    by: suite("never give a worker a suspect beside what it holds")
  },
  {
    name: "a suspect waits for busy workers for ever",
    file: script("claim"),
    find: "if isPatient and isHolding(holder) then return 'wait', entry end",
    replace: "if isHolding(holder) then return 'wait', entry end",
    by: suite("let a suspect wait for a busy worker, though not for ever")
  },
  {
    name: "a suspect waits for one worker for ever",
    file: script("claim"),
    find: "if not (isReserved and isPatient) then",
    replace: "if not isReserved then",
    by: suite("let a suspect go to another when the worker it waits for has not become free for a lease")
  },
  {
    name: "a worker that had a suspect gets nothing any more",
    file: script("hold"),
    find: "    holder.gone[#holder.gone + 1] = '#alone'\n",
    replace: "",
    by: suite("let a node whose worker died be claimed alone")
  },
  {
    name: "what is released stands last in its queue",
    file: script("hold"),
    find:
      "  fronts[list] = fronts[list] or { queue = program.w }\n" +
      "  table.insert(fronts[list], 1, entryOf(run, address, program, held.tries, lost))",
    replace:
      "  local entries = appendedTo(list, program.w)\n" +
      "  entries[#entries + 1] = entryOf(run, address, program, held.tries, lost)",
    by: suite("puts claims first in their queue again, in their order")
  },
  {
    name: "what a call gives back is not there for its own claim",
    file: script("claim"),
    find: "  if isLeft(fronts[list]) then\n    local entries = {}\n",
    replace: "  if false then\n    local entries = {}\n",
    by: suite("puts what is interrupted first as well, also for the claim that comes along with it")
  },
  {
    name: "what is released counts as lost",
    file: script("hold"),
    find: "else putBack(run, address, program, held, held.lost) end",
    replace: "else putBack(run, address, program, held, held.lost + 1) end",
    by: suite("counts no attempt and no delivery, and fences the old one off")
  },
  {
    name: "what is released counts as an attempt",
    file: script("hold"),
    find: "table.insert(fronts[list], 1, entryOf(run, address, program, held.tries, lost))",
    replace: "table.insert(fronts[list], 1, entryOf(run, address, program, held.tries + 1, lost))",
    by: suite("counts no attempt and no delivery, and fences the old one off")
  },
  {
    name: "a worker that registers again loses what it holds",
    file: script("register"),
    find: "  call('HSET', prefix .. 'w:' .. argv[1], '#known', argv[4])\n",
    replace: "  call('DEL', prefix .. 'w:' .. argv[1])\n  call('HSET', prefix .. 'w:' .. argv[1], '#known', argv[4])\n",
    by: suite("goes by what a worker said last, and leaves it what it holds")
  },
  {
    name: "a worker that leaves is forgotten while it holds more than one call gives back",
    file: script("release"),
    find: "if #claims == most then return 1 end",
    replace: "",
    by: large("1,500 deliveries of one worker")
  },
  {
    name: "a silent worker is dismissed while it holds more than one sweep takes",
    file: script("sweep"),
    find: "if #some == mostHeld then robbed = holder else dismissed = holder end",
    replace: "dismissed = holder",
    by: large("1,500 deliveries of one worker")
  },
  {
    name: "what is given back in several calls stands in its queue as it comes",
    file: script("hold"),
    find: "for i = #some, most + 1, -1 do some[i] = nil end",
    replace: "for _ = 1, #some - most do table.remove(some, 1) end",
    by: large("1,500 deliveries of one worker")
  },
  {
    name: "a worker that leaves takes along what it holds",
    file: script("release"),
    find: "local claims = someHeld(holder, most)",
    replace: "local claims = {}",
    by: suite("of a worker that leaves gives back all it holds")
  }
]

/** Queues and submissions. */
const queues: ReadonlyArray<Mutant> = [
  {
    name: "a claim brings inputs of any length",
    file: script("claim"),
    find: "if holder.bytes >= mostBytes then",
    replace: "if false then",
    by: large("40 runs with inputs of 300,000 characters")
  },
  {
    name: "a claim that has no room for more says that there is nothing",
    file: script("claim"),
    find: "local more = looked >= wanted + 200 or holder.bytes >= mostBytes",
    replace: "local more = looked >= wanted + 200",
    by: large("10 tasks with inputs of 300,000 characters, which wait for each other")
  },
  {
    name: "inputs of any length are submitted together",
    file: "broker-redis/src/Partition.ts",
    find: "mostWeight: Plans.mostCharacters",
    replace: "mostWeight: Infinity",
    by: large("40 runs with inputs of 300,000 characters")
  },
  {
    name: "elements of any length are sent together",
    file: "broker-redis/src/Plans.ts",
    find: " && lengthOf(payloads) <= mostCharacters",
    replace: "",
    by: large("forEachs over 400 and over 1,200 elements of 10,000 characters")
  },
  {
    name: "a plan is read without a piece that is lost",
    file: "broker-redis/src/Plans.ts",
    find: 'texts.includes(null) ? undefined : parse(texts.join(""))',
    replace: 'parse(texts.join(""))',
    by: damaged("when only its clients can't read its plan, of several")
  },
  {
    name: "a plan is cut in the middle of a character",
    file: "broker-redis/src/Program.ts",
    find: "piece.isWellFormed() ? piece : piece.slice(0, -1)",
    replace: "piece",
    by: large("a plan of several megabytes")
  },
  {
    name: "outcomes of any length are reported together",
    file: "core/src/worker/Exchange.ts",
    find: "(count > 0 && characters > mostCharacters)",
    replace: "false",
    by: worker("sends outcomes together while they are short, and each by itself where they are long")
  },
  {
    name: "priorities are ignored",
    file: script("kernel"),
    find: "useBand(queue, program.y)\n  local entries = appendedTo(prefix .. 'q:' .. queue .. ':' .. program.y, queue)",
    replace: "useBand(queue, '5')\n  local entries = appendedTo(prefix .. 'q:' .. queue .. ':5', queue)",
    by: suite("hands out priority 0 before 1, and 9 last")
  },
  {
    name: "what one worker could not run is kept from all",
    file: script("claim"),
    find: "local queue, band = at.queue, at.band\n    if flag('k:' .. queue) == '1' then",
    replace: "local queue, band = at.queue, at.band\n    if false then",
    by: suite("shows what no worker can run as unroutable, until one registers that can")
  },
  {
    name: "a claim that has looked at enough says that there is nothing",
    file: script("claim"),
    find: "  if not more then unpark(holder, queues) end\n  return more\n",
    replace: "  if not more then unpark(holder, queues) end\n  return false\n",
    by: suite("leaves nothing waiting behind the thousands it has ended")
  },
  {
    name: "a worker waits for its next poll where a claim had looked at enough",
    file: "broker-redis/src/Settling.ts",
    find: "round < passes; round++",
    replace: "false; round++",
    by: suite("leaves nothing waiting behind the thousands it has ended")
  },
  {
    name: "a worker is given what it can't run",
    file: script("claim"),
    find: "known = find(holder.known, '\\t' .. task .. '\\t', 1, true) ~= nil",
    replace: "known = true",
    by: suite("gives a worker only tasks it can run, and lets nothing stand behind the others")
  },
  {
    name: "a submission that is sent again makes the run anew",
    file: script("submit"),
    find: "not areAllNew and call",
    replace: "false and call",
    by: suite("takes the same id, plan and input twice as one run")
  },
  {
    name: "an id is taken by two plans",
    file: script("submit"),
    find: "run.hash == shape.hash and ",
    replace: "",
    by: suite("refuses an id that is taken by a run with another plan")
  },
  {
    name: "an id is taken by two inputs",
    file: script("submit"),
    find: " and get(run, 'i') == input and",
    replace: " and",
    by: suite("refuses an id that is taken by a run with another input")
  },
  {
    name: "a delayed run starts at once",
    file: script("submit"),
    find: "if shape.delay == 0 then",
    replace: "if true then",
    by: suite("starts a delayed run when its delay is over, not before")
  }
]

/** Runs of one node, which share a key with others. */
const buckets: ReadonlyArray<Mutant> = [
  {
    name: "a submission of one node that is sent again makes the run anew",
    file: script("submit"),
    find: "(raw[id] or not areAllNew and",
    replace: "(not areAllNew and",
    by: bucketed("are told apart by any ids")
  },
  {
    name: "a run that has left its bucket stays in it as well",
    file: script("bucket"),
    find: "call('UNLINK', run.key)\n  dropPacked(run.id)",
    replace: "call('UNLINK', run.key)",
    by: duet("retried")
  },
  {
    name: "what is said of a run besides its cell is lost with its bucket",
    file: script("bucket"),
    find: "if set[i] ~= '0' then return false end",
    replace: "",
    by: bucketed("failures, a further generation")
  },
  {
    name: "a run of one node that is being cancelled has succeeded all the same",
    file: script("bucket"),
    find: "sub(standing, 1, 3) == 'R--'",
    replace: "byte(standing) == 82",
    by: duet("short")
  },
  {
    name: "who watches a run of one node is told nothing",
    file: script("bucket"),
    find: "if not value or watched ~= false or",
    replace: "if not value or",
    by: suite("tell of further attempts, with the error and the time")
  },
  {
    name: "a run of one node is ended by a report that says less than its cell",
    file: script("bucket"),
    find: "local isFresh = length == '' and",
    replace: "local isFresh =",
    by: reconcile("a node that was put back though it stood in a queue is handed out once")
  },
  {
    name: "a cell of any length stays in a bucket",
    file: script("bucket"),
    find: "if not head or #cell > mostPacked then return false end",
    replace: "if not head then return false end",
    by: bucketed("what is long")
  }
]

/** What is not looked at while there seems to be nothing to do. */
const idling: ReadonlyArray<Mutant> = [
  {
    name: "a worker that waits does not see what others have parked",
    file: "broker-redis/src/Idle.ts",
    find: "    Keys.parkedTasks(queue),\n",
    replace: "",
    by: idle("is given what another one has parked, and asks")
  },
  {
    name: "a worker that waits does not see what others died over",
    file: "broker-redis/src/Idle.ts",
    find: "    Keys.suspects(queue),\n",
    replace: "",
    by: idle("is given what others died over")
  },
  {
    name: "a worker that waits takes what is ready for itself",
    file: "broker-redis/src/Idle.ts",
    find: "const weight = others.length + 1",
    replace: "const weight = 2",
    by: idle("is told that the store has forgotten it")
  },
  {
    name: "nothing is parked any more once a worker has all that was parked for it",
    file: script("claim"),
    find: "      for _, one in ipairs(parked) do rest = rest or one.tasks == key end\n",
    replace: "",
    by: idle("while it took what was parked before")
  },
  {
    name: "what was parked once is looked for ever after",
    file: script("claim"),
    find: "  if not more then unpark(holder, queues) end\n",
    replace: "",
    by: idle("is given what another one has parked, and asks")
  },
  {
    name: "nobody is called for what is deferred",
    file: script("save"),
    find: "    timers[#timers + 1] = now\n    timers[#timers + 1] = 'deferred'\n",
    replace: "",
    by: idle("when somebody has deferred something")
  },
  {
    name: "nobody hears when an attempt is due",
    file: script("settle"),
    find: "more and 1 or 0, firstTimer(isAsking and not isServed), fence }",
    replace: "more and 1 or 0, -1, fence }",
    by: suite("says who reports when the next attempt is due")
  },
  {
    name: "a sweep is due only where something has no timer",
    file: "broker-redis/src/Idle.ts",
    find: "return Math.min(left, Number(timer) - ahead - performance.now())",
    replace: "return left",
    by: suite("says who reports when the next attempt is due")
  },
  {
    name: "a sweep that found something is followed by none",
    file: "broker-redis/src/Idle.ts",
    find: "isBusy ? 0 : ",
    replace: "",
    by: idle("again after one that has removed something")
  }
]

/** Who is told that there is work, and can't take it. */
const overheard: ReadonlyArray<Mutant> = [
  {
    name: "a channel is left that somebody needs",
    file: "broker-redis/src/Subscriber.ts",
    find: "if (wasAsked || subscription.isNeeded()) continue",
    replace: "if (wasAsked) continue",
    by: awaiting("listens no longer when nobody has waited for a while")
  },
  {
    name: "a channel that was left is taken for one that is heard",
    file: "broker-redis/src/Subscriber.ts",
    find: "        heard.delete(channel)\n        subscriptions.delete(channel)",
    replace: "        subscriptions.delete(channel)",
    by: awaiting("listens no longer when nobody has waited for a while")
  },
  {
    name: "a worker that another partition keeps busy keeps a hint to itself",
    file: "broker-redis/src/Partitions.ts",
    find: "else if (Member.isBusy(member))",
    replace: "else if (false)",
    by: waking("who has no room, as another partition keeps it busy")
  },
  {
    name: "a partition in which a run closes is not asked what to stop",
    file: "broker-redis/src/Partitions.ts",
    find: "member.closing.add(index)",
    replace: "",
    by: partitions("tells a worker what to stop, also when it reports on other runs only")
  },
  {
    name: "a worker that stops is told of work as long as its handlers take",
    file: "core/src/Worker.ts",
    find: "Effect.forkChild(Effect.ignore(broker.stopWaiting(info.id)))",
    replace: "Effect.forkChild(Effect.void)",
    by: waking("who stops is not among them")
  }
]

/** Data that is not as it was written. */
const damage: ReadonlyArray<Mutant> = [
  {
    name: "a run that is damaged fails the calls that meet it",
    file: script("damage"),
    find: "      if not issue then raise(reply) end\n",
    replace: "      raise(reply)\n",
    by: damaged("when settle, and the claim that comes along meets its state")
  },
  {
    name: "a run that was found damaged goes on",
    file: script("damage"),
    find: "call('HSET', key, 'm', 'D' .. m)",
    replace: "call('EXISTS', key)",
    by: damaged("when claim meets a node")
  },
  {
    name: "a run that is damaged stays with its workers",
    file: script("renew"),
    find: "      letGo(holder, held.field, held.nonce)\n",
    replace: "",
    by: damaged("when renew meets its state")
  },
  {
    name: "what belongs to all is held against the run at work",
    file: script("library"),
    find: "  local run = atWork\n  atWork = nil\n",
    replace: "  local run = atWork\n",
    by: damaged("stays an error, and is held against none: flags")
  },
  {
    name: "a call that failed while it wrote is made again",
    file: script("save"),
    find: "  isWriting = true\n",
    replace: "",
    by: damaged("stays an error, and is held against none: timers, when they are written")
  }
]

/** The broker around the scripts. */
const broker: ReadonlyArray<Mutant> = [
  {
    name: "submissions of one call are all given the first answer",
    file: "broker-redis/src/GroupCommit.ts",
    find: "answers[i]!",
    replace: "answers[0]!",
    by: suite("makes one run of many submissions of one id at once")
  },
  {
    name: "a call has no deadline of its own",
    file: "broker-redis/src/Connection.ts",
    find: "let ticks = allowed",
    replace: "let ticks = 5_000",
    by: connection("says after the deadline what kept it from an answer")
  },
  {
    name: "a call is given up for what its own process has spent blocked",
    file: "broker-redis/src/Connection.ts",
    find: "let timer = setTimeout(tick, tickLength)",
    replace: "let timer = setTimeout(giveUp, deadline, false)",
    by: connection("does not hold against the server for how long this process was blocked")
  },
  {
    name: "what a slow network needs for much counts as silence",
    file: "broker-redis/src/Connection.ts",
    find: "const allowed = 5 + ticksFor(onItsWay.characters + length)",
    replace: "const allowed = 5",
    by: connection("waits for much as long as a slow network needs")
  },
  {
    name: "an answer that keeps coming counts as silence",
    file: "broker-redis/src/Connection.ts",
    find: "isComing ? Math.max(ticks, 5) : ticks - 1",
    replace: "ticks - 1",
    by: connection("waits for much as long as a slow network needs")
  },
  {
    name: "a connection to one node that is silent is kept while others answer",
    file: "broker-redis/src/Connection.ts",
    find: "else if (!isComing) socket?.destroy",
    replace: "else if (isComing) socket?.destroy",
    by: { test: "broker-redis/test/Cluster.test.ts", name: "gives up the connection to a node that says nothing" }
  },
  {
    name: "nobody listens again after the connection that listened was lost",
    file: "broker-redis/src/Subscriber.ts",
    find: "Effect.forever(Effect.catchCause(session, () => pause))",
    replace: "Effect.catchCause(session, () => pause)",
    by: connection("hears messages again after the connection that listens was cut")
  },
  {
    name: "who listens does not notice that nobody speaks any more",
    file: "broker-redis/src/Subscriber.ts",
    find: "attempt(() => client.ping()),",
    replace: "Effect.void,",
    by: connection("hears messages again after the connection that listens was cut")
  },
  {
    name: "a call fails where another primary is about to take over",
    file: "broker-redis/src/Connection.ts",
    find: "|READONLY|",
    replace: "|",
    by: connection("tries a call again while the server loads, is a replica, or has no connection, within the deadline")
  },
  {
    name: "a message that there is work wakes nobody",
    file: "broker-redis/src/Hints.ts",
    find: "for (const worker of workers) tell(self.workers.get(worker))",
    replace: "",
    by: hints("comes with the workers for which there is work")
  },
  {
    name: "work wakes all workers",
    file: script("save"),
    find: "min(count + 1, 1000)",
    replace: "1000",
    by: waking("as many are woken as there is work for")
  },
  {
    name: "nobody is told of a delay that ends soon",
    file: script("submit"),
    find: "woken[queue] = woken[queue] or 0",
    replace: "",
    by: waking("one hears of a delay that ends before it would look")
  },
  {
    name: "who is told of a delay does not learn when it ends",
    file: script("settle"),
    find: "firstTimer(isAsking and not isServed)",
    replace: "firstTimer(false)",
    by: waking("one hears of a delay that ends before it would look")
  },
  {
    name: "a busy worker is woken",
    file: script("settle"),
    find: "if isAsking and isServed or holder.isGivingBack then stopWaiting",
    replace: "if false then stopWaiting",
    by: waking("who is given all it asks for waits no longer")
  },
  {
    name: "nobody looks at what the first could not run",
    file: script("claim"),
    find: "  woken[queue] = 1000 -- nobody knows which of them can run it\n",
    replace: "",
    by: waking("all look when one has found what it can't run")
  },
  {
    name: "work wakes workers that have gone",
    file: script("hold"),
    find: "  if isJson and type(info) == 'table' then stopWaiting",
    replace: "  if false then stopWaiting",
    by: waking("nobody is left who has gone")
  },
  {
    name: "a library that Redis has lost is not sent again",
    file: "broker-redis/src/Library.ts",
    find: 'if (!says(error, "ERR Function not found")) throw error',
    replace: "throw error",
    by: faults("gets them again with the call that needs them")
  },
  {
    name: "a heartbeat keeps the lease of a loop that stands still",
    file: "broker-redis/src/heartbeat/thread.ts",
    find: "isStalled = silence > stallBudget",
    replace: "isStalled = silence > 1_000 * stallBudget",
    by: heartbeat("keeps the lease of a worker that renews nothing, while it says that it lives, and no longer")
  },
  {
    name: "a heartbeat counts a renewal from when its answer came",
    file: "broker-redis/src/heartbeat/thread.ts",
    find: "Memory.mark(memory, Memory.renewedAt, sentAt)",
    replace: "Memory.mark(memory, Memory.renewedAt, process.hrtime.bigint())",
    by: heartbeat("counts a renewal from when it was sent, however late its answer comes")
  },
  {
    name: "a heartbeat counts a renewal that one partition has refused",
    file: "broker-redis/src/heartbeat/thread.ts",
    find: "replies.every((reply) => reply === 1)",
    replace: "replies.some((reply) => reply === 1)",
    by: heartbeat("counts only what every partition has renewed")
  },
  {
    name: "a message that a run closes is forgotten when it overtakes the answer",
    file: "broker-redis/src/Hints.ts",
    find: "if (listener.closedMeanwhile.has(run)) tellToAsk(listener, run)",
    replace: "",
    by: hints("counts when it overtakes the answer that gives something of the run")
  },
  {
    name: "who awaits a run relies on the message that it has ended",
    file: "broker-redis/src/Awaiting.ts",
    find: "Duration.millis(Math.min(Math.max(1_000, waiting), 10_000))",
    replace: "Duration.days(waiting)",
    by: faults("a message that is lost")
  },
  {
    name: "the partition of a run is another than it was",
    file: "broker-redis/src/Partitions.ts",
    find: "0x01000193",
    replace: "0x01000195",
    by: partitions("keeps a run where it always was")
  },
  {
    name: "a nonce is lost when one partition does not know it",
    file: "broker-redis/src/Partitions.ts",
    find: "lostIn.every((lost) => lost.has(nonce))",
    replace: "lostIn.some((lost) => lost.has(nonce))",
    by: partitions("knows a nonce that any partition knows")
  },
  {
    name: "a suspect of one partition comes beside what another gave",
    file: "broker-redis/src/Member.ts",
    find: "if (self.held.size > 0 && !hasWaited && isPatient(self, options)) {",
    replace: "if (false) {",
    by: partitions("gives a suspect to a worker that is free, not beside what another holds elsewhere")
  },
  {
    name: "a suspect that has waited in its partition waits again for what the worker has of it",
    file: "broker-redis/src/Member.ts",
    find: "!hasWaited && ",
    replace: "",
    by: partitions("let a suspect wait for a busy worker, though not for ever")
  },
  {
    name: "who polls fails when one partition is away",
    file: "broker-redis/src/Partitions.ts",
    find: "reports.has(due[i]!.index) || !(isAnyThere && isAway(exit))",
    replace: "true",
    by: partitions("claims from the others while one is away")
  }
]

/** The worker, which relies on the broker's promises and has to keep its own. */
const workers: ReadonlyArray<Mutant> = [
  {
    name: "a worker waits for wake-ups and never polls",
    file: "core/src/Worker.ts",
    find: '      every(pollInterval * 0.9, pollInterval, () => exchange.hint("claim")),\n',
    replace: "",
    by: worker("asks an idle broker at its poll interval only")
  },
  {
    name: "a worker relies on the whole of its lease",
    file: "core/src/worker/Lease.ts",
    find: "length * (1 - Defaults.leaseMargin)",
    replace: "length",
    by: worker("interrupts its handlers before the lease can be over, says why, and reports nothing of them")
  },
  {
    name: "a worker counts a renewal from when its answer came",
    file: "core/src/worker/Exchange.ts",
    find: "if (!renewed.unknown) lease.renewed(sentAt)",
    replace: "if (!renewed.unknown) lease.renewed(lease.now())",
    by: worker("counts a renewal from when it was sent, however late its answer comes")
  },
  {
    name: "a slot is free although its handler goes on",
    file: "core/src/worker/Slots.ts",
    find: "    held.leaked = true\n    this.leaked++\n",
    replace: "    this.running--\n    held.leaked = true\n    this.leaked++\n",
    by: worker("do not wait for a handler that ignores its interruption, but keep its slot")
  },
  {
    name: "a worker starts what it learns of when the lease may be over",
    file: "core/src/worker/Slots.ts",
    find: "if (!this.#lease.isOurs()) {",
    replace: "if (false) {",
    by: worker("does not start what it learns of when the lease may be over, and gives it back")
  },
  {
    name: "a worker goes on with what the broker gave to another",
    file: "core/src/worker/Exchange.ts",
    find: "    for (const nonce of renewed.lost) slots.drop(nonce)\n",
    replace: "",
    by: worker("stops what a renewal says that it does not hold any more")
  },
  {
    name: "an outcome that the broker refuses is sent with the others again",
    file: "core/src/worker/Exchange.ts",
    find: "if (isRefused && sent.length === 1) aside = [...aside, ...sent]",
    replace: "if (isRefused && sent.length === 0) aside = [...aside, ...sent]",
    by: worker("brings all other outcomes where the broker refuses one")
  },
  {
    name: "a worker that the broker has forgotten goes on until its next renewal",
    file: "core/src/worker/Exchange.ts",
    find: "    slots.lose()\n    return register",
    replace: "    return register",
    by: worker("stops what it holds as soon as any answer says that the broker has forgotten it")
  },
  {
    name: "a worker drops its outcomes when the broker is away",
    file: "core/src/worker/Exchange.ts",
    find: "        else slots.outbox = [...sent, ...slots.outbox]\n",
    replace: "",
    by: worker("keeps its outcomes while the broker is away, and sends them when it is back")
  },
  {
    name: "a worker that stops keeps what it has interrupted",
    file: "core/src/worker/Slots.ts",
    find: '      if (held.stop === "cancel") return this.#end(held, Report.interrupted)\n      this.#giveBack(held)\n',
    replace: "      return this.#end(held, Report.interrupted)\n",
    by: worker("interrupts what has not ended in time and gives it back untried, for another worker")
  }
]

/** What a store leaves behind that has carried out a transition by half. */
const reconciling: ReadonlyArray<Mutant> = [
  {
    name: "a report on a node that has ended is recorded",
    file: script("settle"),
    find: "local isRunning = cell == 'r' or isActive(cell)",
    replace: "local isRunning = run",
    by: reconcile("records the first report only")
  },
  {
    name: "a node that has ended is given back",
    file: script("hold"),
    find: "'released')\n  if not isActive(get(run, address)) then return end\n",
    replace: "'released')\n",
    by: reconcile("takes nothing back that has ended")
  },
  {
    name: "a node that has ended is a suspect when its worker is lost",
    file: script("hold"),
    find: "'lost')\n  if not isActive(get(run, address)) then return end\n",
    replace: "'lost')\n",
    by: reconcile("counts nothing against a node that has ended")
  },
  {
    name: "the entry of a node that was put back elsewhere is handed out",
    file: script("claim"),
    find: "if tonumber(tries) ~= tried or tonumber(lost) ~= gone then return nil end",
    replace: "",
    by: reconcile("is handed out once")
  },
  {
    name: "what is with a worker is put back",
    file: script("reconcile"),
    find: "isActive(value) and not isHeld(run, address)",
    replace: "isActive(value)",
    by: reconcile("was claimed meanwhile")
  },
  {
    name: "nobody looks at a store that was started again",
    file: script("reconcile"),
    find: "start == lastStart and ",
    replace: "",
    by: reconcile("at once after the store was started")
  },
  {
    name: "nobody goes on where somebody looked and died over it",
    file: script("reconcile"),
    find: "(state == 'done' and interval or patience)",
    replace: "interval",
    by: reconcile("anew where somebody began and did not end")
  },
  {
    name: "a timer of an earlier wait is taken for one of a node that is ready",
    file: "broker-redis/src/Reconcile.ts",
    find: '(kind!.endsWith("s") && sight?.[1].startsWith("s"))',
    replace: 'kind!.endsWith("s")',
    by: bucketed("a store may have moved them by half")
  },
  {
    name: "a delay that has lost its timer is left alone",
    file: script("reconcile"),
    find: "setTimer(run, tonumber(due), 's', address, tries)",
    replace: "",
    by: reconcile("a node that is to be tried again, without its timer")
  }
]

export const plantedBugs: ReadonlyArray<Mutant> = [
  ...fences,
  ...advancing,
  ...generations,
  ...timers,
  ...holding,
  ...queues,
  ...buckets,
  ...idling,
  ...overheard,
  ...damage,
  ...reconciling,
  ...broker,
  ...workers
]

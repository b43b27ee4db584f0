"""
The processes of Celery: `python3 Celery.py producer|worker <url>`. Broker and result backend are the Redis, results are
kept, tasks are acknowledged when they are done (at least once, as the others). The worker is one process; without what it
needs only beside other workers (gossip, mingle, heartbeat), as its documentation says for speed.

They speak Node's IPC: one JSON message per line, over the socket that NODE_CHANNEL_FD names.
"""
import json
import os
import resource
import socket
import sys
import threading
import time
import traceback

from celery import Celery, chain, chord, group, signals

ROLE, URL = sys.argv[1], sys.argv[2]
QUEUE = "bench"

app = Celery("bench", broker=URL, backend=URL)
app.conf.update(
    task_default_queue=QUEUE,
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    task_acks_late=True,
    worker_prefetch_multiplier=100,
    worker_hijack_root_logger=False,
    broker_connection_retry_on_startup=True,
)


@app.task(name="noop")
def noop(n):
    return n


@app.task(name="next")
def follow(n):
    return n + 1


@app.task(name="total")
def total(numbers):
    return sum(numbers)


# ---- the line to the benchmark --------------------------------------------------------------------------------------

line = socket.socket(fileno=int(os.environ["NODE_CHANNEL_FD"]))
writing = threading.Lock()


def tell(message):
    with writing:
        line.sendall(json.dumps(message).encode() + b"\n")


def usage():
    used = resource.getrusage(resource.RUSAGE_SELF)
    with open("/proc/self/statm") as statm:
        rss = int(statm.read().split()[1]) * resource.getpagesize()
    return {"cpu": round((used.ru_utime + used.ru_stime) * 1e6), "rss": rss}


def serve(verbs):
    """Answers questions until the one who asks has gone."""
    tell({"id": 0, "value": None})
    for text in line.makefile("r"):
        request = json.loads(text)
        if "id" not in request:
            continue
        try:
            tell({"id": request["id"], "value": verbs[request["verb"]](**request["args"])})
        except Exception:
            tell({"id": request["id"], "error": traceback.format_exc()})
    os._exit(0)


# ---- producer -------------------------------------------------------------------------------------------------------

submitted = []


def enqueue(count, inFlight, results):
    if results == "dropped":
        for n in range(count):
            noop.apply_async((n,), ignore_result=True)
    elif inFlight == "bulk":
        submitted.extend(group(noop.s(n) for n in range(count)).apply_async().results)
    else:
        submitted.extend(noop.delay(n) for n in range(count))


def small(n):
    return chord([noop.s(n) for _ in range(5)], chain(total.s(), follow.s()))


def flows(count):
    submitted.extend(small(n).apply_async() for n in range(count))


def totals():
    values = [result.get() for result in submitted]
    submitted.clear()
    return {"count": len(values), "sum": sum(values)}


def graph(graph, size):
    begin = time.perf_counter()
    if graph == "chain":
        canvas = chain(follow.s(0), *(follow.s() for _ in range(size - 1)))
    elif graph == "chord":
        canvas = chord([noop.s(n) for n in range(size)], total.s())
    else:
        raise ValueError(f"Celery has no {graph}")
    value = canvas.apply_async().get()
    return {"value": value, "millis": (time.perf_counter() - begin) * 1e3}


def roundTrips(count):
    times = []
    for n in range(count):
        begin = time.perf_counter()
        value = noop.delay(n).get()
        times.append((time.perf_counter() - begin) * 1e3)
        if value != n:
            raise ValueError(f"the no-op of {n} gave {value}")
    return times


# ---- worker ---------------------------------------------------------------------------------------------------------

finished = threading.Condition()
count_finished = 0
failure = None


@signals.task_success.connect
def on_success(**_):
    global count_finished
    with finished:
        count_finished += 1
        finished.notify_all()


@signals.task_failure.connect
def on_failure(exception=None, **_):
    global failure
    with finished:
        failure = exception
        finished.notify_all()


def run(concurrency, results):
    global count_finished
    with finished:
        count_finished = 0
    app.control.add_consumer(QUEUE, reply=True, timeout=5, limit=1)


def done(count):
    with finished:
        finished.wait_for(lambda: failure is not None or count_finished >= count)
        if failure is not None:
            raise failure
        return count_finished


def halt():
    app.control.cancel_consumer(QUEUE, reply=True, timeout=5, limit=1)


def work():
    @signals.worker_ready.connect
    def on_ready(**_):
        verbs = {"run": run, "done": done, "halt": halt, "usage": usage}
        threading.Thread(target=serve, args=(verbs,), daemon=True).start()

    options = f"worker --pool solo --queues {QUEUE}-none --loglevel ERROR --without-gossip --without-mingle --without-heartbeat"
    app.worker_main(options.split())


if ROLE == "producer":
    serve(
        {
            "enqueue": enqueue,
            "flows": flows,
            "totals": totals,
            "graph": graph,
            "roundTrips": roundTrips,
            "usage": usage,
        }
    )
else:
    work()

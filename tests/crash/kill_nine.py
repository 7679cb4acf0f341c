"""kill_nine: SIGKILL the daemon under load, again and again, and hold it to what it acknowledged.

Producers enqueue (one by one, in atomic batches, the same id again when an answer was lost), workers claim, complete, fail and
heartbeat; at a random moment the daemon is killed and started on the same store. A ledger keeps what was acknowledged:

  - an acknowledged job is never lost, and is completed in the end;
  - no job has two accepted completions;
  - an atomic batch is there whole or not at all;
  - a lease that was granted before a crash still completes after it;
  - SQLite finds the file whole after each crash;
  - the daemon is ready again in time.

Ends with "N passed, N failed", a crash each."""

import argparse
import collections
import http.client
import json
import os
import random
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "stories"))
import harness  # noqa: E402

PRODUCERS, WORKERS = 3, 3
JOBS_PER_STORE = 20000  # then a fresh store, so that checks stay quick
LEASE_MS = 5000
READY_LIMIT_S = 1.0  # said; ten times as much on a busy machine is a fault
MANY_JOBS = 100000


class Down(Exception):
    """No answer: the daemon was killed meanwhile; what was asked may or may not have happened."""


class Wire:
    """One connection that survives crashes."""

    def __init__(self, load):
        self.load, self.connection = load, None

    def call(self, method, path, body=None):
        try:
            if self.connection is None:
                self.connection = self.load.daemon.connect(timeout=10)
            self.connection.request(method, path, json.dumps(body) if body is not None else None,
                                    {"Authorization": f"Bearer {self.load.daemon.token}", "Content-Type": "application/json"})
            response = self.connection.getresponse()
            data = response.read()
            return response.status, json.loads(data) if data else None
        except (OSError, http.client.HTTPException, ValueError) as error:
            if self.connection:
                self.connection.close()
            self.connection = None
            raise Down(str(error)) from None

    def insist(self, method, path, body=None):
        """Asks until something answers for sure: how a careful client bridges a crash."""
        deadline = time.monotonic() + 60
        tries = 0
        while True:
            try:
                status, answer = self.call(method, path, body)
                tries += 1
                if status not in (503,):
                    return status, answer, tries
            except Down:
                tries += 1
                self.load.up.wait(1)
            if time.monotonic() > deadline:
                raise AssertionError(f"{method} {path}: no answer for a minute")


class Load:
    """Producers and workers over one store, and the ledger of what they were told."""

    def __init__(self, daemon, seed):
        self.daemon, self.seed = daemon, seed
        self.lock = threading.Lock()
        self.up = threading.Event()
        self.up.set()
        self.stopping = threading.Event()    # producers stop
        self.finished = threading.Event()    # workers stop too
        self.acknowledged = {}               # id → uid
        self.attempted = set()               # ids ever sent
        self.batches = []                    # lists of ids sent in one atomic call
        self.completions = collections.Counter()  # uid → accepted completions
        self.faults = []
        self.threads = []

    def fault(self, text):
        with self.lock:
            self.faults.append(text)

    def run(self):
        for kind, count in ((self.produce, PRODUCERS), (self.work, WORKERS)):
            for number in range(count):
                thread = threading.Thread(target=self.guard, args=(kind, number), daemon=True)
                thread.start()
                self.threads.append(thread)

    def guard(self, kind, number):
        try:
            kind(number, random.Random(f"{self.seed}/{kind.__name__}/{number}"), Wire(self))
        except Exception as error:  # noqa: BLE001 whatever it is, it is a failure
            self.fault(f"{kind.__name__} {number}: {error!r}")

    def produce(self, number, dice, wire):
        count = 0
        while not self.stopping.is_set() and len(self.acknowledged) < JOBS_PER_STORE:
            size = 1 if dice.random() < 0.7 else dice.randint(2, 20)
            ids = [f"{number}-{count + i}" for i in range(size)]
            count += size
            jobs = [{"queue": "load", "id": name, "payload": {"id": name, "filler": "x" * dice.randint(0, 400)},
                     "group": f"g{dice.randint(0, 9)}", "priority": dice.randint(0, 2)} for name in ids]
            with self.lock:
                self.attempted.update(ids)
                if size > 1:
                    self.batches.append(ids)
            body = jobs[0] if size == 1 else {"jobs": jobs, "atomic": True}
            status, answer, tries = wire.insist("POST", "/v1/jobs", body)
            if status not in (200, 201):
                self.fault(f"enqueue was answered {status}: {answer}")
                continue
            results = [answer] if size == 1 else answer["results"]
            with self.lock:
                for name, result in zip(ids, results):
                    if result.get("duplicate") and tries == 1:
                        self.faults.append(f"{name} is called a duplicate at its first try")
                    self.acknowledged[name] = result["uid"]

    def work(self, number, dice, wire):
        while not self.finished.is_set():
            claim = {"queues": ["load"], "max": dice.choice((1, 1, 5, 20)), "wait_ms": 200, "lease_ms": LEASE_MS, "worker": f"w{number}"}
            try:
                status, answer = wire.call("POST", "/v1/claims", claim)
            except Down:
                self.up.wait(1)
                continue
            if status == 503:
                continue
            if status != 200:
                self.fault(f"claim was answered {status}: {answer}")
                continue
            for job in answer["jobs"]:
                self.finish(wire, dice, job, answer["token"])

    def finish(self, wire, dice, job, token):
        uid = job["uid"]
        if job["payload"]["id"] != job["id"]:
            self.fault(f"{uid} came with another job's payload")
        if dice.random() < 0.05:
            status, answer, tries = wire.insist("POST", f"/v1/leases/{uid}/fail",
                                                {"token": token, "verdict": {"delay_ms": 10}, "error": {"type": "Trial", "message": "again"}})
            if status != 200 and tries == 1:
                self.fault(f"fail of {uid} was answered {status}: {answer}")
            return
        status, answer, tries = wire.insist("POST", f"/v1/leases/{uid}/complete", {"token": token, "result": {"by": job["attempt"]}})
        if status == 200:
            with self.lock:
                self.completions[uid] += 1
        elif status == 409 and tries > 1:
            pass  # an earlier try was committed, its answer lost
        else:
            self.fault(f"completion of {uid} was answered {status} at try {tries}: {answer}")


def check_ledger(load):
    """After the last job: everything acknowledged is there and completed, once."""
    wire = Wire(load)
    seen, cursor = {}, ""
    while True:
        status, answer = wire.call("GET", "/v1/jobs?queue=load&limit=1000" + (f"&cursor={cursor}" if cursor else ""))
        if status != 200:
            return [f"list was answered {status}: {answer}"]
        for job in answer["jobs"]:
            if job["id"] in seen:
                load.fault(f"{job['id']} is there twice")
            seen[job["id"]] = job
        cursor = answer.get("next_cursor")
        if not cursor:
            break
    for name, uid in load.acknowledged.items():
        job = seen.get(name)
        if not job or job["uid"] != uid:
            load.fault(f"acknowledged job {name} ({uid}) is lost")
        elif job["state"] != "completed":
            load.fault(f"acknowledged job {name} ended as {job['state']}")
    for name in seen:
        if name not in load.attempted:
            load.fault(f"job {name} was never sent")
    for ids in load.batches:
        there = sum(name in seen for name in ids)
        if there not in (0, len(ids)):
            load.fault(f"{there} of {len(ids)} jobs of an atomic batch are there")
    for uid, count in load.completions.items():
        if count > 1:
            load.fault(f"{uid} has {count} accepted completions")
    return load.faults


def wait_drained(load, deadline_s=60):
    wire, deadline = Wire(load), time.monotonic() + deadline_s
    while time.monotonic() < deadline:
        _, answer, _ = wire.insist("GET", "/v1/queues/load")
        states = answer["states"]
        if not (states["waiting"] or states["delayed"] or states["active"]):
            return
        time.sleep(0.05)
    load.fault(f"the queue did not drain: {states}")


def crash_once(daemon, load, dice, numbers):
    """One crash and one restart. Returns what was wrong."""
    time.sleep(dice.uniform(0, 0.25))  # the moment of the crash is the point
    load.up.clear()
    daemon.kill(look=False)
    verdict = daemon.integrity()
    wrong = "" if verdict == "ok" else f"integrity_check: {verdict}"
    if dice.random() < 0.1:  # killed while it recovers
        daemon.spawn()
        time.sleep(dice.uniform(0, 0.03))
        daemon.kill()
    begun = time.monotonic()
    daemon.spawn()
    daemon.wait_ready()
    took = time.monotonic() - begun
    numbers["ready_s"].append(took)
    load.up.set()
    return wrong or ("" if took < READY_LIMIT_S * 10 else f"ready after {took:.1f} s")


def one_store(options, dice, crashes, numbers):
    """Crashes over one store, then the reckoning. Returns (crashes done, faults)."""
    faults, done = [], 0
    daemon = harness.Daemon("--log-level", "warn")
    try:
        daemon.start(contract=False)
        wire_call = harness.Client(daemon)
        wire_call.put("/v1/queues/load", {"retry": {"max_attempts": 1000}, "max_stalls": 1000,
                                          "keep_completed": {"count": 1000000, "age_ms": 0, "bytes": 0}})
        wire_call.close()
        load = Load(daemon, dice.random())
        load.run()
        while done < crashes and len(load.acknowledged) < JOBS_PER_STORE and not load.faults:
            wrong = crash_once(daemon, load, dice, numbers)
            done += 1
            if wrong:
                faults.append(wrong)
        load.stopping.set()
        wait_drained(load)
        load.finished.set()
        for thread in load.threads:
            thread.join(30)
        faults += check_ledger(load)
        numbers["acknowledged"] += len(load.acknowledged)
        numbers["completed"] += len(load.completions)
        daemon.api = None
        daemon.stop()
    except Exception as error:  # noqa: BLE001
        faults.append(f"{error!r}\n{daemon.log()[-3000:]}")
    finally:
        daemon.__exit__(None, None, None) if not faults else daemon.__exit__(AssertionError, None, None)
    return done, faults


def many_jobs(numbers):
    """A crash under load with 100,000 jobs waiting: how long until the daemon is ready again, and is every one of them there?"""
    daemon = harness.Daemon("--log-level", "warn")
    with daemon:
        api = daemon.api
        for start in range(0, MANY_JOBS, 10000):
            api.post("/v1/jobs", {"jobs": [{"queue": "many", "payload": n} for n in range(start, start + 10000)]})
        daemon.kill()
        begun = time.monotonic()
        daemon.start(contract=False)
        numbers["many_ready_s"] = time.monotonic() - begun
        waiting = daemon.api.states("many")["waiting"]
        first = daemon.api.claim_one("many")[0]["payload"]
    if waiting != MANY_JOBS or first != 0:
        return [f"{waiting} of {MANY_JOBS} jobs wait after a restart, the first one is number {first}"]
    return [] if numbers["many_ready_s"] < READY_LIMIT_S * 10 else [f"with {MANY_JOBS} jobs ready after {numbers['many_ready_s']:.1f} s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--ruche", required=True)
    parser.add_argument("--crashes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None)
    options = parser.parse_args()
    options.ruche = os.path.abspath(options.ruche)
    harness.options = options
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    dice = random.Random(seed)
    print(f"seed {seed}", flush=True)
    numbers = {"ready_s": [], "acknowledged": 0, "completed": 0}
    left, failed = options.crashes, 0
    begun = time.monotonic()
    while left > 0 and failed == 0:
        done, faults = one_store(options, dice, left, numbers)
        left -= done
        for fault in faults[:20]:
            print("FAIL " + fault, flush=True)
        failed += bool(faults)
        if not done:
            break
        print(f"  {options.crashes - left} crashes, {numbers['acknowledged']} jobs acknowledged, {numbers['completed']} completions acknowledged", flush=True)
    if not failed:
        faults = many_jobs(numbers)
        for fault in faults:
            print("FAIL " + fault, flush=True)
        failed += bool(faults)
        print(f"with {MANY_JOBS} jobs waiting ready again after {numbers['many_ready_s'] * 1000:.0f} ms", flush=True)
    ready = sorted(numbers["ready_s"]) or [0]
    print(f"ready again after {ready[len(ready) // 2] * 1000:.0f} ms (median), {ready[-1] * 1000:.0f} ms (longest); {time.monotonic() - begun:.0f} s in all")
    print(f"{options.crashes - left - failed} passed, {failed} failed")
    return 1 if failed or left else 0


if __name__ == "__main__":
    sys.exit(main())

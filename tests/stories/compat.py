"""A queue in compat mode, as an adapter for BullMQ's programs uses it: one batch an act, ids counted, each end saying what is kept."""

import os
import tempfile

from harness import check, equal, run, story

QUEUE = {"namespace": "bull", "queue": "paint"}


def batch(api, *ops):
    return api.post("/v1/batch", {"ops": [op if op["op"] in ("claim", "queue_get") else {**op} for op in ops]})["results"]


def add(api, payload, **fields):
    return batch(api, {"op": "enqueue", **QUEUE, "compat": "bullmq", "name": "brush", "payload": payload, "metadata": {"opts": {"attempts": 3}}, **fields})[0]


CLAIM = {"queues": ["paint"], "namespace": "bull", "token": "lock-1", "compat": "bullmq", "worker": "painter"}


@story
def a_workers_day(ruche):
    """Add, take, progress, fail with a delay, take again with what happened before, complete and take the next in one call."""
    api = ruche.api
    added = [add(api, {"n": n}) for n in range(3)]
    equal([job["id"] for job in added], ["1", "2", "3"], "ids")
    equal(add(api, {}, id="own")["id"], "own", "an own id")
    check("problem" in add(api, {}, id="7"), "an id of digits only")
    first = batch(api, {"op": "claim", **CLAIM})[0]["jobs"][0]
    equal([first["id"], first["name"], first["payload"], first["metadata"], first["progress"], first["errors"]],
          ["1", "brush", {"n": 0}, {"opts": {"attempts": 3}}, None, []], "the first grant")
    check(first["started_at"], "when it was started")
    one = {"uid": first["uid"], "token": "lock-1"}
    batch(api, {"op": "progress", "uid": first["uid"], "progress": {"half": True}}, {"op": "log", "uid": first["uid"], "line": "a", "keep": 5})
    failed = batch(api, {"op": "fail", **one, "verdict": {"delay_ms": 1}, "error": {"message": "no brush", "stack": "at easel"}})[0]
    equal(failed["state"], "delayed", "state")
    batch(api, {"op": "promote", "uid": first["uid"], "only_state": "delayed"})
    done = batch(api, {"op": "claim", **CLAIM})[0]["jobs"][0]
    both = batch(api, {"op": "complete", "uid": done["uid"], "token": "lock-1", "result": 1, "keep": {"count": 1}, "claim": CLAIM})[0]
    equal(both["state"], "completed", "state")
    third = both["claim"]["jobs"][0]
    equal(third["id"], "3", "the next")
    both = batch(api, {"op": "complete", "uid": third["uid"], "token": "lock-1", "keep": {"count": 1}, "claim": CLAIM})[0]
    own = both["claim"]["jobs"][0]
    both = batch(api, {"op": "complete", "uid": own["uid"], "token": "lock-1", "keep": "none", "claim": CLAIM})[0]
    again = both["claim"]["jobs"][0]
    equal([again["id"], again["attempts_made"], again["attempt"], again["progress"]], ["1", 1, 2, {"half": True}], "the second grant")
    equal([error["message"] for error in again["errors"]], ["no brush"], "what happened before")
    stale = batch(api, {"op": "complete", **one, "token": "lock-2", "claim": CLAIM})[0]
    equal(stale["problem"]["code"], "stale_lease", "somebody else's")
    last = batch(api, {"op": "complete", **one, "result": {"ok": 1}, "keep": {"count": 1}, "claim": CLAIM})[0]
    equal(last["claim"]["jobs"], [], "nothing is left")
    equal(batch(api, {"op": "complete", **one})[0]["problem"]["code"], "no_lease", "twice")
    equal(batch(api, {"op": "queue_get", **QUEUE})[0]["states"]["completed"], 1, "kept")
    listed = api.get("/v1/jobs?queue=paint&namespace=bull")["jobs"]
    equal([job["id"] for job in listed], ["1"], "kept jobs")
    job = api.get(f"/v1/jobs/{first['uid']}?payload=true")
    equal([job["attempts_made"], job["metadata"], job["redone"]], [2, {"opts": {"attempts": 3}}, False], "the job")


@story
def events_tell_ids(ruche):
    """What QueueEvents hears: ids, states, results, and that nothing is left."""
    api = ruche.api
    job = add(api, {})
    batch(api, {"op": "claim", **CLAIM})
    batch(api, {"op": "complete", "uid": job["uid"], "token": "lock-1", "result": {"sum": 5}})
    batch(api, {"op": "retry", "uid": job["uid"], "only_state": "completed"}, {"op": "delete", "uid": job["uid"]})
    events = api.get("/v1/events?queue=paint&namespace=bull&after=0.0&limit=100")["events"]
    told = [(event["type"], *(event.get(key) for key in ("job_id", "state", "result", "from") if key in event)) for event in events]
    equal([kind for kind, *_ in told], ["enqueued", "active", "completed", "drained", "retried", "deleted"], "types")
    equal(events[2]["result"], {"sum": 5}, "result")
    equal([events[4]["from"], events[5]["from"]], ["completed", "waiting"], "from")


@story
def two_kinds_of_rules(ruche):
    """Who expects other rules is told so, and both ways out; settings say what a queue is."""
    api = ruche.api
    api.enqueue("ours")
    api.refused("POST", "/v1/jobs", {"queue": "ours", "compat": "bullmq"}, status=409, code="compat_mismatch")
    add(api, {})
    api.refused("POST", "/v1/claims", {"queues": ["paint"], "namespace": "bull"}, status=409, code="compat_mismatch")
    settings = api.get("/v1/queues/paint?namespace=bull")["settings"]
    equal([settings["compat"], settings["ids"], settings["keep_completed"]], ["bullmq", "decimal", "all"], "settings")
    api.refused("PATCH", "/v1/queues/paint?namespace=bull", {"compat": None}, status=409, code="compat_mismatch")
    version = api.patch("/v1/queues/ours", {"metadata": {"a": 1}})["version"]
    equal(api.patch("/v1/queues/ours", {"metadata": {"a": 1}})["version"], version, "an unchanged put")
    equal(api.patch("/v1/queues/ours", {"metadata": {"b": 2, "a": None}})["settings"]["metadata"], {"b": 2}, "merged")


@story
def a_restart_remembers_ids(ruche):
    """Killed in between, the queue counts on, and its events still tell ids."""
    api = ruche.api
    add(api, {})
    add(api, {}, id="mine", delay_ms=3600000)
    ruche.restart()
    api = ruche.api
    equal(add(api, {})["id"], "2", "the next id")
    batch(api, {"op": "promote", **QUEUE, "id": "mine"})
    events = api.get("/v1/events?queue=paint&namespace=bull&after=0.0&limit=100&types=promoted")["events"]
    equal(len(events), 1, "events")


@story
def by_hand(ruche):
    """Edit, reschedule and force from the command line."""
    api = ruche.api
    api.enqueue("desk", {"n": 1}, id="late", delay_ms=3600000)
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "payload.json")
        with open(path, "w", encoding="utf-8") as file:
            file.write('{"n": 2}')
        ruche.cli("jobs", "edit", "--payload", path, "desk/late")
    equal(api.get("/v1/queues/desk/jobs/late?payload=true")["payload"], {"n": 2}, "payload")
    ruche.cli("jobs", "reschedule", "--at", "2040-01-01T00:00:00Z", "desk/late")
    equal(api.get("/v1/queues/desk/jobs/late")["due_at"], "2040-01-01T00:00:00.000Z", "due")
    ruche.cli("jobs", "reschedule", "--delay", "0s", "desk/late")
    job = api.claim("desk", wait_ms=30000)["jobs"][0]
    api.refused("DELETE", f"/v1/jobs/{job['uid']}", status=409, code="illegal_state")
    ruche.cli("jobs", "delete", "--force", "desk/late")
    api.refused("GET", f"/v1/jobs/{job['uid']}", status=404, code="job_not_found")
    ruche.cli("jobs", "reschedule", "desk/late", status=64)
    ruche.cli("jobs", "edit", "desk/late", status=64)


if __name__ == "__main__":
    run()

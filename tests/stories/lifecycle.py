"""A job's whole life over HTTP: enqueued, claimed, completed; its bytes kept, its result waited for."""

import json
import threading

from harness import check, equal, run, story


@story
def enqueue_claim_complete(ruche):
    """A job goes in, a worker gets it with its payload, completes it, and the result can be read."""
    api = ruche.api
    made = api.enqueue("sheets", {"sheet": 417, "text": "étanchéité"}, name="deliver", tags=["roof"], priority=3)
    equal(made["state"], "waiting", "state after the enqueue")
    check(not made["duplicate"], "a first enqueue is no duplicate")
    job, token = api.claim_one("sheets", worker="w1")
    equal(job["uid"], made["uid"], "uid claimed")
    equal(job["payload"], {"sheet": 417, "text": "étanchéité"}, "payload")
    equal((job["name"], job["queue"], job["attempt"]), ("deliver", "sheets", 1), "name, queue, attempt")
    equal(api.job(made["uid"])["state"], "active", "state while it runs")
    api.complete(job["uid"], token, {"sent": True})
    done = api.job(made["uid"])
    equal((done["state"], done["outcome"]), ("completed", "success"), "state and outcome")
    equal(api.get(f"/v1/jobs/{made['uid']}/result"), {"sent": True}, "result")
    equal(api.states("sheets")["completed"], 1, "completed in the queue")


@story
def payload_bytes_are_kept(ruche):
    """The payload comes back byte for byte: blanks, escapes, the order of members, big numbers."""
    api = ruche.api
    payload = b'{ "z": 1, "a" : [1.0, 1e400, 12345678901234567890123],\t"u": "\\u00e9\\/", "e":"\xc3\xa9" }'
    uid = api.post("/v1/jobs", raw=b'{"queue":"bytes","payload":' + payload + b"}")["uid"]
    equal(api.call("GET", f"/v1/jobs/{uid}/payload").body, payload, "payload as stored")
    claimed = api.call("POST", "/v1/claims", {"queues": ["bytes"]})
    check(payload in claimed.body, "payload as claimed")


@story
def many_at_once(ruche):
    """Ten thousand jobs in one call; each has its place in the answer."""
    api = ruche.api
    jobs = [{"queue": "bulk", "id": f"job-{n}", "payload": n} for n in range(10000)]
    results = api.post("/v1/jobs", {"jobs": jobs})["results"]
    equal(len(results), 10000, "results")
    equal(len({result["uid"] for result in results}), 10000, "different uids")
    equal(api.states("bulk")["waiting"], 10000, "waiting")
    equal(api.get("/v1/queues/bulk/jobs/job-9999")["uid"], results[9999]["uid"], "the last one, by its id")


@story
def first_come_first_served(ruche):
    """Within a priority the order is that of the enqueues."""
    api = ruche.api
    api.post("/v1/jobs", {"jobs": [{"queue": "order", "payload": n} for n in range(50)]})
    claimed = api.claim("order", max=50)
    equal([job["payload"] for job in claimed["jobs"]], list(range(50)), "order")


@story
def waiting_for_a_result(ruche):
    """Asking for a job with wait_ms answers when it ends, not before."""
    api = ruche.api
    uid = api.enqueue("slow")["uid"]
    job, token = api.claim_one("slow")
    answers = []
    waiter = threading.Thread(target=lambda: answers.append(api.again().job(f"{uid}?wait_ms=30000")))
    waiter.start()
    api.complete(uid, token, [1, 2])
    waiter.join(60)
    equal(answers and answers[0]["state"], "completed", "state in the answer that waited")
    equal(api.get(f"/v1/jobs/{api.enqueue('slow')['uid']}?wait_ms=1")["state"], "waiting", "state when the wait ran out")


@story
def finish_and_claim_next(ruche):
    """Completing a job brings the next one in the same answer."""
    api = ruche.api
    api.post("/v1/jobs", {"jobs": [{"queue": "chain", "payload": n} for n in range(3)]})
    job, token = api.claim_one("chain")
    seen = [job["payload"]]
    for _ in range(2):
        answer = api.post("/v1/leases/complete", {"token": token, "leases": [{"uid": job["uid"]}], "claim": {"queues": ["chain"], "token": token}})
        job = answer["claim"]["jobs"][0]
        seen.append(job["payload"])
    answer = api.post("/v1/leases/complete", {"token": token, "leases": [{"uid": job["uid"]}], "claim": {"queues": ["chain"], "token": token}})
    equal((seen, answer["claim"]["jobs"]), ([0, 1, 2], []), "jobs seen, and none left")
    equal(api.states("chain")["completed"], 3, "completed")


@story
def progress_and_logs(ruche):
    """A worker tells how far it is and writes lines; both can be read while it runs and afterwards."""
    api = ruche.api
    uid = api.enqueue("talk")["uid"]
    _, token = api.claim_one("talk")
    api.post(f"/v1/leases/{uid}/progress", {"token": token, "progress": {"done": 3, "of": 10}})
    api.post(f"/v1/leases/{uid}/log", {"token": token, "line": "première ligne"})
    api.post(f"/v1/leases/{uid}/log", {"token": token, "line": "second line"})
    equal(api.job(uid)["progress"], {"done": 3, "of": 10}, "progress")
    api.complete(uid, token)
    equal([entry["line"] for entry in api.get(f"/v1/jobs/{uid}/logs")["logs"]], ["première ligne", "second line"], "log lines")


@story
def nothing_to_do_is_filtered(ruche):
    """A completion may say that there was nothing to do."""
    api = ruche.api
    uid = api.enqueue("filter")["uid"]
    _, token = api.claim_one("filter")
    api.post(f"/v1/leases/{uid}/complete", {"token": token, "filtered": True})
    equal((api.job(uid)["state"], api.job(uid)["outcome"]), ("completed", "filtered"), "state and outcome")


@story
def trace_context_is_kept(ruche):
    """A traceparent header of the enqueue stays with the job."""
    api = ruche.api
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    uid = api.post("/v1/jobs", {"queue": "trace"}, headers={"traceparent": parent})["uid"]
    check(parent in json.dumps(api.job(uid)), "the traceparent is not in the job")


@story
def far_jobs_survive_on_disk(ruche):
    """Jobs delayed by days are counted and listed like others, also after a crash, and can be named."""
    api = ruche.api
    for hours in (30, 2, 50):
        api.enqueue("later", {"in": hours}, id=f"in-{hours}", delay_ms=hours * 3600000, priority=hours)
    api.enqueue("later", id="at", run_at="2199-01-01T00:00:00.000Z")
    for _ in range(2):
        queue = api.get("/v1/queues/later")
        equal(queue["states"]["delayed"], 4, "delayed jobs in the queue")
        equal(sorted(each["priority"] for each in queue["priorities"]), [0, 2, 30, 50], "priorities in the queue")
        equal(queue["next_due_at"][:13], api.get("/v1/queues/later/jobs/in-2")["due_at"][:13], "hour of the next one")
        equal(len(api.get("/v1/jobs?queue=later&state=delayed")["jobs"]), 4, "delayed jobs listed")
        ruche.restart()
        api = ruche.api
    uid = api.get("/v1/queues/later/jobs/in-50")["uid"]
    equal(api.explain(uid)["code"], "delayed", "why it does not run")
    api.post(f"/v1/jobs/{uid}/promote")
    job, token = api.claim_one("later")
    equal((job["uid"], job["payload"]), (uid, {"in": 50}), "job and payload")
    api.complete(uid, token)
    equal(api.states("later")["delayed"], 3, "delayed jobs in the end")


if __name__ == "__main__":
    run()

"""POST /v1/batch: many operations of any kind, in order; alone or atomic."""

from harness import equal, run, story


@story
def each_alone(ruche):
    """One refusal does not touch the others; each result stands at its place."""
    api = ruche.api
    results = api.post("/v1/batch", {"ops": [
        {"op": "enqueue", "queue": "mixed", "id": "a", "payload": 1},
        {"op": "cancel", "queue": "mixed", "id": "nobody"},
        {"op": "enqueue", "queue": "mixed", "id": "b", "payload": 2},
        {"op": "claim", "queues": ["mixed"], "max": 5},
    ]})["results"]
    equal(len(results), 4, "results")
    equal(results[1]["problem"]["code"], "job_not_found", "the refused one")
    equal([job["id"] for job in results[3]["jobs"]], ["a", "b"], "claimed in the same batch")


@story
def all_or_nothing(ruche):
    """Atomic: one refusal undoes all, and says which one it was."""
    api = ruche.api
    answer = api.call("POST", "/v1/batch", {"atomic": True, "ops": [
        {"op": "enqueue", "queue": "strict", "id": "a"},
        {"op": "promote", "queue": "strict", "id": "nobody"},
        {"op": "enqueue", "queue": "strict", "id": "b"},
    ]}, status=(200, 404, 409, 422))
    codes = [result.get("problem", {}).get("code") for result in answer.json.get("results", [])]
    if codes:
        equal(codes, ["cancelled", "job_not_found", "cancelled"], "codes")
    api.call("GET", "/v1/queues/strict/jobs/a", status=404)
    api.call("GET", "/v1/queues/strict/jobs/b", status=404)


@story
def a_flow_in_one_call(ruche):
    """Complete, enqueue the next, tell progress of a third: one commit."""
    api = ruche.api
    first = api.enqueue("steps", "one")["uid"]
    _, token = api.claim_one("steps")
    results = api.post("/v1/batch", {"atomic": True, "ops": [
        {"op": "log", "uid": first, "token": token, "line": "ready"},
        {"op": "complete", "uid": first, "token": token, "result": {"ok": True}},
        {"op": "enqueue", "queue": "steps", "payload": "two"},
    ]})["results"]
    equal([result.get("problem") for result in results], [None, None, None], "problems")
    equal(api.job(first)["state"], "completed", "state of the first")
    equal(api.claim_one("steps")[0]["payload"], "two", "the next step")


@story
def atomic_enqueues(ruche):
    """Jobs of one atomic call are all there or none: a bad one at the end undoes the rest."""
    api = ruche.api
    api.refused("POST", "/v1/jobs", {"atomic": True, "jobs": [{"queue": "all", "id": "x"}, {"queue": "all", "id": "y", "delay_ms": -1}]},
                status=422, code="invalid_field", field="jobs[1].delay_ms")
    api.call("GET", "/v1/queues/all/jobs/x", status=404)


if __name__ == "__main__":
    run()

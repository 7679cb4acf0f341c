"""Chains: one job at a time that nobody has claimed, the next one made when it is claimed."""

from harness import check, equal, run, story


def put(api, key, **body):
    return api.put(f"/v1/queues/reports/chains/{key}", body)


@story
def claiming_makes_the_next(ruche):
    """A chain's next job is made with the claim of the one before; a kill in between changes nothing."""
    api = ruche.api
    chain = put(api, "poll", schedule={"every_ms": 3600000}, job={"name": "poll", "priority": 3, "tags": ["chained"]}, payload={"kind": "sales"})
    equal((chain["key"], chain["queue"], chain["count"]), ("poll", "reports", 1), "the chain")
    job, token = api.claim_one("reports")
    equal((job["uid"], job["name"], job["priority"], job["payload"], job["tags"]), (chain["next_uid"], "poll", 3, {"kind": "sales"}, ["chained"]), "the job")
    after = api.get("/v1/queues/reports/chains/poll")
    check(after["next_uid"] != job["uid"] and after["next_at"] > chain["next_at"], "the next one was not made")
    ruche.restart()
    api = ruche.api
    equal(api.get("/v1/queues/reports/chains/poll"), after, "the chain after a kill")
    equal(api.get(f"/v1/jobs/{after['next_uid']}")["state"], "delayed", "the next one")
    api.complete(job["uid"], token)
    equal(put(api, "poll", schedule={"every_ms": 3600000}, job={"name": "poll", "priority": 3, "tags": ["chained"]}, payload={"kind": "sales"}), after,
          "the same again")


@story
def pending_is_the_chains_own(ruche):
    """The next job cannot be taken from its chain; deleting the chain takes it along."""
    api = ruche.api
    put(api, "nightly", schedule={"pattern": "0 3 * * 1-5", "tz": "Europe/Paris"})
    chain = api.get("/v1/queues/reports/chains")["chains"][0]
    uid = chain["next_uid"]
    check(chain["next_at"].endswith(":00:00.000Z") or chain["next_at"].endswith(":00:00Z"), f"not at a full hour: {chain['next_at']}")
    api.refused("DELETE", f"/v1/jobs/{uid}", status=409, code="chain_owned")
    api.refused("POST", f"/v1/jobs/{uid}/cancel", {}, status=409, code="chain_owned")
    api.refused("POST", f"/v1/jobs/{uid}/move", {"queue": "other"}, status=409, code="chain_owned")
    api.refused("DELETE", "/v1/queues/reports", status=409, code="conflict")
    api.post(f"/v1/jobs/{uid}/promote", {})
    equal(api.claim_one("reports")[0]["uid"], uid, "the promoted one")
    uid = api.get("/v1/queues/reports/chains/nightly")["next_uid"]
    deleted = api.delete("/v1/queues/reports/chains/nightly").json
    equal((deleted["key"], deleted["deleted"]), ("nightly", True), "deleted")
    api.refused("GET", f"/v1/jobs/{uid}", status=404, code="job_not_found")
    api.refused("GET", "/v1/queues/reports/chains/nightly", status=404, code="chain_not_found")
    equal(api.get("/v1/queues/reports/chains")["chains"], [], "chains left")


@story
def limits_and_batches(ruche):
    """A chain ends at its limit and stays listed; chains go into batches, all or nothing."""
    api = ruche.api
    results = api.post("/v1/batch", {"ops": [
        {"op": "chain_put", "queue": "reports", "key": "twice", "schedule": {"every_ms": 1, "limit": 2}},
        {"op": "chain_get", "queue": "reports", "key": "twice"}, {"op": "chains", "queue": "reports"}]})["results"]
    equal(results[0], results[1], "put and get")
    equal(results[2]["chains"], [results[0]], "list")
    for _ in range(2):
        job, token = api.claim_one("reports")
        api.complete(job["uid"], token)
    chain = api.get("/v1/queues/reports/chains/twice")
    equal((chain["next_at"], chain["next_uid"], chain["count"]), (None, None, 2), "ended")
    ops = [{"op": "chain_delete", "queue": "reports", "key": "twice"}, {"op": "chain_get", "queue": "reports", "key": "never"}]
    api.refused("POST", "/v1/batch", {"atomic": True, "ops": ops}, status=404, code="chain_not_found", field="ops[1]")
    equal(api.get("/v1/queues/reports/chains/twice"), chain, "what an atomic batch left")


@story
def schedules_are_refused_by_field(ruche):
    """What a schedule or job cannot be is refused with its field, and nothing is made."""
    api = ruche.api
    for body, field in [({}, "schedule"), ({"schedule": {}}, "schedule.every_ms"), ({"schedule": {"every_ms": 0}}, "schedule.every_ms"),
                        ({"schedule": {"pattern": "61 * * * *"}}, "schedule.pattern"),
                        ({"schedule": {"pattern": "0 3 * * *", "tz": "Europe/Pari"}}, "schedule.tz"),
                        ({"schedule": {"every_ms": 5, "pattern": "* * * * *"}}, "schedule.pattern"),
                        ({"schedule": {"every_ms": 5, "end_at": "2020-01-01T00:00:00Z"}}, "schedule.end_at"),
                        ({"schedule": {"every_ms": 5}, "job": {"delay_ms": 5}}, "job.delay_ms"),
                        ({"schedule": {"every_ms": 5}, "job": {"tags": [""]}}, "job.tags[0]"),
                        ({"schedule": {"every_ms": 5}, "job": {"http": {"url": "http://127.0.0.1/"}}}, "job.http")]:
        api.refused("PUT", "/v1/queues/reports/chains/k", body, status=422, field=field)
    api.refused("PUT", "/v1/queues/reports/chains/k", {"schedule": {"every_ms": 5}, "payload": "x" * 262144}, status=413, code="too_large", field="payload")
    api.refused("GET", "/v1/queues/reports/chains", status=404, code="queue_not_found")


@story
def limited_tokens_see_their_queues_only(ruche):
    """A token that is limited to one queue touches neither chains nor dedup keys of another."""
    api = ruche.api
    put(api, "k", schedule={"every_ms": 3600000})
    limited = api.again(api.post("/v1/tokens", {"name": "limited", "scopes": ["read", "operate"], "queues": ["mail"]})["token"])
    for method, path, body in [("GET", "/v1/queues/reports/chains", None), ("GET", "/v1/queues/reports/chains/k", None),
                               ("PUT", "/v1/queues/reports/chains/k", {"schedule": {"every_ms": 5}}), ("DELETE", "/v1/queues/reports/chains/k", None),
                               ("GET", "/v1/queues/reports/dedup/k", None), ("DELETE", "/v1/queues/reports/dedup/k", None)]:
        limited.refused(method, path, body, status=403, code="forbidden")


def bull(op, **more):
    return {"op": op, "queue": "bull", "key": "k", **more}


@story
def chains_of_other_rules(ruche):
    """In compat mode the worker asks for a chain's next job, which has an id of key and time; a kill in between changes nothing."""
    api = ruche.api
    api.refused("POST", "/v1/batch", {"atomic": True, "ops": [bull("chain_put", compat="bullmq", schedule={"pattern": "as you like it"})]}, status=422,
                field="ops[0].next_at")
    made = api.post("/v1/batch", {"ops": [bull("chain_put", compat="bullmq", schedule={"pattern": "as you like it", "tz": "Else/Where"}, payload=[1],
                                               metadata={"a": 1}, iteration={"a": 2}, next_at="2020-01-01T00:00:00Z")]})["results"][0]
    equal((made["next_id"], made["metadata"], made["count"]), ("repeat:k:1577836800000", {"a": 1}, 1), "the chain")
    claim = api.post("/v1/claims", {"queues": ["bull"], "compat": "bullmq"})
    job = claim["jobs"][0]
    equal((job["id"], job["chain"], job["metadata"], job["payload"]), (made["next_id"], "k", {"a": 2}, [1]), "the job")
    api.refused("DELETE", f"/v1/jobs/{job['uid']}", status=409, code="chain_owned")
    ruche.restart()
    api = ruche.api
    ask = bull("chain_next", producer_id=job["id"], next_at="2090-01-01T00:00:00Z")
    batch = {"ops": [ask, ask, bull("chains", order="desc")]}
    del batch["ops"][2]["key"]
    first, again, listed = api.post("/v1/batch", batch)["results"]
    equal((first["next_id"], again["next_id"], again["next_uid"]), ("repeat:k:3786912000000", None, None), "the next one, once")
    equal((listed["total"], [chain["count"] for chain in listed["chains"]]), (1, [2]), "the list")
    following = api.get(f"/v1/jobs/{first['next_uid']}")
    equal((following["state"], following["id"], following["chain"]), ("delayed", first["next_id"], "k"), "the next job")
    api.complete(job["uid"], claim["token"])
    api.refused("PUT", "/v1/queues/bull/chains/k", {"schedule": {"every_ms": 5}}, status=409, code="compat_mismatch")
    put_again = bull("chain_put", compat="bullmq", schedule={"pattern": "as you like it"}, next_at="2020-01-01T00:00:00Z")
    api.refused("POST", "/v1/batch", {"atomic": True, "ops": [put_again]}, status=409, code="id_taken", field="ops[0]")
    api.delete("/v1/queues/bull/chains/k")
    api.refused("GET", f"/v1/jobs/{first['next_uid']}", status=404, code="job_not_found")


if __name__ == "__main__":
    run()

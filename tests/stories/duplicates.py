"""The same id, the same key, the same request: what is repeated happens once."""

from harness import check, equal, run, story


@story
def kept_id_is_a_duplicate(ruche):
    """A second enqueue with a kept id answers the first job, whatever its state."""
    api = ruche.api
    first = api.enqueue("sheets", 1, id="sheet-1")
    again = api.enqueue("sheets", 2, id="sheet-1")
    equal((again["uid"], again["duplicate"]), (first["uid"], True), "uid and duplicate")
    job, token = api.claim_one("sheets")
    equal(job["payload"], 1, "payload of the first")
    api.complete(job["uid"], token)
    again = api.enqueue("sheets", 3, id="sheet-1")
    equal((again["uid"], again["duplicate"], again["state"]), (first["uid"], True, "completed"), "after completion")
    equal(api.enqueue("other", 4, id="sheet-1")["duplicate"], False, "the same id in another queue")


@story
def deleted_id_is_free_again(ruche):
    """A deleted job's id can be used anew."""
    api = ruche.api
    first = api.enqueue("sheets", 1, id="once")
    api.delete(f"/v1/jobs/{first['uid']}")
    second = api.enqueue("sheets", 2, id="once")
    check(not second["duplicate"] and second["uid"] != first["uid"], "the id was not free")


@story
def duplicates_in_one_call(ruche):
    """Twice the same id in one call: the second is the duplicate of the first."""
    results = ruche.api.post("/v1/jobs", {"jobs": [{"queue": "twice", "id": "a"}, {"queue": "twice", "id": "a"}]})["results"]
    equal([result["duplicate"] for result in results], [False, True], "duplicate")
    equal(results[0]["uid"], results[1]["uid"], "uid")


@story
def idempotency_key_replays(ruche):
    """The same key and request: the same answer, and nothing happens twice; also after a restart."""
    api = ruche.api
    body, key = {"queue": "keyed", "payload": {"n": 1}}, {"Idempotency-Key": "order-77"}
    first = api.post("/v1/jobs", body, headers=key)
    again = api.post("/v1/jobs", body, headers=key)
    equal(again["uid"], first["uid"], "uid of the replay")
    ruche.restart()
    api = ruche.api
    equal(api.post("/v1/jobs", body, headers=key)["uid"], first["uid"], "uid of the replay after a crash")
    equal(api.states("keyed")["waiting"], 1, "waiting")
    api.refused("POST", "/v1/jobs", {"queue": "keyed", "payload": {"n": 2}}, status=409, code="idempotency_mismatch", headers=key)


@story
def keys_belong_to_their_token(ruche):
    """Another token's request under the same key is another request: it is done, and its own repeats are replays of it."""
    mine, key = ruche.api, {"Idempotency-Key": "order-1"}
    theirs = mine.again(mine.post("/v1/tokens", {"name": "theirs", "scopes": ["enqueue"]})["token"])
    first = mine.post("/v1/jobs", {"queue": "keyed", "payload": "mine"}, headers=key)["uid"]
    other = theirs.post("/v1/jobs", {"queue": "keyed", "payload": "theirs"}, headers=key)["uid"]
    check(other != first, "another token's answer was replayed")
    equal(theirs.post("/v1/jobs", {"queue": "keyed", "payload": "theirs"}, headers=key)["uid"], other, "their own replay")
    equal(mine.states("keyed")["waiting"], 2, "waiting")


@story
def dedup_key_has_one_owner(ruche):
    """A dedup key answers its owner until that one has ended; a kill in between changes nothing."""
    api = ruche.api
    first = api.enqueue("export", 1, dedup={"key": "sheet-1"}, id="first")
    again = api.enqueue("export", 2, dedup={"key": "sheet-1"})
    equal((again["uid"], again["id"], again["deduplicated"], again["state"]), (first["uid"], "first", True, "waiting"), "the owner")
    key = {"Idempotency-Key": "dedup-1"}
    body = {"queue": "export", "payload": 3, "dedup": {"key": "sheet-1"}}
    equal(api.post("/v1/jobs", body, headers=key)["id"], "first", "id")
    ruche.restart()
    api = ruche.api
    equal(api.post("/v1/jobs", body, headers=key)["id"], "first", "id of the replay")
    equal(api.get("/v1/queues/export/dedup/sheet-1")["uid"], first["uid"], "owner")
    job, token = api.claim_one("export")
    kept = api.enqueue("export", 4, dedup={"key": "sheet-1", "keep_last": True})
    equal(kept["state"], "parked", "state of the one that is kept")
    api.complete(job["uid"], token)
    equal(api.claim_one("export")[0]["payload"], 4, "payload of the one that was kept")
    released = api.delete("/v1/queues/export/dedup/sheet-1").json
    equal((released["count"], released["uid"]), (1, kept["uid"]), "released")
    equal(api.get("/v1/queues/export/dedup/sheet-1"), {"key": "sheet-1", "count": 0}, "free")


@story
def dedup_is_refused_by_field(ruche):
    """What makes no sense together is refused, with the field, and changes nothing."""
    api = ruche.api
    for dedup, field in [({"key": ""}, "dedup.key"), ({}, "dedup.key"), ({"key": "a", "extend": True}, "dedup.extend"),
                         ({"key": "a", "replace": True, "reschedule": True}, "dedup.reschedule"),
                         ({"key": "a", "max_wait_ms": 5}, "dedup.max_wait_ms"), ({"key": "a", "keep_last": True, "ttl_ms": 5}, "dedup.ttl_ms"),
                         ({"key": "a", "ttl_ms": 0}, "dedup.ttl_ms")]:
        api.refused("POST", "/v1/jobs", {"queue": "export", "dedup": dedup}, status=422, code="invalid_field", field=field)


if __name__ == "__main__":
    run()

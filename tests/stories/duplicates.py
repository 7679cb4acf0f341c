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


if __name__ == "__main__":
    run()

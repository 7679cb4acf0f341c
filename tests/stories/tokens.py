"""Tokens: who may do what, in which queues, until when."""

from harness import check, equal, run, story


def make(api, *scopes, **fields):
    made = api.post("/v1/tokens", {"name": "trial", "scopes": list(scopes), **fields})
    check(made["token"].startswith("rch_"), "the token's form")
    return made, api.again(made["token"])


@story
def nothing_without_a_token(ruche):
    """No token, a wrong one, a malformed header: 401 with a hint; health stays open."""
    for headers in ({"Authorization": None}, {"Authorization": "Bearer rch_wrong"}, {"Authorization": "Basic dTpw"}):
        ruche.api.refused("GET", "/v1/queues", status=401, code="unauthorized", headers=headers)
        ruche.api.refused("POST", "/v1/jobs", {"queue": "q"}, status=401, code="unauthorized", headers=headers)
    ruche.api.call("GET", "/livez", headers={"Authorization": None})


@story
def scopes(ruche):
    """Each scope opens its own doors and no other."""
    api = ruche.api
    uid = api.enqueue("doors")["uid"]
    doors = {
        "enqueue": ("POST", "/v1/jobs", {"queue": "doors"}),
        "work": ("POST", "/v1/claims", {"queues": ["empty"]}),
        "read": ("GET", f"/v1/jobs/{uid}", None),
        "operate": ("POST", "/v1/queues/doors/pause", {}),
        "admin": ("GET", "/v1/tokens", None),
    }
    for scope in doors:
        _, limited = make(api, scope)
        for door, (method, path, body) in doors.items():
            if door == scope or scope == "admin":
                limited.call(method, path, body)
            else:
                limited.refused(method, path, body, status=403, code="forbidden")


@story
def limited_to_queues(ruche):
    """A token of one queue sees and touches nothing of another."""
    api = ruche.api
    foreign = api.enqueue("theirs")["uid"]
    _, mine = make(api, "enqueue", "work", "read", "operate", queues=["mine"])
    uid = mine.enqueue("mine")["uid"]
    equal(mine.job(uid)["queue"], "mine", "its own job")
    mine.refused("POST", "/v1/jobs", {"queue": "theirs"}, status=403, code="forbidden")
    mine.refused("POST", "/v1/claims", {"queues": ["mine", "theirs"]}, status=403, code="forbidden")
    mine.refused("GET", f"/v1/jobs/{foreign}", status=404, code="job_not_found")
    mine.refused("POST", f"/v1/jobs/{foreign}/cancel", {}, status=404, code="job_not_found")
    equal([queue["name"] for queue in mine.get("/v1/queues")["queues"]], ["mine"], "queues it sees")
    mine.post("/v1/jobs", {"jobs": [{"queue": "mine"}, {"queue": "mine"}]})
    claimed = mine.claim("mine", max=10)  # jobs that are named by uid, several at once
    results = mine.post("/v1/leases/heartbeat", {"token": claimed["token"], "leases": [{"uid": job["uid"]} for job in claimed["jobs"]]})["results"]
    check(len(results) >= 2 and all(result.get("state") == "active" for result in results), f"heartbeats: {results}")
    equal(api.job(foreign)["state"], "waiting", "the foreign job")


@story
def revoked_and_expired(ruche):
    """A revoked token is refused at once, an expired one too; neither comes back after a restart."""
    api = ruche.api
    made, limited = make(api, "read")
    limited.get("/v1/queues")
    api.delete(f"/v1/tokens/{made['uid']}")
    limited.refused("GET", "/v1/queues", status=401, code="unauthorized")
    _, expired = make(api, "read", expires_at="2030-01-01T00:00:00Z")
    listed = api.get("/v1/tokens")["tokens"]
    check(all("token" not in token and "hash" not in token for token in listed), "a list shows a secret")
    api.refused("POST", "/v1/tokens", {"name": "old", "scopes": ["read"], "expires_at": "2020-01-01T00:00:00Z"}, code="invalid_field")
    ruche.restart()
    ruche.api.again(limited.token).refused("GET", "/v1/queues", status=401, code="unauthorized")
    check(expired.token, "made")


@story
def secrets_are_not_logged(ruche):
    """Tokens stand in no log line."""
    _, limited = make(ruche.api, "read")
    limited.get("/v1/queues")
    ruche.api.refused("GET", "/v1/queues", status=401, headers={"Authorization": "Bearer rch_guess_me_if_you_can_0123456789"})
    ruche.stop()
    log = ruche.log()
    check(limited.token not in log and ruche.token not in log and "guess_me" not in log, "a token stands in the log")


if __name__ == "__main__":
    run()

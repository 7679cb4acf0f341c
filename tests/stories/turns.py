"""Whose turn it is: weights of groups, batches of one group, jobs that have waited too long."""

from harness import check, equal, run, story


@story
def weights(ruche):
    """Three jobs of the heavy group for each of the light one; across a restart, too."""
    api = ruche.api
    answer = api.put("/v1/queues/weighed/groups/heavy", {"weight": 3})
    equal(answer["settings"], {"weight": 3}, "the group's settings")
    ruche.restart()
    api.post("/v1/jobs", {"jobs": [{"queue": "weighed", "group": group, "payload": group} for group in ("light", "heavy") for _ in range(20)]})
    claimed = [job["payload"] for job in api.claim("weighed", max=12)["jobs"]]
    check(8 <= claimed.count("heavy") <= 10, f"heavy ones of twelve ({claimed})")


@story
def batches_of_one_group(ruche):
    """A claim brings jobs of one group under one token; each ends by itself."""
    api = ruche.api
    api.post("/v1/jobs", {"jobs": [{"queue": "crm", "group": group, "payload": group} for group in ("acme", "bolt") * 3]})
    batch = api.post("/v1/claims", {"queues": ["crm"], "group_max": 10, "token": "mine"})
    equal(([job["payload"] for job in batch["jobs"]], batch["token"]), (["acme"] * 3, "mine"), "the batch")
    api.complete(batch["jobs"][0]["uid"], "mine", {"done": True})
    api.fail(batch["jobs"][1]["uid"], "mine")
    equal(api.get(f"/v1/jobs/{batch['jobs'][2]['uid']}")["state"], "active", "the third, meanwhile")


@story
def small_batches_wait(ruche):
    """Fewer jobs than asked for are left until the oldest has waited; a claim that waits gets them then."""
    api = ruche.api
    wish = {"queues": ["slow"], "group_max": 5, "group_min": 3}
    api.enqueue("slow", 1, group="g")
    nothing = api.post("/v1/claims", {**wish, "group_wait_ms": 3600000})
    equal((nothing["jobs"], nothing["reason"]), ([], "group_min"), "the answer")
    check(0 < nothing["next_due_ms"] <= 3600000, f"when there will be something ({nothing['next_due_ms']})")
    batch = api.post("/v1/claims", {**wish, "group_wait_ms": 300, "wait_ms": 30000})
    equal([job["payload"] for job in batch["jobs"]], [1], "what had waited long enough")


@story
def jobs_rise(ruche):
    """An old job goes before urgent ones."""
    api = ruche.api
    old = api.enqueue("risen", "old", priority=9)["uid"]
    api.enqueue("risen", "urgent")
    api.put("/v1/queues/risen", {"rise_after_ms": 1})
    equal(api.claim_one("risen")[0]["uid"], old, "who goes first")


@story
def what_makes_no_sense(ruche):
    """Each refusal names the field and changes nothing."""
    api = ruche.api
    for path, body, field in (
        ("/v1/claims", {"queues": ["q"], "group_min": 2}, "group_min"),
        ("/v1/claims", {"queues": ["q"], "group_max": 2, "group_min": 3, "group_wait_ms": 1}, "group_min"),
        ("/v1/claims", {"queues": ["q"], "group_max": 2, "group_min": 2}, "group_wait_ms"),
        ("/v1/claims", {"queues": ["q"], "group_max": 2, "max": 2}, "max"),
    ):
        equal(api.call("POST", path, body, status=422).json["field"], field, f"the field of {body}")
    equal(api.call("PUT", "/v1/queues/q/groups/g", {"weight": 1001}, status=422).json["field"], "weight", "the field")
    equal(api.call("PUT", "/v1/queues/q", {"rise_after_ms": -1}, status=422).json["field"], "rise_after_ms", "the field")


if __name__ == "__main__":
    run()

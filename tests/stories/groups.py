"""Groups: served in turn, each with its own limits; one that is full delays nobody else."""

from harness import check, equal, run, story


@story
def groups_are_served_in_turn(ruche):
    """A group with a thousand jobs does not starve one with three."""
    api = ruche.api
    api.post("/v1/jobs", {"jobs": [{"queue": "fair", "group": "big", "payload": "big"} for _ in range(1000)]})
    api.post("/v1/jobs", {"jobs": [{"queue": "fair", "group": "small", "payload": "small"} for _ in range(3)]})
    claimed = [job["payload"] for job in api.claim("fair", max=8)["jobs"]]
    equal(claimed.count("small"), 3, f"small ones among the first eight ({claimed})")


@story
def newcomers_do_not_overtake(ruche):
    """While new groups keep coming, one that waits is served in its turn."""
    api = ruche.api
    for name in ("a", "b", "c"):
        api.enqueue("turns", name, group=name)
    order = []
    for number in range(10):
        job, token = api.claim_one("turns")
        order.append(job["payload"])
        api.complete(job["uid"], token)
        api.enqueue("turns", f"new-{number}", group=f"new-{number}")
    equal(order[:3], ["a", "b", "c"], f"who was served first ({order})")


@story
def group_concurrency(ruche):
    """Two at a time of each group; an override gives one group more."""
    api = ruche.api
    api.put("/v1/queues/capped", {"group_concurrency": 2})
    api.put("/v1/queues/capped/groups/vip", {"concurrency": 4})
    jobs = [{"queue": "capped", "group": group, "payload": group} for group in ("a", "b", "vip") for _ in range(10)]
    uids = [result["uid"] for result in api.post("/v1/jobs", {"jobs": jobs})["results"]]
    claimed = api.claim("capped", max=30)
    groups = [job["payload"] for job in claimed["jobs"]]
    equal([groups.count(name) for name in ("a", "b", "vip")], [2, 2, 4], "active in each group")
    equal(api.explain(uids[9])["code"], "group_concurrency", "why the tenth waits")
    first_of_a = next(job for job in claimed["jobs"] if job["payload"] == "a")
    api.complete(first_of_a["uid"], claimed["token"])
    after = api.claim("capped", max=30)
    equal([job["payload"] for job in after["jobs"]], ["a"], "who may start after one of a ended")
    listed = {group["key"]: group for group in api.get("/v1/queues/capped/groups")["groups"]}
    equal((listed["vip"]["active"], listed["vip"]["waiting"]), (4, 6), "the group as listed")


@story
def group_rate(ruche):
    """Three starts an hour for each group."""
    api = ruche.api
    api.put("/v1/queues/metered", {"group_rate": {"max": 3, "per_ms": 3600000}})
    uids = [result["uid"] for result in api.post("/v1/jobs", {"jobs": [{"queue": "metered", "group": "g"} for _ in range(5)]})["results"]]
    claimed = api.claim("metered", max=10)
    equal(len(claimed["jobs"]), 3, "started")
    nothing = api.claim("metered")
    equal(nothing["jobs"], [], "jobs")
    check(nothing["next_due_ms"] > 0, "it says when the next may start")
    equal(api.explain(uids[4])["code"], "group_rate", "why the fifth waits")


@story
def pausing_a_group(ruche):
    """A paused group stands still, the others go on."""
    api = ruche.api
    uid = api.enqueue("halls", "north", group="north")["uid"]
    api.enqueue("halls", "south", group="south")
    api.post("/v1/queues/halls/groups/north/pause")
    equal([job["payload"] for job in api.claim("halls", max=5)["jobs"]], ["south"], "who may start")
    equal(api.explain(uid)["code"], "group_paused", "why north waits")
    api.post("/v1/queues/halls/groups/north/resume")
    equal([job["payload"] for job in api.claim("halls", max=5)["jobs"]], ["north"], "who may start once resumed")


@story
def many_groups(ruche):
    """Ten thousand groups of one job each: everyone gets its turn."""
    api = ruche.api
    api.post("/v1/jobs", {"jobs": [{"queue": "wide", "group": f"g{n}"} for n in range(10000)]})
    seen = 0
    while True:
        claimed = api.claim("wide", max=1000)
        if not claimed["jobs"]:
            break
        seen += len(claimed["jobs"])
        api.post("/v1/leases/complete", {"token": claimed["token"], "leases": [{"uid": job["uid"]} for job in claimed["jobs"]]})
    equal(seen, 10000, "jobs seen")


if __name__ == "__main__":
    run()

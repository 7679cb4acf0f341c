"""Parents wait for their children, read their results, and hear of their failures, also across kills."""

from harness import check, equal, run, story


def tree(api, on_failure="fail"):
    body = {"atomic": True, "jobs": [
        {"queue": "reports", "id": "report", "waits": True},
        {"queue": "pages", "id": "page-1", "parents": [{"ref": 0, "on_failure": on_failure}]},
        {"queue": "pages", "id": "page-2", "parents": [{"queue": "reports", "id": "report", "on_failure": on_failure}]}]}
    return api.post("/v1/jobs", body)["results"]


def work_off(api, queue, ends):
    for end in ends:
        job, token = api.claim_one(queue)
        if end == "fail":
            api.post(f"/v1/leases/{job['uid']}/fail", {"token": token, "verdict": "final", "error": {"message": "no ink"}})
        else:
            api.complete(job["uid"], token, {"of": job["id"]})


@story
def a_report_waits_for_its_pages(ruche):
    """The parent runs when its children have completed, and finds their results; a kill in between changes nothing."""
    api = ruche.api
    report = tree(api)[0]
    equal(report["state"], "waiting_children", "state")
    work_off(api, "pages", ["complete"])
    ruche.restart()
    api = ruche.api
    explained = api.get(f"/v1/jobs/{report['uid']}/explain")
    equal(explained["code"], "waiting_children", "explain")
    check("1 of its children" in explained["text"], explained["text"])
    work_off(api, "pages", ["complete"])
    job, token = api.claim_one("reports")
    equal(job["uid"], report["uid"], "the report runs")
    children = api.get("/v1/queues/reports/jobs/report/children")
    equal(children["counts"], {"pending": 0, "done": 2, "ignored": 0, "failed": 0}, "counts")
    equal([child["value"] for child in children["children"]], [{"of": "page-1"}, {"of": "page-2"}], "results")
    api.complete(job["uid"], token)
    equal([result["duplicate"] for result in tree(api)], [True, True, True], "the same tree again")


@story
def a_failed_page_fails_the_report(ruche):
    """By default a child's failure is its parent's; retried, both run."""
    api = ruche.api
    report = tree(api)[0]
    work_off(api, "pages", ["fail", "complete"])
    job = api.get(f"/v1/jobs/{report['uid']}")
    equal((job["state"], job["outcome"]), ("failed", "child_failed"), "the report")
    child = api.get(f"/v1/jobs/{report['uid']}/children?state=failed")["children"][0]
    equal(child["value"]["message"], "no ink", "why")
    api.post(f"/v1/jobs/{child['uid']}/retry", {})
    equal(api.post(f"/v1/jobs/{report['uid']}/retry", {})["state"], "waiting_children", "retried")
    work_off(api, "pages", ["complete"])
    work_off(api, "reports", ["complete"])
    equal(api.get(f"/v1/jobs/{report['uid']}/children")["counts"]["done"], 2, "done")


@story
def an_ignored_page_is_told(ruche):
    """With ignore the parent runs all the same, and reads why."""
    api = ruche.api
    report = tree(api, "ignore")[0]
    work_off(api, "pages", ["fail", "complete"])
    equal(api.get(f"/v1/jobs/{report['uid']}")["state"], "waiting", "the report")
    equal(api.get(f"/v1/jobs/{report['uid']}/children")["counts"], {"pending": 0, "done": 1, "ignored": 1, "failed": 0}, "counts")


@story
def a_running_job_adds_children(ruche):
    """It awaits them without an attempt of its own being spent; completing without them is refused."""
    api = ruche.api
    api.enqueue("reports", 1)
    job, token = api.claim_one("reports")
    api.post("/v1/jobs", {"queue": "pages", "id": "late", "parents": [{"uid": job["uid"]}]})
    api.refused("POST", f"/v1/leases/{job['uid']}/complete", {"token": token}, status=409, code="children_pending")
    equal(api.post(f"/v1/leases/{job['uid']}/await-children", {"token": token})["state"], "waiting_children", "state")
    work_off(api, "pages", ["complete"])
    again, token = api.claim_one("reports")
    equal((again["uid"], again["attempts_made"]), (job["uid"], 0), "the same job, no attempt spent")
    equal(api.post(f"/v1/leases/{job['uid']}/await-children", {"token": token})["state"], "active", "nobody is left to wait for")
    api.complete(job["uid"], token)


@story
def a_detached_page_is_not_waited_for(ruche):
    """Detached or deleted: the parent goes on without it."""
    api = ruche.api
    report, first, second = tree(api)
    equal(api.post(f"/v1/jobs/{first['uid']}/detach", {"parent": report["uid"]})["count"], 1, "count")
    api.delete(f"/v1/jobs/{second['uid']}")
    equal(api.get(f"/v1/jobs/{report['uid']}")["state"], "waiting", "the report")


if __name__ == "__main__":
    run()

"""Parents wait for their children, read their results, and hear of their failures, also across kills."""

import threading

from harness import Daemon, Receiver, check, equal, run, story


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


def states(api, jobs):
    return [api.get(f"/v1/jobs/{job['uid']}")["state"] for job in jobs]


@story
def a_tree_is_changed_as_a_whole(ruche):
    """Cancelled, retried and deleted with all that is below, by the API and by the command line, also across kills."""
    api = ruche.api
    family = tree(api)
    parents = api.get(f"/v1/jobs/{family[1]['uid']}")["parents"]
    equal([(parent["id"], parent["queue"], parent["on_failure"], parent["state"]) for parent in parents], [("report", "reports", "fail", "pending")], "parents")
    equal(api.post(f"/v1/jobs/{family[0]['uid']}/cancel", {"tree": True})["count"], 3, "cancelled")
    equal(states(api, family), ["cancelled"] * 3, "states")
    ruche.restart()
    api = ruche.api
    ruche.cli("jobs", "retry", "--tree", "reports/report")
    equal(states(api, family), ["waiting_children", "waiting", "waiting"], "retried")
    check(b"page-1" in ruche.cli("jobs", "children", "reports/report"), "the children are listed")
    job, token = api.claim_one("pages")
    api.refused("DELETE", f"/v1/jobs/{family[0]['uid']}?children=delete", status=409, code="illegal_state")
    equal(api.delete(f"/v1/jobs/{family[0]['uid']}/children").json["count"], 1, "the one that had not begun")
    api.complete(job["uid"], token)
    equal(states(api, family[:1]), ["waiting"], "nobody is left to wait for")
    ruche.cli("jobs", "delete", "--tree", "reports/report")
    equal(api.get("/v1/jobs/count?queue=pages")["count"] + api.get("/v1/jobs/count?queue=reports")["count"], 0, "all are gone")


@story
def a_third_party_makes_children():
    """Who is called over HTTP has no lease to hand back: its success means that the job waits, and is called once more after its children."""
    answers = threading.Event()
    with Daemon("--deliver-allow", "127.0.0.0/8") as ruche, Receiver(200, gate=answers) as third:
        ruche.api.put("/v1/queues/calls", {"target": "http", "http": {"url": third.url}})
        uid = ruche.api.enqueue("calls", 1)["uid"]
        equal(third.wait(1).headers["ruche-job"], uid, "the job's uid")
        ruche.api.post("/v1/jobs", {"queue": "pages", "id": "made", "parents": [{"uid": uid}]})
        answers.set()
        while ruche.api.get(f"/v1/jobs/{uid}")["state"] == "active":
            pass
        equal(states(ruche.api, [{"uid": uid}]), ["waiting_children"], "it waits")
        job, token = ruche.api.claim_one("pages")
        ruche.api.complete(job["uid"], token, "made")
        done = ruche.api.wait(uid)
        equal((done["state"], done["attempts_started"], done["stalls"], len(third.received)), ("completed", 2, 0, 2), "called twice")
        attempts = ruche.api.get(f"/v1/jobs/{uid}/attempts")["attempts"]
        equal([attempt["next"] for attempt in attempts], ["waiting_children", "completed"], "what each call came to")


@story
def a_command_makes_children(ruche):
    """So is it with a command of `ruche work`."""
    api = ruche.api
    uid = api.enqueue("reports", 1)["uid"]
    child = """{"queue":"pages","id":"made","parents":[{"uid":"'$RUCHE_JOB_UID'"}]}"""
    script = f"[ $RUCHE_JOB_ATTEMPT -gt 1 ] || curl -sSf --unix-socket {ruche.socket_path} -H \"Authorization: Bearer $RUCHE_TOKEN\" http://ruche/v1/jobs --json '{child}'"
    ruche.cli("work", "reports", "--drain", "--", "sh", "-c", script)
    equal(states(api, [{"uid": uid}]), ["waiting_children"], "it waits")
    work_off(api, "pages", ["complete"])
    ruche.cli("work", "reports", "--drain", "--", "sh", "-c", script)
    equal(states(api, [{"uid": uid}]), ["completed"], "run once more")


if __name__ == "__main__":
    run()

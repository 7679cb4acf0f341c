"""kill -9 by hand: what was acknowledged is there, counts agree, SQLite finds the file whole."""

import sqlite3

from harness import check, equal, run, story


@story
def acknowledged_is_kept(ruche):
    """Jobs of every state survive a crash, with their order, counts, settings and results."""
    api = ruche.api
    api.post("/v1/jobs", {"jobs": [{"queue": "kept", "payload": n, "group": f"g{n % 3}", "priority": n % 2} for n in range(300)]})
    claimed = api.claim("kept", max=60, lease_ms=60000)
    uids = [job["uid"] for job in claimed["jobs"]]
    api.post("/v1/leases/complete", {"token": claimed["token"], "leases": [{"uid": uid, "result": uid} for uid in uids[:20]]})
    api.post("/v1/leases/fail", {"token": claimed["token"], "leases": [{"uid": uid, "verdict": "final", "error": {"message": "no"}} for uid in uids[20:30]]})
    api.enqueue("kept", "later", delay_ms=3600000)
    before = api.states("kept")
    for _ in range(3):
        ruche.kill()
        ruche.start()
    equal(ruche.api.states("kept"), before, "states after three crashes")
    equal(ruche.api.get(f"/v1/jobs/{uids[0]}/result"), uids[0], "result")
    equal(ruche.api.job(uids[20])["state"], "failed", "a failed one")
    ruche.api.complete(uids[30], claimed["token"])
    ruche.stop()
    with sqlite3.connect(ruche.store) as database:
        equal(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)], "integrity")
    database.close()
    ruche.start()


@story
def the_file_reads_well(ruche):
    """The store opens in SQLite, and a person finds the job in it."""
    uid = ruche.api.enqueue("readable", {"sheet": 417}, id="sheet-417")["uid"]
    ruche.stop()
    with sqlite3.connect(f"file:{ruche.store}?mode=ro", uri=True) as database:
        tables = {row[0] for row in database.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        check({"job", "live", "done", "queue"} <= tables, f"tables: {sorted(tables)}")
        check(database.execute("SELECT count(*) FROM live").fetchone()[0] == 1, "one live job")
    database.close()
    ruche.start()
    equal(ruche.api.job(uid)["id"], "sheet-417", "id")


@story
def a_hundred_thousand_jobs_restart(ruche):
    """With 100,000 jobs waiting the daemon comes back and serves the first one first."""
    api = ruche.api
    for start in range(0, 100000, 10000):
        api.post("/v1/jobs", {"jobs": [{"queue": "many", "payload": n} for n in range(start, start + 10000)]})
    ruche.restart()
    equal(ruche.api.states("many")["waiting"], 100000, "waiting")
    equal(ruche.api.claim_one("many")[0]["payload"], 0, "the first one")


if __name__ == "__main__":
    run()

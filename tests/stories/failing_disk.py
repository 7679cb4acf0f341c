"""A disk that fails under the running daemon: the caller hears of it, nothing is acknowledged that is not there, and it goes on by itself."""

import os
import time

from harness import DEADLINE_S, Daemon, Skip, check, equal, run, story

CODES = ("outcome_unknown", "store_full", "unavailable", "store_failed")


def ask_until(api, deadline_s, *arguments, status):
    """Asks again while the answer is that it cannot be done now; as a careful client does."""
    deadline = time.monotonic() + deadline_s
    while True:
        answer = api.call(*arguments, status=(*status, 503, 507))
        if answer.status in status:
            return answer
        check(time.monotonic() < deadline, f"still {answer.json} although the disk is well again")
        time.sleep(0.05)  # the daemon looks again by itself; the pause keeps the machine free


def fail_once(ruche, kind, fault, acknowledged):
    api = ruche.api
    running = api.enqueue("work", kind)["uid"]
    _, token = api.claim_one("work", lease_ms=600000)
    acknowledged.append(running)
    with open(f"{fault}.{kind}", "w", encoding="utf-8"):
        pass
    for number in range(8):  # the same id each time: whether an earlier one is there after all, nobody knows
        answer = api.call("POST", "/v1/jobs", {"queue": "fill", "id": f"{kind}-{number % 2}", "payload": "x" * 2000}, status=(503, 507))
        check(answer.json["code"] in CODES, f"code {answer.json['code']}")
        check(answer.json["detail"], "a reason")
    refused = api.call("POST", f"/v1/leases/{running}/complete", {"token": token}, status=(503, 507))
    check(refused.json["code"] in CODES, f"code {refused.json['code']}")
    check(ruche.process.poll() is None, "the daemon ended")
    os.unlink(f"{fault}.{kind}")
    for number in range(2):
        acknowledged.append(ask_until(api, DEADLINE_S, "POST", "/v1/jobs", {"queue": "fill", "id": f"{kind}-{number}"}, status=(200, 201)).json["uid"])
    done = ask_until(api, DEADLINE_S, "POST", f"/v1/leases/{running}/complete", {"token": token}, status=(200, 409))
    equal(api.job(running)["state"], "completed", f"the running job, when {done.status} was answered")


@story
def failing_and_well_again():
    """Syncs fail, then writes, then there is no room: each time an error while it lasts, and no restart is needed when it is over."""
    library = os.environ.get("RUCHE_FAILING_DISK")
    if not library:
        raise Skip("RUCHE_FAILING_DISK names no library; meson test sets it")
    sanitizers = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
    ruche = Daemon(env={"LD_PRELOAD": library, "ASAN_OPTIONS": sanitizers})
    fault = os.path.join(ruche.directory, "fault")
    ruche.env["RUCHE_FAULT"] = fault
    with ruche:
        process, acknowledged = ruche.process.pid, []
        for kind in ("sync", "write", "full"):
            fail_once(ruche, kind, fault, acknowledged)
        equal(ruche.process.pid, process, "the same process")
        for again in (False, True):
            if again:
                ruche.restart()
            for uid in acknowledged:
                check(ruche.api.job(uid)["state"] in ("waiting", "completed"), "an acknowledged job is there")


if __name__ == "__main__":
    run()

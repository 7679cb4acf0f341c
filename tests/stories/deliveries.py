"""HTTP targets: the daemon calls, judges the answer, tries again, records each attempt; and refuses addresses it must not call."""

import json
import os

from harness import ROOT, Daemon, Receiver, check, equal, held_port, run, story

ALLOW = ("--deliver-allow", "127.0.0.0/8")
QUICK = {"kind": "fixed", "delay_ms": 5, "max_attempts": 5, "jitter": "none"}


def target(api, queue, url, **settings):
    """A queue whose jobs go to url."""
    http = {"url": url, "timeout_ms": settings.pop("timeout_ms", 30000), **settings.pop("http", {})}
    return api.put(f"/v1/queues/{queue}", {"target": "http", "http": http, "retry": QUICK, **settings})


@story
def down_then_silent_then_well():
    """503, then nothing until the time-out, then 200: three attempts, the body right each time, the job completed."""
    with open(os.path.join(ROOT, "examples", "fiche-action.json"), "rb") as file:
        sheet = file.read().strip()
    def patiently(timeout_ms, step):
        """The attempt after this one has so long: only the one that is to run out of time has little of it."""
        def act(client, received):
            ruche.api.again().patch("/v1/queues/sheets", {"http": {"timeout_ms": timeout_ms}})
            return third.answer(client, received, step)
        return act

    with Daemon(*ALLOW) as ruche, Receiver(patiently(400, 503), patiently(60000, "hang"), 200) as third:
        target(ruche.api, "sheets", third.url, timeout_ms=60000)
        uid = ruche.api.post("/v1/jobs", raw=b'{"queue":"sheets","payload":' + sheet + b"}")["uid"]
        job = ruche.api.wait(uid)
        equal((job["state"], job["attempts_started"], job["attempts_made"]), ("completed", 3, 3), "state and attempts")
        equal([received.body for received in third.received], [sheet] * 3, "bodies received")
        attempts = ruche.api.get(f"/v1/jobs/{uid}/attempts")["attempts"]
        equal([attempt["exchange"]["class"] for attempt in attempts], ["status_5xx", "timeout", "ok"], "classes")
        equal([attempt["exchange"].get("status") or None for attempt in attempts], [503, None, 200], "statuses")


@story
def every_class_of_failure():
    """Reset, refused connection, unknown name, redirect, 4xx, 429: each has its class, and its own fate."""
    cases = [("reset", "reset", True), ((302, {"Location": "http://127.0.0.1:1/"}, b""), "redirect", False), (404, "status_4xx", False),
             (429, "status_busy", True), (500, "status_5xx", True)]
    with Daemon(*ALLOW) as ruche:
        for number, (step, code, again) in enumerate(cases):
            with Receiver(step, 200) as third:
                queue = f"case-{number}"
                target(ruche.api, queue, third.url)
                job = ruche.api.wait(ruche.api.enqueue(queue, {"n": number})["uid"])
                attempts = ruche.api.get(f"/v1/jobs/{job['uid']}/attempts")["attempts"]
                equal(attempts[0]["exchange"]["class"], code, f"class of {step}")
                equal(job["state"], "completed" if again else "failed", f"state after {step}")
        for url, code in ((f"http://127.0.0.1:{held_port()}/", "connect"), ("http://nowhere.invalid/", "dns")):
            ruche.api.put("/v1/queues/dead", {"target": "http", "http": {"url": url}, "retry": {"max_attempts": 1}})
            job = ruche.api.wait(ruche.api.enqueue("dead")["uid"])
            equal(job["state"], "failed", "state")
            check(code in json.dumps(job["error"]), f"the error does not say {code}: {job['error']}")


@story
def private_addresses_are_refused(ruche):
    """Without an allow-list loopback, private and link-local addresses are never called, however they are written."""
    with Receiver(200) as third:
        urls = [third.url, f"http://localhost:{third.port}/", f"http://[::1]:{third.port}/", f"http://[::ffff:127.0.0.1]:{third.port}/",
                "http://10.0.0.1/", "http://169.254.169.254/latest/meta-data/", "http://192.168.1.1/", "http://0.0.0.0/", "http://[fe80::1]/"]
        for number, url in enumerate(urls):
            ruche.api.refused("POST", "/v1/jobs", {"queue": f"guard-{number}", "http": {"url": url}}, code="invalid_field", field="http")  # workers' queue
            ruche.api.put(f"/v1/queues/guard-{number}", {"target": "http", "retry": {"max_attempts": 1}})
            uid = ruche.api.enqueue(f"guard-{number}", http={"url": url})["uid"]
            job = ruche.api.wait(uid)
            equal((job["state"], job["outcome"]), ("failed", "final_error"), f"state and outcome for {url}")
            attempts = ruche.api.get(f"/v1/jobs/{uid}/attempts")["attempts"]
            equal(attempts[0]["exchange"]["class"], "guarded", f"class for {url}")
        equal(third.received, [], "requests that came through")


@story
def what_a_target_hears():
    """Method, headers, content type and length; secrets are not in the record."""
    with Daemon(*ALLOW) as ruche, Receiver(200) as third:
        target(ruche.api, "heard", third.url, http={"method": "PUT", "headers": {"X-Site": "north", "Authorization": "Bearer s3cret-key-0123456789"}})
        uid = ruche.api.enqueue("heard", {"é": 1})["uid"]
        ruche.api.wait(uid)
        received = third.received[0]
        equal((received.method, received.path), ("PUT", "/hook"), "method and path")
        equal(received.headers["x-site"], "north", "header")
        equal((received.headers["ruche-queue"], received.headers["ruche-job"], received.headers["ruche-attempt"]), ("heard", uid, "1"), "our own headers")
        equal(received.headers["authorization"], "Bearer s3cret-key-0123456789", "authorization")
        check(received.headers["content-type"].startswith("application/json"), "content type")
        record = ruche.api.call("GET", f"/v1/jobs/{uid}/attempts").body
        check(b"s3cret-key" not in record, "the secret stands in the record")


@story
def a_slow_host_delays_nobody_else():
    """One third party hangs; another one's deliveries go through meanwhile."""
    with Daemon(*ALLOW) as ruche, Receiver("hang") as dead, Receiver(200) as well:
        target(ruche.api, "dead", dead.url, timeout_ms=60000)
        target(ruche.api, "well", well.url)
        ruche.api.post("/v1/jobs", {"jobs": [{"queue": "dead", "payload": n} for n in range(40)]})
        dead.wait(1)
        uids = [result["uid"] for result in ruche.api.post("/v1/jobs", {"jobs": [{"queue": "well", "payload": n} for n in range(40)]})["results"]]
        for uid in uids:
            equal(ruche.api.wait(uid)["state"], "completed", "state")
        equal(ruche.api.states("dead")["completed"], 0, "the dead one's")


@story
def ten_megabytes():
    """A 10 MB payload goes through enqueue, claim and delivery byte for byte, while small jobs flow beside it."""
    with Daemon(*ALLOW, "--http-body-bytes", "32MiB") as ruche, Receiver(200) as third:
        target(ruche.api, "big", third.url)
        payload = json.dumps({"blob": "é0123456789" * 900000}, ensure_ascii=False).encode()
        check(len(payload) > 10_000_000, "it is not big")
        uid = ruche.api.post("/v1/jobs", raw=b'{"queue":"big","payload":' + payload + b"}")["uid"]
        for number in range(50):
            ruche.api.enqueue("small", number)
            job, token = ruche.api.claim_one("small")
            ruche.api.complete(job["uid"], token)
        equal(ruche.api.wait(uid)["state"], "completed", "state")
        check(third.wait(1).body == payload, "the delivered bytes differ")
        check(ruche.api.call("GET", f"/v1/jobs/{uid}/payload").body == payload, "the stored bytes differ")
        again = ruche.api.post("/v1/jobs", raw=b'{"queue":"pulled","payload":' + payload + b"}")["uid"]
        claimed = ruche.api.call("POST", "/v1/claims", {"queues": ["pulled"], "wait_ms": 30000})
        check(again.encode() in claimed.body and payload in claimed.body, "the claimed bytes differ")


@story
def proxies_only_where_asked_for():
    """A proxy would look behind the guard: the environment's is not used, whatever it is called; that of deliver.proxy is, and said aloud."""
    names = ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    with Receiver(200) as proxy, Receiver(200) as third:
        environment = {**{name: f"http://127.0.0.1:{proxy.port}" for name in names}, "no_proxy": "", "NO_PROXY": ""}
        with Daemon(*ALLOW, env=environment) as ruche:
            target(ruche.api, "direct", third.url)
            equal(ruche.api.wait(ruche.api.enqueue("direct")["uid"])["state"], "completed", "state")
            target(ruche.api, "inside", "http://10.0.0.1/")
            equal(ruche.api.wait(ruche.api.enqueue("inside")["uid"])["outcome"], "final_error", "outcome of a private address")
        equal((len(third.received), len(proxy.received)), (1, 0), "requests at the third party and at the environment's proxy")
        with Daemon("--deliver-proxy", f"http://127.0.0.1:{proxy.port}", env={"no_proxy": "*", "NO_PROXY": "*"}) as ruche:
            check("deliver.proxy" in ruche.log(), "the log does not say that the guard moved to the proxy")
            target(ruche.api, "through", "http://third.invalid/hook?x=1")
            equal(ruche.api.wait(ruche.api.enqueue("through")["uid"])["state"], "completed", "state")
        equal([received.path for received in proxy.received], ["http://third.invalid/hook?x=1"], "what the proxy was asked for")


@story
def proxies_that_refuse():
    """A proxy that refuses the tunnel of an https target: no connection, tried again; nothing went past it."""
    with Receiver(403) as proxy:
        with Daemon("--deliver-proxy", f"http://127.0.0.1:{proxy.port}") as ruche:
            target(ruche.api, "through", "https://third.invalid/hook", retry={"kind": "fixed", "delay_ms": 5, "max_attempts": 2, "jitter": "none"})
            job = ruche.api.wait(ruche.api.enqueue("through")["uid"])
            attempts = ruche.api.get(f"/v1/jobs/{job['uid']}/attempts")["attempts"]
            equal([attempt["exchange"]["class"] for attempt in attempts], ["connect"] * 2, "classes")
        equal([(received.method, received.path) for received in proxy.received], [("CONNECT", "third.invalid:443")] * 2, "what the proxy was asked for")


@story
def a_proxy_that_is_not_there():
    """It is ours, so no attempt is used up and no endpoint blamed, and what waits goes through it when it is there; nothing went past it."""
    with Receiver(200) as third:
        for scheme in ("socks5h", "http"):
            port = held_port()
            with Daemon("--deliver-proxy", f"{scheme}://127.0.0.1:{port}") as ruche:
                settings = {"url": "http://third.invalid/hook", "types": ["*"], "breaker": {"failures": 1}, "retry": {"kind": "fixed", "delay_ms": 5, "max_attempts": 1}}
                ruche.api.put("/v1/endpoints/crm", settings)
                events = ruche.api.events(queue="webhooks", after="0.0")
                ruche.api.post("/v1/messages", {"type": "a"}, status=201)
                events.until("retrying")
                [job] = ruche.api.get("/v1/deliveries")["deliveries"]
                [attempt, *_] = ruche.api.get(f"/v1/jobs/{job['uid']}/attempts")["attempts"]
                equal((attempt["exchange"]["class"], job["attempts_made"]), ("ours", 0), f"how it ended, and attempts used up ({scheme})")
                equal(ruche.api.get("/v1/endpoints/crm")["health"]["state"], "ok", "the endpoint's health")
                if scheme == "http":
                    with Receiver(200, port=port) as proxy:
                        equal(ruche.api.wait(job["uid"])["state"], "completed", "when the proxy is there")
                        equal([received.path for received in proxy.received], ["http://third.invalid/hook"], "what the proxy was asked for")
        for url in ("http://third.invalid/hook", "https://third.invalid/hook"):  # it wants another password
            with Receiver(407) as proxy, Daemon("--deliver-proxy", f"http://127.0.0.1:{proxy.port}") as ruche:
                target(ruche.api, "through", url, retry={"kind": "fixed", "delay_ms": 5, "max_attempts": 1})
                events = ruche.api.events(queue="through", after="0.0")
                uid = ruche.api.enqueue("through")["uid"]
                events.until("retrying")
                [attempt, *_] = ruche.api.get(f"/v1/jobs/{uid}/attempts")["attempts"]
                equal((attempt["exchange"]["class"], ruche.api.job(uid)["attempts_made"]), ("ours", 0), f"how it ended ({url})")
        equal(len(third.received), 0, "calls past the proxy")


@story
def a_crash_between_attempts():
    """kill -9 while a retry waits: it happens at its time, once."""
    with Daemon(*ALLOW) as ruche, Receiver(500, 200) as third:
        target(ruche.api, "crash", third.url, retry={"kind": "fixed", "delay_ms": 1500, "max_attempts": 3, "jitter": "none"})
        events = ruche.api.events(queue="crash", after="0.0")
        uid = ruche.api.enqueue("crash", 1)["uid"]
        events.until("retrying", uid)
        ruche.kill()
        third.hear_out()
        late = len(third.received) - 1  # where the machine was so slow that the second attempt had begun, it may be made again
        ruche.start()
        equal(ruche.api.wait(uid)["state"], "completed", "state")
        check(2 <= len(third.received) <= 2 + late, f"{len(third.received)} requests received, {late} of them too early for the crash")


@story
def success_is_what_the_queue_says():
    """A queue may call 404 a success and 200-ish a failure."""
    with Daemon(*ALLOW) as ruche, Receiver(404) as third:
        target(ruche.api, "policy", third.url, http={"success": [404]})
        equal(ruche.api.wait(ruche.api.enqueue("policy")["uid"])["state"], "completed", "state")


if __name__ == "__main__":
    run()

"""Several messages in one call, as third parties see them: the array, its wrap, ids by place; a bad one among good ones; a size that is learnt; and a
base that takes ten records of a call, some calls a second, and shuts its door to whoever asks for more."""

import json
import threading
import time

from harness import DEADLINE_S, House, check, equal, run, story, until

QUICK = {"kind": "fixed", "delay_ms": 5, "max_attempts": 3, "jitter": "none"}


class Webhooks(House):
    """Its endpoint takes several messages in one call."""

    def endpoint(self, name="base", **settings):
        whole = {"url": f"http://127.0.0.1:{self.third.port}/{name}", "types": ["*"], "retry": QUICK, "sign": {"kind": "none"}, "concurrency": 1, "format": "raw",
                 "batch": {"max": 10}, **settings}
        return self.api.put(f"/v1/endpoints/{name}", whole)

    def send(self, *payloads, **more):
        """All in one request, so that they wait together; answers their ids."""
        messages = [{"type": "fiche.updated", "payload": payload, **more} for payload in payloads]
        return [message["id"] for message in self.api.post("/v1/messages", {"messages": messages}, status=200)["results"]]

    def deliveries(self, ids):
        """The messages' deliveries in their order, once they have ended."""
        jobs = {job["delivery"]["message"]: job["uid"] for job in self.api.get("/v1/jobs?queue=webhooks&limit=500")["jobs"]}
        return [self.api.wait(jobs[message]) for message in ids]

    def bodies(self):
        return [json.loads(received.body) for received in self.third.received]


@story
def messages_go_together():
    """Ten of twelve go in one call, as an array in their order; two in the next. Each is a job of its own, with what was sent of it."""
    with Webhooks() as house:
        house.endpoint()
        ids = house.send(*[{"n": n} for n in range(12)])
        jobs = house.deliveries(ids)
        equal([(job["state"], job["attempts_made"]) for job in jobs], [("completed", 1)] * 12, "deliveries")
        equal(house.bodies(), [[{"n": n} for n in range(10)], [{"n": 10}, {"n": 11}]], "bodies")
        first, second = (received.headers for received in house.third.received)
        check(first["webhook-id"].startswith("bat_" + ids[0][4:]) and first["webhook-id"] == first["idempotency-key"], first["webhook-id"])
        check(second["webhook-id"].startswith("bat_" + ids[10][4:]), second["webhook-id"])
        result = house.api.get(f"/v1/jobs/{jobs[3]['uid']}/result")
        equal(result, {"status": 200, "batch": first["webhook-id"], "place": 3}, "a result")
        [whole] = house.api.get(f"/v1/jobs/{jobs[0]['uid']}/attempts")["attempts"]
        [part] = house.api.get(f"/v1/jobs/{jobs[3]['uid']}/attempts")["attempts"]
        equal((whole["exchange"]["kind"], whole["exchange"]["size"], json.loads(whole["exchange"]["request_excerpt"])), ("batch", 10, house.bodies()[0]), "the whole exchange")
        equal(part["exchange"], {"kind": "batch", "batch": first["webhook-id"], "told_by": jobs[0]["uid"], "method": "POST", "status": 200, "class": "ok",
                                 "request_excerpt": '{"n": 3}', "request_bytes": 8, "message": ids[3], "place": 3, "size": 10}, "of the fourth")


@story
def one_alone_is_an_array_too():
    """And formats shape each message of its own: default bodies, CloudEvents with their content type."""
    with Webhooks() as house:
        house.endpoint(format="default")
        house.deliveries(house.send(1))
        [[body]] = house.bodies()
        equal((body["type"], body["data"]), ("fiche.updated", 1), "the body")
        house.endpoint(format="cloudevents")
        ids = house.send(1, 2)
        house.deliveries(ids)
        equal([event["id"] for event in house.bodies()[1]], ids, "events")
        equal(house.third.received[1].headers["content-type"], "application/cloudevents-batch+json", "the content type")


@story
def programs_shape_filter_and_wrap():
    """jq for each message, one of which says nothing and one of which fails; jq around them, as a base wants its records; ids by place in the answer."""
    answer = (200, {}, b'{"records":[{"id":"rec0"},{"id":"rec3"}]}')
    with Webhooks(answer, 200) as house:
        house.api.put("/v1/formats/record", {"program": 'if .payload.n == 1 then empty elif .payload.n == 2 then error("no") else {fields: .payload} end'})
        house.api.put("/v1/formats/base", {"program": '{typecast: true, records: .items, by: .endpoint.name}'})
        house.endpoint(format="record", retry={**QUICK, "max_attempts": 1}, batch={"max": 10, "wrap": "base", "results": "$.records[*].id"})
        house.api.post("/v1/endpoints/base/pause", {})
        ids = []
        for n in range(4):
            ids += house.send({"n": n}, entity=f"f{n}")
        house.api.post("/v1/endpoints/base/resume", {})
        jobs = house.deliveries(ids)
        equal([(job["state"], job["outcome"]) for job in jobs], [("completed", "success"), ("completed", "filtered"), ("failed", "attempts_spent"), ("completed", "success")], "deliveries")
        equal(house.bodies(), [{"typecast": True, "records": [{"fields": {"n": 0}}, {"fields": {"n": 3}}], "by": "base"}], "the call")
        equal([house.api.get(f"/v1/jobs/{jobs[n]['uid']}/result").get("external_id") for n in (0, 3)], ["rec0", "rec3"], "their ids")
        house.api.put("/v1/formats/base", {"program": 'if any(.items[]; .fields.n == 6) then error("six") else {records: .items} end'})
        jobs = house.deliveries(house.send({"n": 4}, {"n": 5}, {"n": 6}, {"n": 7}))
        equal([job["state"] for job in jobs], ["completed", "completed", "failed", "completed"], "one that cannot be wrapped")
        equal(sorted(record["fields"]["n"] for body in house.bodies()[1:] for record in body["records"]), [4, 5, 7], "the others")


class Picky:
    """Takes an array unless a bad one is in it; knows what it applied."""

    def __init__(self, bad, words=None, most=None):
        self.bad, self.most = bad, most
        self.words = words or b'{"error":"one of them is bad"}'
        self.applied, self.calls = [], 0
        self.status = 422

    def __call__(self, client, received):
        items = json.loads(received.body)
        self.calls += 1
        status, body = 200, b"{}"
        if self.most and len(items) > self.most:
            status, body = 422, f"A maximum of {self.most} records can be created per request but you have provided {len(items)}".encode()
        elif any(item["n"] in self.bad for item in items):
            status, body = self.status, self.words
        else:
            self.applied += [item["n"] for item in items]
        client.sendall(b"HTTP/1.1 %d Said\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body)
        return True


@story
def a_bad_one_is_found():
    """Of 32 one is refused: the others are applied once, in their order; it alone fails, after one attempt of its own."""
    picky = Picky(bad={21})
    with Webhooks(picky) as house:
        house.endpoint(batch={"max": 32})
        jobs = house.deliveries(house.send(*[{"n": n} for n in range(32)]))
        equal([n for n, job in enumerate(jobs) if job["state"] != "completed"], [21], "which failed")
        equal({job["attempts_made"] for job in jobs}, {1}, "attempts")
        equal(picky.applied, [n for n in range(32) if n != 21], "applied")
        check(picky.calls <= 1 + 3 * 5, f"{picky.calls} calls")
        [attempt] = house.api.get(f"/v1/jobs/{jobs[21]['uid']}/attempts")["attempts"]
        equal((attempt["error"]["status"], attempt["exchange"]["size"]), (422, 1), "its attempt")


@story
def a_refusal_of_all_is_not_looked_into():
    """401, 404, 500: nobody's own fault. Each fails by its own policy, and the call is made as often as one message's would be."""
    for status, calls in ((401, 1), (404, 1), (500, 3)):
        with Webhooks(status) as house:
            house.endpoint()
            jobs = house.deliveries(house.send(*[{"n": n} for n in range(4)]))
            equal([(job["state"], job["attempts_made"]) for job in jobs], [("failed", calls)] * 4, f"deliveries after {status}")
            check(len(house.third.received) <= 4 * calls, f"{len(house.third.received)} calls after {status}")
            equal(len(house.bodies()[0]), 4, "the first call")


@story
def the_size_is_learnt():
    """422 "A maximum of 10 records …": nothing fails, no call has more from then on, also after a restart; said in the endpoint and its events."""
    picky = Picky(bad=set(), most=10)
    with Webhooks(picky) as house:
        house.endpoint(batch={"max": 25})
        jobs = house.deliveries(house.send(*[{"n": n} for n in range(25)]))
        equal({(job["state"], job["attempts_made"]) for job in jobs}, {("completed", 1)}, "deliveries")
        equal([len(body) for body in house.bodies()], [25, 10, 10, 5], "sizes")
        equal(picky.applied, list(range(25)), "applied")
        equal(house.api.get("/v1/endpoints/base")["health"]["batch_max"], 10, "what the endpoint says")
        house.ruche.restart()
        house.deliveries(house.send(*[{"n": n} for n in range(20)]))
        equal([len(body) for body in house.bodies()[4:]], [10, 10], "after a restart")
        house.endpoint(batch={"max": 5})
        equal(house.api.get("/v1/endpoints/base")["health"]["batch_max"], None, "said anew")


@story
def few_wait_for_more():
    """With wait_ms two messages sent one after the other go in one call; `explain` says what they wait for."""
    with Webhooks() as house:
        house.endpoint(batch={"max": 2, "wait_ms": 300000})
        [first] = house.send({"n": 0})
        [job] = house.api.get("/v1/jobs?queue=webhooks")["jobs"]
        why = house.api.explain(job["uid"])
        equal((why["code"], why["until_at"] is not None), ("group_min", True), "why it waits")
        ids = [first, *house.send({"n": 1})]
        house.deliveries(ids)
        equal(house.bodies(), [[{"n": 0}, {"n": 1}]], "the call")


@story
def who_is_cancelled_is_not_sent():
    """One of those that wait for the call is cancelled, one while it is under way: the others have their verdicts."""
    gate = threading.Event()
    with Webhooks() as house:
        house.third.gate = gate
        house.endpoint()
        ids = house.send(*[{"n": n} for n in range(4)])
        house.third.wait(1)
        uids = {job["delivery"]["message"]: job["uid"] for job in house.api.get("/v1/jobs?queue=webhooks")["jobs"]}
        for n in (0, 2):
            house.api.post(f"/v1/jobs/{uids[ids[n]]}/cancel", {})
        gate.set()
        equal([job["state"] for job in house.deliveries(ids)], ["cancelled", "completed", "cancelled", "completed"], "deliveries")
        equal(len(house.third.received), 1, "calls")


@story
def what_makes_no_sense_is_refused(ruche):
    """With the field and the reason, and nothing is stored."""
    base = {"url": "https://base.example/", "types": ["*"]}
    for field, more in (("batch", {"order": "fifo"}), ("url", {"url": "https://base.example/{entity}"}), ("retract", {"retract": {"url": "https://base.example/"}}),
                        ("format", {"format": "form"}), ("method", {"method": "GET"}), ("update_url", {"update_url": "https://base.example/u"})):
        ruche.api.refused("PUT", "/v1/endpoints/base", {**base, "batch": {"max": 2}, **more}, status=422, field=field)
    for field, batch in (("batch.max", {"max": 1}), ("batch.max", {"wait_ms": 5}), ("batch.wrap", {"max": 2, "wrap": "nope"}), ("batch.wrap", {"max": 2, "wrap": "raw"}),
                         ("batch.results", {"max": 2, "results": "records"}), ("batch.wait_ms", {"max": 2, "wait_ms": -1})):
        ruche.api.refused("PUT", "/v1/endpoints/base", {**base, "batch": batch}, status=422, field=field)
    ruche.api.refused("GET", "/v1/endpoints/base", status=404, code="endpoint_not_found")


PENALTY_S = 2.0
CALLS_PER_S = 50


class Base:
    """As Airtable is: so many calls a second, or the door is shut to everybody for PENALTY_S (30 s there); ten records of a call; a bad one, and nothing
    of the call is applied. Calls of a key that was applied are answered as they were. `plan` says, by the number of the call, what else happens:
    "busy" (others have used up the calls), "before" and "after" (the caller is killed before the call is applied, or when it has been)."""

    def __init__(self, bad, plan):
        self.bad, self.plan = bad, plan
        self.came, self.shut_until, self.sizes = [], 0.0, []
        self.inside = self.over = 0
        self.applied, self.keys, self.unanswered, self.repeats = {}, {}, None, 0
        self.last, self.unheard = None, set()  # keys
        self.refused = 0
        self.held, self.dead = threading.Event(), threading.Event()

    def judge(self, received, records):
        now = time.monotonic()
        act = self.plan.get(len(self.sizes))
        self.sizes.append(len(records))
        if now < self.shut_until:
            self.inside += 1
            return 429, {}
        self.came = [at for at in self.came if at > now - 1.0] + [now]
        self.over += len(self.came) > CALLS_PER_S
        if len(self.came) > CALLS_PER_S or act == "busy":
            self.shut_until = now + PENALTY_S
            return 429, {"errors": [{"error": "RATE_LIMIT_REACHED"}]}
        if act == "before":
            self.let_die()
            return None
        if len(records) > 10:
            return 422, {"error": {"type": "INVALID_RECORDS", "message": f"A maximum of 10 records can be created per request but you have provided {len(records)}"}}
        if any(record["fields"]["n"] in self.bad for record in records):
            self.refused += 1
            if self.refused == 3:  # while it is being found out which one it is
                self.let_die()
                return None
            return 422, {"error": {"type": "INVALID_VALUE_FOR_COLUMN", "message": "Field \"n\" cannot accept the provided value"}}
        return self.apply(received.headers["idempotency-key"], records, act)

    def apply(self, key, records, act):
        if key in self.keys:
            self.repeats += key == self.unanswered
            check(key in self.unheard, "a call that was answered was made again")
            return 200, self.keys[key]
        self.last = key
        for record in records:
            n = record["fields"]["n"]
            self.applied[n] = self.applied.get(n, 0) + 1
        self.keys[key] = {"records": [{"id": f"rec{record['fields']['n']}"} for record in records]}
        if act == "after":
            self.unanswered = key
            self.unheard.add(key)
            self.let_die()
            return None
        return 200, self.keys[key]

    def let_die(self):
        self.dead.clear()
        self.held.set()
        check(self.dead.wait(DEADLINE_S), "nobody was killed")

    def __call__(self, client, received):
        answer = self.judge(received, json.loads(received.body)["records"])
        if not answer:
            return False
        body = json.dumps(answer[1]).encode()
        client.sendall(b"HTTP/1.1 %d Said\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (answer[0], len(body)) + body)
        return True


def kill_when(house, reached):
    until(reached, "it was the time to kill it")
    house.ruche.kill()


@story
def a_thousand_records_for_a_base_like_airtable():
    """1,000 messages, one of them bad; the endpoint thinks that 25 go in a call, and shares the base's calls with another endpoint. The door is shut once,
    the daemon killed four times. Never a call behind the shut door, nor more than the base allows; 999 are applied, once each, and one is reported."""
    base = Base(bad={617}, plan={15: "busy", 30: "before", 45: "after"})
    with Webhooks(base) as house:
        api = house.api
        api.put("/v1/limits/airtable", {"concurrency": 1, "rate": {"max": CALLS_PER_S - 10, "per_ms": 1000}})
        api.put("/v1/formats/record", {"program": "{fields: .payload}"})
        api.put("/v1/formats/records", {"program": "{records: .items}"})
        shared = {"format": "record", "limits": ["airtable"], "retry_after": "airtable", "retry": {"kind": "fixed", "delay_ms": 2500, "max_attempts": 3, "jitter": "none"}}
        house.endpoint("base", **shared, types=["row"], batch={"max": 25, "wrap": "records", "results": "$.records[*].id"})
        house.endpoint("notes", **shared, types=["note"], batch={"max": 2, "wrap": "records"})
        rows = [{"type": "row", "entity": f"row {n}", "payload": {"n": n}} for n in range(1000)]
        notes = [{"type": "note", "payload": {"n": 1000 + n}} for n in range(10)]
        api.post("/v1/messages", {"messages": notes + rows[:500]}, status=200)
        api.post("/v1/messages", {"messages": rows[500:]}, status=200)
        kill_when(house, lambda: api.get("/v1/events?queue=webhooks&after=0.0&types=backed_off&limit=1")["events"])
        house.third.hear_out()
        base.unheard.add(base.last)  # where the machine was so slow that the door was open again, it is a call like those of the plan
        house.ruche.start()
        for _ in range(3):
            kill_when(house, base.held.is_set)
            base.held.clear()
            base.dead.set()
            house.ruche.start()
        api = house.api
        until(lambda: sum(api.states("webhooks")[state] for state in ("completed", "failed")) == 1010, "all had ended")
        equal((base.inside, base.over), (0, 0), "calls behind a shut door, and too many in a second")
        equal((len(base.applied), set(base.applied.values())), (1009, {1}), "records, and how often each was applied")
        check(617 not in base.applied, "the bad one was applied")
        equal(base.repeats, 1, "calls that were made again, with their key, since nobody heard the answer")
        equal([size for size in base.sizes if size > 10], [25], "calls that were too large")
        [failed] = api.get("/v1/jobs?queue=webhooks&state=failed")["jobs"]
        equal((api.get(f"/v1/messages/{failed['delivery']['message']}")["entity"], failed["attempts_made"]), ("row 617", 1), "the one that is reported")
        [attempt] = api.get(f"/v1/jobs/{failed['uid']}/attempts")["attempts"]
        check("INVALID_VALUE" in attempt["exchange"]["response_excerpt"], "what the base said of it")


if __name__ == "__main__":
    run()

"""Webhooks that failed, and how they are sent again: lists, one more time, a test."""

from harness import Daemon, Receiver, check, equal, run, story

ONCE = {"kind": "fixed", "delay_ms": 5, "max_attempts": 1, "jitter": "none"}


class House:
    """A daemon, and a third party that answers by script; its last step is repeated."""

    def __init__(self, *script):
        self.third = Receiver(*script)
        self.ruche = Daemon("--deliver-allow", "127.0.0.0/8")

    def __enter__(self):
        self.ruche.__enter__()
        self.api = self.ruche.api
        return self

    def __exit__(self, *problem):
        self.third.close()
        self.ruche.__exit__(*problem)

    def endpoint(self, name, **settings):
        url = f"http://127.0.0.1:{self.third.port}/{name}"
        return self.api.put(f"/v1/endpoints/{name}", {"url": url, "types": ["*"], "retry": ONCE, "sign": {"kind": "none"}, **settings})

    def send(self, **message):
        return self.api.post("/v1/messages", {"type": "fiche.updated", "payload": {"a": 1}, **message}, status=201)

    def delivery(self, message, endpoint):
        """The one delivery of a message to an endpoint, once it has ended."""
        [job] = [job for job in self.api.get(f"/v1/messages/{message['id']}/deliveries")["deliveries"] if job["delivery"]["endpoint"] == endpoint]
        return self.api.wait(job["uid"])


@story
def deliveries_are_found():
    """By message, entity, endpoint, type, state and outcome; of what is not there, nothing."""
    with House(200, 500) as house:
        api = house.api
        equal(api.get("/v1/deliveries"), {"deliveries": [], "next_cursor": None}, "where there never was an endpoint")
        house.endpoint("crm", concurrency=1)
        house.endpoint("held")
        paused = api.post("/v1/endpoints/held/pause")
        first, second = house.send(entity="f1"), house.send(entity="f2", type="note")
        equal((house.delivery(first, "crm")["state"], house.delivery(second, "crm")["state"]), ("completed", "failed"), "how they went")

        def found(query):
            return [(job["delivery"]["message"], job["delivery"]["endpoint"]) for job in api.get("/v1/deliveries?order=oldest&" + query)["deliveries"]]

        a, b, c, d = (first["id"], "crm"), (first["id"], "held"), (second["id"], "crm"), (second["id"], "held")
        equal(found(""), [a, b, c, d], "all")
        equal((found("endpoint=crm"), found("endpoint=nobody")), ([a, c], []), "of an endpoint")
        equal((found(f"message={first['id']}"), found(f"message={first['uid']}&endpoint=held")), ([a, b], [b]), "of a message")
        equal((found("entity=f2"), found("entity=f3")), ([c, d], []), "about an entity")
        equal((found("type=note"), found("type=no")), ([c, d], []), "of a type")
        equal((found("state=failed"), found("state=waiting,failed&entity=f1")), ([c], [b]), "in a state")
        equal((found("outcome=success"), found("outcome=success,attempts_spent"), found("outcome=filtered")), ([a], [a, c], []), "by how they ended")
        equal((found("created_after=2100-01-01T00:00:00Z"), len(found("created_before=2100-01-01T00:00:00Z"))), ([], 4), "by time")
        page = api.get("/v1/deliveries?limit=3&order=oldest")
        equal(len(api.get(f"/v1/deliveries?limit=3&order=oldest&cursor={page['next_cursor']}")["deliveries"]), 1, "the second page")
        counts = {query: api.get(f"/v1/jobs/count?{query}")["count"] for query in ("endpoint=crm", "entity=f1", f"message={first['id']}", "outcome=attempts_spent")}
        equal(list(counts.values()), [2, 2, 2, 1], "counts by the same filters")
        held, sent = (api.get(f"/v1/deliveries?endpoint={name}")["deliveries"][0] for name in ("held", "crm"))
        equal((held["hold"], "hold" in sent), ({"reason": "endpoint_paused", "since_at": paused["changed_at"]}, False), "what is held says so")
        api.put("/v1/endpoints/held", {**paused["settings"], "tags": ["x"]})
        api.post("/v1/endpoints/held/disable")
        house.ruche.restart()
        equal(house.ruche.api.job(held["uid"])["hold"], {"reason": "endpoint_disabled", "since_at": paused["changed_at"]}, "since when, whatever came since")
        api = house.ruche.api
        for query, field in (("message=msg_x", "message"), ("outcome=lost", "outcome"), ("state=lost", "state")):
            api.refused("GET", "/v1/deliveries?" + query, code="invalid_field", field=field)
        operation = api.post("/v1/operations", {"action": "cancel", "filter": {"endpoint": "held", "entity": "f1"}}, status=201)
        equal(operation["filter"], {"namespace": "default", "entity": "f1", "endpoint": "held"}, "bulk work by the same filters")
        api.refused("POST", "/v1/operations", {"action": "cancel", "filter": {"outcome": "lost"}}, code="invalid_field", field="filter.outcome")
        while api.get(f"/v1/operations/{operation['uid']}")["state"] == "running":
            pass
        equal([job["delivery"]["message"] for job in api.get("/v1/deliveries?endpoint=held&state=waiting")["deliveries"]], [second["id"]], "what is left")
        api.refused("GET", "/v1/messages/msg_0000000000001/deliveries", status=404, code="message_not_found")


@story
def one_message_once_more():
    """A failed delivery is retried, a missing one made, one that is on its way left alone: always under the message's id."""
    with House(500, 200) as house:
        api = house.api
        house.endpoint("crm")
        message = house.send(entity="f1")
        failed = house.delivery(message, "crm")
        equal(failed["state"], "failed", "the first call")
        again = api.post(f"/v1/messages/{message['id']}/resend", {"endpoint": "crm"})
        equal((again["uid"], again["state"]), (failed["uid"], "waiting"), "the same delivery")
        equal(api.wait(again["uid"])["state"], "completed", "the second call")
        house.endpoint("late", types=[])
        made = api.post(f"/v1/messages/{message['uid']}/resend", {"endpoint": "late"})
        equal(api.wait(made["uid"])["state"], "completed", "to one that was not there, and wants nothing")
        equal([(received.path, received.headers["webhook-id"]) for received in house.third.received],
              [("/crm", message["id"]), ("/crm", message["id"]), ("/late", message["id"])], "calls")
        equal(api.post(f"/v1/deliveries/{made['uid']}/retry", {})["uid"], made["uid"], "by the delivery's uid")
        equal(api.wait(made["uid"])["state"], "completed", "once more")
        api.post("/v1/endpoints/late/pause")
        held = api.post(f"/v1/messages/{message['id']}/resend", {"endpoint": "late"})
        refused = api.refused("POST", f"/v1/messages/{message['id']}/resend", {"endpoint": "late"}, status=409, code="illegal_state")
        check(held["uid"] in refused["detail"], refused["detail"])
        equal(len(api.get(f"/v1/messages/{message['id']}/deliveries")["deliveries"]), 2, "deliveries")
        api.refused("POST", f"/v1/messages/{message['id']}/resend", {"endpoint": "nobody"}, status=404, code="endpoint_not_found")
        api.refused("POST", f"/v1/messages/{message['id']}/resend", {}, code="invalid_field", field="endpoint")
        api.refused("POST", "/v1/messages/msg_0000000000001/resend", {"endpoint": "crm"}, status=404, code="message_not_found")
        api.call("DELETE", f"/v1/messages/{message['id']}/content", status=204)
        api.refused("POST", f"/v1/messages/{message['id']}/resend", {"endpoint": "crm"}, status=409, code="illegal_state", field="message")


@story
def an_endpoint_is_tried_out():
    """One attempt, whatever the retry policy says; its result is the delivery's; nothing is remembered of it."""
    with House(503, 200) as house:
        api = house.api
        house.endpoint("crm", types=[], retry={"kind": "fixed", "delay_ms": 5, "max_attempts": 5})
        sent = api.post("/v1/endpoints/crm/test", {}, status=201)
        job = api.wait(sent["delivery"])
        equal((job["state"], job["attempts_made"], job["outcome"], job["name"]), ("failed", 1, "attempts_spent", "endpoint.test"), "one attempt")
        attempt = api.get(f"/v1/jobs/{job['uid']}/attempts")["attempts"][0]
        equal((attempt["exchange"]["status"], attempt["exchange"]["message"]), (503, sent["id"]), "what came of it")
        sent = api.post("/v1/endpoints/crm/test", {"type": "fiche.updated", "payload": {"x": 1}}, status=201)
        equal((api.wait(sent["delivery"])["state"], api.get(f"/v1/messages/{sent['id']}?payload")["payload"]), ("completed", {"x": 1}), "with a payload of one's own")
        equal(api.get("/v1/endpoints/crm")["health"]["failures"], 0, "its health")
        api.post("/v1/endpoints/crm/pause")
        api.refused("POST", "/v1/endpoints/crm/test", {}, status=409, code="illegal_state", field="endpoint")
        api.refused("POST", "/v1/endpoints/nobody/test", {}, status=404, code="endpoint_not_found")
        api.refused("POST", "/v1/endpoints/crm/test", {"type": "a b"}, code="invalid_field", field="type")


@story
def what_was_told_of_entities():
    """The other side's names for them, page by page; forgotten on request, so that the next message makes it anew."""
    script = [(201, {}, b'{"id":"E%d"}' % n) for n in range(1, 6)]
    with House(*script) as house:
        api = house.api
        equal(house.endpoint("crm", order="latest", external_id="$.id")["name"], "crm", "made")
        for entity in ("f1", "f2", "f3"):
            message = house.send(entity=entity)
            equal(house.delivery(message, "crm")["state"], "completed", entity)
        page = api.get("/v1/endpoints/crm/entities?limit=2")
        equal([(one["entity"], one["external_id"], one["state"]) for one in page["entities"]], [("f1", "E1", "delivered"), ("f2", "E2", "delivered")], "the first page")
        page = api.get(f"/v1/endpoints/crm/entities?limit=2&cursor={page['next_cursor']}")
        equal(([one["entity"] for one in page["entities"]], page["next_cursor"]), (["f3"], None), "the second one")
        one = api.get("/v1/endpoints/crm/entities/f3")
        equal((one["message"], one["external_id"]), (message["id"], "E3"), "one of them")
        api.delete("/v1/endpoints/crm/entities/f3")
        api.refused("GET", "/v1/endpoints/crm/entities/f3", status=404, code="not_found")
        equal(len(api.get("/v1/endpoints/crm/entities")["entities"]), 2, "the others stay")
        for path in ("", "/f1"):
            api.refused("GET", "/v1/endpoints/nobody/entities" + path, status=404, code="endpoint_not_found")
        api.refused("DELETE", "/v1/endpoints/nobody/entities/f1", status=404, code="endpoint_not_found")
        api.refused("GET", "/v1/endpoints/crm/entities?cursor=!", code="invalid_field", field="cursor")


@story
def a_limited_token_recovers_what_is_its_own(ruche):
    """Deliveries, entities and tests belong to the queue `webhooks`."""
    api = ruche.api
    api.put("/v1/endpoints/crm", {"url": "https://crm.example.org/", "types": ["*"]})
    api.post("/v1/endpoints/crm/pause")
    sent = api.post("/v1/messages", {"type": "a"}, status=201)
    mine = api.again(api.post("/v1/tokens", {"name": "mine", "scopes": ["enqueue", "read", "operate"], "queues": ["webhooks"]})["token"])
    other = api.again(api.post("/v1/tokens", {"name": "other", "scopes": ["enqueue", "read", "operate"], "queues": ["mail"]})["token"])
    equal(len(mine.get("/v1/deliveries")["deliveries"]), 1, "deliveries")
    [job] = mine.get(f"/v1/messages/{sent['id']}/deliveries")["deliveries"]
    mine.refused("POST", f"/v1/messages/{sent['id']}/resend", {"endpoint": "crm"}, status=409, code="illegal_state")
    mine.refused("POST", f"/v1/deliveries/{job['uid']}/retry", {}, status=409, code="illegal_state")
    equal(mine.get("/v1/endpoints/crm/entities")["entities"], [], "entities")
    other.refused("GET", f"/v1/messages/{sent['id']}/deliveries", status=404, code="message_not_found")
    other.refused("POST", f"/v1/messages/{sent['id']}/resend", {"endpoint": "crm"}, status=404, code="message_not_found")
    other.refused("POST", f"/v1/deliveries/{job['uid']}/retry", {}, status=404, code="job_not_found")
    for method, path, body in (("GET", "/v1/deliveries", None), ("GET", "/v1/endpoints/crm/entities", None), ("GET", "/v1/endpoints/crm/entities/e", None),
                               ("DELETE", "/v1/endpoints/crm/entities/e", None), ("POST", "/v1/endpoints/crm/test", {})):
        other.refused(method, path, body, status=403, code="forbidden")


@story
def the_same_from_the_command_line():
    """A test says what came of it; deliveries are found and sent again, one or all that match; entities are shown and forgotten."""
    with House(500, (201, {}, b'{"id":"E1"}'), 503, 200) as house:
        api, ruche = house.api, house.ruche
        house.endpoint("crm", order="latest", external_id="$.id")
        message = house.send(entity="f1")
        failed = house.delivery(message, "crm")
        equal(ruche.cli("deliveries", "list", "--message", message["id"], "--outcome", "attempts_spent").split()[8].decode(), failed["uid"], "found")
        for words in (("--entity", "f2"), ("--outcome", "success"), ("--since", "2100-01-01T00:00:00Z"), ("--endpoint", "nobody")):
            equal(ruche.cli("deliveries", "list", *words), b"no delivery matches\n", f"not found: {words}")
        equal(ruche.cli("deliveries", "retry", "--all", "--endpoint", "crm", "--dry-run"), b"1 delivery would be sent again\n", "counted")
        ruche.cli("deliveries", "retry", "--all", status=64)
        ruche.cli("deliveries", "retry", "--endpoint", "crm", status=64)
        said = ruche.cli("deliveries", "retry", "--all", "--yes", "--endpoint", "crm").decode()
        check(said.startswith("retried 1 delivery;"), said)
        equal(api.wait(failed["uid"])["state"], "completed", "sent again")
        equal(ruche.cli("deliveries", "retry", "--all", "--endpoint", "crm"), b"no delivery matches\n", "none failed any more")
        row = ruche.cli("endpoints", "entities", "crm").decode().splitlines()[1].split()
        equal(row[:4], ["f1", "E1", "delivered", message["id"]], "entities")
        equal(ruche.cli("endpoints", "entities", "crm", "f1").decode().splitlines()[1].split()[:2], ["f1", "E1"], "one of them")
        said = ruche.cli("endpoints", "test", "crm", status=1).decode()
        check(said.startswith("crm: ") and "503" in said, said)
        said = ruche.cli("endpoints", "test", "crm", "--payload", "-", stdin=b'{"x": 1}').decode()
        check(said.startswith("crm: HTTP 200 after "), said)
        ruche.cli("endpoints", "test", "nobody", status=66)
        check(b"forgotten" in ruche.cli("endpoints", "entities", "crm", "f1", "--forget"), "forgotten")
        ruche.cli("endpoints", "entities", "crm", "f1", status=66)
        equal(ruche.cli("endpoints", "entities", "crm"), b"it was told of no entity yet\n", "none is left")
        said = ruche.cli("messages", "resend", message["id"], "crm").decode()
        check(failed["uid"] in said, said)
        equal(api.wait(failed["uid"])["state"], "completed", "once more")
        ruche.cli("messages", "resend", message["id"], "nobody", status=66)
        ruche.cli("messages", "resend", message["id"], status=64)


run()

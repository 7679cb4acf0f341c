"""Webhooks that failed or were missed, and how they are sent again: lists, one more time, a test, recover and replay."""

import itertools

from harness import Daemon, House, check, equal, run, story

ONCE = {"kind": "fixed", "delay_ms": 5, "max_attempts": 1, "jitter": "none"}


class Webhooks(House):
    """The last step of its script is repeated."""

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
    with Webhooks(200, 500) as house:
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
    with Webhooks(500, 200) as house:
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
    with Webhooks(503, 200) as house:
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
    with Webhooks(*script) as house:
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


LONG_AGO = "2020-01-01T00:00:00Z"


def ended(api, operation, state="done"):
    """The bulk operation, once it has ended."""
    while api.get(f"/v1/operations/{operation['uid']}")["state"] == "running":
        pass
    operation = api.get(f"/v1/operations/{operation['uid']}")
    equal(operation["state"], state, "the operation")
    return operation


def held(api, endpoint):
    return api.get(f"/v1/endpoints/{endpoint}")["held"]


@story
def an_endpoint_that_came_later_gets_the_past(ruche):
    """What it wants by its settings of now, each message once; what a dry run counts is what then happens."""
    api = ruche.api
    api.post("/v1/messages", {"messages": [{"type": "fiche.made" if n % 2 else "note", "entity": f"f{n % 10}", "payload": {"n": n}} for n in range(40)]}, status=200)
    api.put("/v1/endpoints/late", {"url": "https://late.example.org/", "types": ["fiche.*"], "filter": {"n": {"$gte": 10}}})
    api.post("/v1/endpoints/late/pause")
    counted = api.post("/v1/endpoints/late/replay", {"since": LONG_AGO, "dry_run": True}, status=200)
    equal(counted, {"sends": 15, "at_least": False, "missing": 15, "failed": 0, "delivered": 0, "cancelled": 0, "on_its_way": 0, "unknown": 0}, "counted")
    equal((held(api, "late"), api.get("/v1/operations")["operations"]), (0, []), "counting changes nothing")
    some = api.post("/v1/endpoints/late/replay", {"since": LONG_AGO, "entity": "f1"}, status=201)
    equal((some["action"], some["filter"]["endpoint"], some["arguments"]["only"]), ("replay", "late", "missing"), "the operation")
    equal((ended(api, some)["done"], held(api, "late")), (3, 3), "about one entity")
    counted = api.post("/v1/endpoints/late/replay", {"since": LONG_AGO, "dry_run": True}, status=200)
    equal((counted["sends"], counted["missing"], counted["on_its_way"]), (12, 12, 3), "counted anew")
    rest = ended(api, api.post("/v1/endpoints/late/replay", {"since": LONG_AGO, "only": "all", "types": ["fiche.made", "other.*"]}, status=201))
    equal((rest["done"], rest["skipped"], rest["failed"], held(api, "late")), (12, 0, 0, 15), "the rest")
    payloads = sorted(api.get(f"/v1/jobs/{job['uid']}?payload")["payload"]["n"] for job in api.get("/v1/deliveries?endpoint=late")["deliveries"])
    equal(payloads, list(range(11, 40, 2)), "each of them, once")
    again = ended(api, api.post("/v1/endpoints/late/replay", {"since": LONG_AGO, "only": "all"}, status=201))
    equal((again["done"], held(api, "late")), (0, 15), "all are on their way")
    for body, field in (({}, "since"), ({"since": "yesterday"}, "since"), ({"since": LONG_AGO, "only": "some"}, "only"), ({"since": LONG_AGO, "types": ["a b"]}, "types[0]")):
        api.refused("POST", "/v1/endpoints/late/replay", body, code="invalid_field", field=field)
    for verb in ("replay", "recover"):
        for dry in (True, False):
            api.refused("POST", f"/v1/endpoints/nobody/{verb}", {"since": LONG_AGO, "dry_run": dry}, status=404, code="endpoint_not_found")
    api.refused("POST", "/v1/operations", {"action": "replay", "filter": {"endpoint": "late"}}, code="invalid_field", field="action")


@story
def a_replay_is_stopped_and_killed_and_goes_on():
    """Paused, resumed, cancelled; the daemon killed in the middle: in the end each message is there once."""
    with Daemon() as ruche:
        api, count = ruche.api, 4000
        for part in range(4):
            api.post("/v1/messages", {"messages": [{"type": "made", "payload": n} for n in range(part * 1000, (part + 1) * 1000)]}, status=200)
        names = (f"crm-{number}" for number in itertools.count())

        def start():
            name = next(names)
            api.put(f"/v1/endpoints/{name}", {"url": "https://crm.example.org/", "types": ["*"]})
            api.post(f"/v1/endpoints/{name}/pause")
            return api.post(f"/v1/endpoints/{name}/replay", {"since": LONG_AGO}, status=201)

        operation = api.paused_operation(start)
        before, crm = operation["done"], operation["filter"]["endpoint"]
        equal((operation["state"], before < count), ("paused", True), "paused in the middle")
        ruche.kill()
        ruche.restart()
        api = ruche.api
        equal((held(api, crm), api.get(f"/v1/operations/{operation['uid']}")["done"]), (before, before), "as it was told")
        api.post(f"/v1/operations/{operation['uid']}/resume", {})
        ruche.kill()
        ruche.restart()
        api = ruche.api
        api.call("POST", f"/v1/operations/{operation['uid']}/cancel", {}, status=(200, 404))  # 404: it has come to its end
        first = api.get(f"/v1/operations/{operation['uid']}")
        second = ended(api, api.post(f"/v1/endpoints/{crm}/replay", {"since": LONG_AGO}, status=201))
        equal(first["done"] + second["done"], count, "what both did")
        equal((held(api, crm), api.get(f"/v1/jobs/count?endpoint={crm}&max=10000")["count"]), (count, count), "each message is there once")


@story
def what_was_held_back_is_sent_at_resume():
    """Beyond hold_max deliveries are only counted; a resume makes up for them, in order, also if the daemon dies right then."""
    with Webhooks(200) as house:
        api = house.api
        house.endpoint("crm", hold_max=3, concurrency=1)
        api.post("/v1/endpoints/crm/pause")
        messages = [house.send(payload=n) for n in range(20)]
        endpoint = api.get("/v1/endpoints/crm")
        equal((endpoint["held"], endpoint["health"]["unsent"]), (3, 17), "held, and counted")
        resumed = api.post("/v1/endpoints/crm/resume")
        equal(resumed["health"]["unsent"], 0, "counted no more")
        house.ruche.kill()
        house.ruche.restart()
        api = house.ruche.api
        [operation] = api.get("/v1/operations")["operations"]
        equal((operation["action"], ended(api, operation)["done"]), ("replay", 17), "made up for")
        for message in messages:
            [job] = api.get(f"/v1/messages/{message['id']}/deliveries")["deliveries"]
            equal(api.wait(job["uid"])["state"], "completed", "each of them")
        equal({received.headers["webhook-id"] for received in house.third.received}, {message["id"] for message in messages}, "calls")


@story
def whatever_failed_since_an_instant_goes_again():
    """Recover takes those that failed since then, and no others; replay by `failed` goes by when the messages came."""
    with Webhooks(500, 500, 500, 200) as house:
        api = house.api
        house.endpoint("crm", concurrency=1)
        jobs = [house.delivery(house.send(), "crm") for _ in range(3)]
        equal({job["state"] for job in jobs}, {"failed"}, "all failed")
        since = jobs[1]["finished_at"]
        later = sum(job["finished_at"] >= since for job in jobs)
        counted = api.post("/v1/endpoints/crm/recover", {"since": since, "dry_run": True}, status=200)
        equal(counted, {"sends": later, "at_least": False}, "counted")
        equal(api.post("/v1/endpoints/crm/recover", {"since": LONG_AGO, "until": since, "dry_run": True}, status=200)["sends"], 3 - later, "before that")
        done = ended(api, api.post("/v1/endpoints/crm/recover", {"since": since}, status=201))
        equal((done["action"], done["done"], done["filter"]["endpoint"]), ("retry", later, "crm"), "recovered")
        for job in jobs:
            equal(api.wait(job["uid"])["state"], "completed" if job["finished_at"] >= since else "failed", "each of them")
        equal(api.post("/v1/endpoints/crm/replay", {"since": LONG_AGO, "only": "failed", "dry_run": True}, status=200)["sends"], 3 - later, "what is left")
        ended(api, api.post("/v1/endpoints/crm/replay", {"since": LONG_AGO, "only": "failed"}, status=201))
        for job in jobs:
            equal(api.wait(job["uid"])["state"], "completed", "all of them")
        equal([job["uid"] for job in api.get("/v1/deliveries?order=oldest")["deliveries"]], sorted(job["uid"] for job in jobs), "no delivery was made anew")


@story
def an_endpoint_is_deleted_under_its_replay(ruche):
    """The operation ends; a new endpoint of that name begins from nothing."""
    api = ruche.api
    api.post("/v1/messages", {"messages": [{"type": "made", "payload": n} for n in range(3000)]}, status=200)
    api.put("/v1/endpoints/crm", {"url": "https://crm.example.org/", "types": ["*"]})
    api.post("/v1/endpoints/crm/pause")
    operation = api.post("/v1/endpoints/crm/replay", {"since": LONG_AGO}, status=201)
    api.delete("/v1/endpoints/crm")
    check(ended(api, operation)["done"] <= 3000, "it ends")
    api.put("/v1/endpoints/crm", {"url": "https://crm.example.org/", "types": ["*"], "hold_max": 0})
    api.post("/v1/endpoints/crm/pause")
    stands = api.post("/v1/endpoints/crm/replay", {"since": LONG_AGO, "dry_run": True}, status=200)
    while stands["missing"]:  # calls that the old one had under way may end as late as now
        ended(api, api.post("/v1/endpoints/crm/replay", {"since": LONG_AGO}, status=201))
        stands = api.post("/v1/endpoints/crm/replay", {"since": LONG_AGO, "dry_run": True}, status=200)
    equal((stands["missing"], stands["on_its_way"], held(api, "crm") <= 3000), (0, 3000, True), "all of them are on their way")


@story
def replay_from_the_command_line():
    """Counted in words, then sent."""
    with Webhooks(500, 200) as house:
        ruche = house.ruche
        message = house.send()
        house.endpoint("crm")
        said = ruche.cli("endpoints", "replay", "crm", "--since", LONG_AGO, "--dry-run").decode()
        equal(said, "1 delivery would be sent; of the messages that it wants: 1 never made\n", "counted")
        ruche.cli("endpoints", "replay", "crm", "--since", LONG_AGO, status=64)
        check("--yes" in ruche.cli_errors, ruche.cli_errors)
        said = ruche.cli("endpoints", "replay", "crm", "--since", LONG_AGO, "--type", "fiche.*", "--yes").decode().splitlines()[-1]
        check(said.startswith("sent 1 delivery;"), said)
        equal(house.delivery(message, "crm")["state"], "failed", "the first call")
        equal(ruche.cli("endpoints", "replay", "crm", "--since", LONG_AGO).decode(), "0 deliveries would be sent; of the messages that it wants: 1 failed\n", "none is missing")
        said = ruche.cli("endpoints", "recover", "crm", "--since", LONG_AGO, "--dry-run").decode()
        equal(said, "1 delivery would be sent\n", "failed")
        said = ruche.cli("endpoints", "recover", "crm", "--since", LONG_AGO, "--yes").decode().splitlines()[-1]
        check(said.startswith("sent 1 delivery;"), said)
        equal(house.delivery(message, "crm")["state"], "completed", "the second call")
        house.api.delete(f"/v1/jobs/{house.delivery(house.send(), 'crm')['uid']}")
        said = ruche.cli("endpoints", "replay", "crm", "--since", LONG_AGO).decode()
        counted = "0 deliveries would be sent; of the messages that it wants: 1 delivered, 1 not known any more"
        equal(said, counted + ": --only missing_or_unknown sends them too\n", "delivered, and not kept")
        equal(ruche.cli("endpoints", "replay", "crm", "--since", LONG_AGO, "--only", "failed").decode(), counted + "\n", "nor did it fail")
        said = ruche.cli("endpoints", "replay", "crm", "--since", LONG_AGO, "--only", "missing_or_unknown", "--yes").decode().splitlines()
        equal(said[0], "1" + counted[1:].replace("deliveries", "delivery"), "it may have been missed")
        check(said[-1].startswith("sent 1 delivery;"), said)
        ruche.cli("endpoints", "replay", "crm", status=64)
        ruche.cli("endpoints", "replay", "nobody", "--since", LONG_AGO, "--dry-run", status=66)
        ruche.cli("endpoints", "replay", "crm", "--since", "yesterday", "--dry-run", status=65)


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
    equal(mine.post("/v1/endpoints/crm/replay", {"since": LONG_AGO, "dry_run": True}, status=200)["on_its_way"], 1, "counted")
    operation = mine.post("/v1/endpoints/crm/replay", {"since": LONG_AGO}, status=201)
    equal(ended(mine, operation)["done"], 0, "its own operation")
    other.refused("GET", f"/v1/operations/{operation['uid']}", status=404, code="not_found")
    other.refused("GET", f"/v1/messages/{sent['id']}/deliveries", status=404, code="message_not_found")
    other.refused("POST", f"/v1/messages/{sent['id']}/resend", {"endpoint": "crm"}, status=404, code="message_not_found")
    other.refused("POST", f"/v1/deliveries/{job['uid']}/retry", {}, status=404, code="job_not_found")
    for method, path, body in (("GET", "/v1/deliveries", None), ("GET", "/v1/endpoints/crm/entities", None), ("GET", "/v1/endpoints/crm/entities/e", None),
                               ("DELETE", "/v1/endpoints/crm/entities/e", None), ("POST", "/v1/endpoints/crm/test", {}),
                               ("POST", "/v1/endpoints/crm/replay", {"since": LONG_AGO}), ("POST", "/v1/endpoints/crm/recover", {"since": LONG_AGO}),
                               ("POST", "/v1/endpoints/crm/replay", {"since": LONG_AGO, "dry_run": True})):
        other.refused(method, path, body, status=403, code="forbidden")


@story
def the_same_from_the_command_line():
    """A test says what came of it; deliveries are found and sent again, one or all that match; entities are shown and forgotten."""
    with Webhooks(500, (201, {}, b'{"id":"E1"}'), 503, 200) as house:
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

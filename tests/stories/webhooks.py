"""Webhooks, as their senders see them: endpoints, messages, and deliveries, which are jobs of the queue `webhooks`."""

from harness import check, equal, run, story

CRM = {"url": "https://crm.example.org/things", "types": ["fiche.*"], "concurrency": 4, "tags": ["crm"]}


def deliveries(api, endpoint):
    """Its jobs, the oldest first."""
    return api.get(f"/v1/jobs?queue=webhooks&group={endpoint}&order=oldest")["jobs"]


@story
def an_endpoint_is_made_changed_and_deleted(ruche):
    """PUT says all, PATCH some; GET then PUT changes nothing; it outlives the daemon."""
    api = ruche.api
    made = api.put("/v1/endpoints/crm", CRM)
    equal((made["state"], made["settings"]["url"], made["settings"]["concurrency"]), ("enabled", CRM["url"], 4), "made")
    check(made["retry_words"].startswith("10 attempts over "), made["retry_words"])
    changed = api.patch("/v1/endpoints/crm", {"timeout_ms": 3000, "retry": {"kind": "list", "list_ms": [60000, 120000], "max_attempts": 3}})
    equal((changed["settings"]["timeout_ms"], changed["settings"]["types"]), (3000, ["fiche.*"]), "changed")
    equal(changed["retry_words"], "3 attempts over 3 min", "the window in words")
    again = api.put("/v1/endpoints/crm", changed["settings"])
    equal(again["version"], changed["version"], "what is got and put again changes nothing")
    ruche.kill()
    ruche.restart()
    api = ruche.api
    equal(api.get("/v1/endpoints/crm")["settings"], changed["settings"], "after a crash")
    named = api.post("/v1/endpoints", {"url": "https://other.example.org/", "types": []})
    check(named["name"].startswith("ep_"), f"a name of ruche's own: {named['name']}")
    page = api.get("/v1/endpoints?limit=1")
    equal(([one["name"] for one in page["endpoints"]], bool(page["next_cursor"])), (["crm"], True), "the first page")
    page = api.get(f"/v1/endpoints?limit=1&cursor={page['next_cursor']}")
    equal(([one["name"] for one in page["endpoints"]], page["next_cursor"]), ([named["name"]], None), "the second one")
    api.delete("/v1/endpoints/crm")
    api.refused("GET", "/v1/endpoints/crm", status=404, code="endpoint_not_found")
    api.refused("PATCH", "/v1/endpoints/crm", {"timeout_ms": 1}, status=404, code="endpoint_not_found")


@story
def a_message_goes_to_all_that_want_it(ruche):
    """One call, one delivery for each; which are jobs of the endpoint's group, with the message's payload."""
    api = ruche.api
    for name, settings in (("crm", CRM), ("all", {**CRM, "types": ["*"]}), ("paris", {**CRM, "types": ["*"], "channels": ["paris"]}),
                           ("rich", {**CRM, "filter": {"budget": {"$gte": 1000}}})):
        api.put(f"/v1/endpoints/{name}", settings)
        api.post(f"/v1/endpoints/{name}/pause")
    sent = api.post("/v1/messages", {"type": "fiche.updated", "entity": "f1", "channels": ["lyon"], "payload": {"budget": 5}}, status=201)
    equal((sent["matched"], sent["deliveries"], sent["expanding"], sent["duplicate"]), (2, 2, False, False), "sent")
    equal(sent["id"], "msg_" + sent["uid"], "its id")
    job = deliveries(api, "crm")[0]
    equal((job["name"], job["delivery"]["message"], job["delivery"]["endpoint"], job["state"]), ("fiche.updated", sent["id"], "crm", "waiting"), "the delivery")
    whole = api.get(f"/v1/jobs/{job['uid']}?payload")
    equal((whole["payload"], whole["delivery"]["entity"]), ({"budget": 5}, "f1"), "its payload is the message's")
    equal(api.get(f"/v1/jobs/{job['uid']}/payload"), {"budget": 5}, "byte for byte")
    kept = api.get(f"/v1/messages/{sent['id']}?payload")
    equal((kept["type"], kept["entity"], kept["channels"], kept["payload"], kept["deliveries"]), ("fiche.updated", "f1", ["lyon"], {"budget": 5}, 2), "kept")
    nobody = api.post("/v1/messages", {"type": "fiche.updated", "namespace": "elsewhere"}, status=201)
    equal((nobody["matched"], nobody["nothing"]), (0, "no_endpoint"), "nobody wants it")
    api.refused("POST", "/v1/messages", {"type": "fiche.updated", "namespace": "elsewhere", "require_match": True}, code="no_endpoint")
    only = api.post("/v1/messages", {"type": "note", "endpoint": "rich"}, status=201)
    equal(only["deliveries"], 1, "for one endpoint, whatever it wants")
    api.refused("POST", "/v1/messages", {"type": "note", "endpoint": "nobody"}, status=404, code="endpoint_not_found")
    listed = api.get("/v1/messages?type=fiche.*&entity=f1")["messages"]
    equal([one["id"] for one in listed], [sent["id"]], "found by type and entity")
    events = api.get("/v1/events?queue=webhooks&after=0.0&types=message&limit=10")["events"]
    equal([event["message"] for event in events], [sent["id"], only["id"]], "events")


@story
def thousands_of_messages_in_one_call(ruche):
    """All or none; keys answer the first message; what was acknowledged is delivered to each endpoint once, also after a crash."""
    api = ruche.api
    for n in range(20):
        api.put(f"/v1/endpoints/e{n}", {"url": f"https://e{n}.example.org/", "types": ["*"], "hold_max": 0})
        api.post(f"/v1/endpoints/e{n}/pause")
    many = [{"type": "made", "key": f"k{n}", "payload": n} for n in range(500)]
    results = api.post("/v1/messages", {"messages": many}, status=200)["results"]
    equal((len(results), {one["matched"] for one in results}, results[0]["expanding"], results[-1]["expanding"]), (500, {20}, False, True), "the answers")
    ruche.kill()
    ruche.restart()
    api = ruche.api
    held = 0
    while held < 500 * 20:
        held = sum(one["held"] for one in api.get("/v1/endpoints")["endpoints"])
    equal(held, 10000, "deliveries")
    equal({one["deliveries"] for one in api.get("/v1/messages?limit=500")["messages"]}, {20}, "of each message")
    again = api.post("/v1/messages", {"messages": many[:3]}, status=200)["results"]
    equal([(one["id"], one["duplicate"], one["matched"]) for one in again], [(results[n]["id"], True, None) for n in range(3)], "the same again")
    api.refused("POST", "/v1/messages", {"messages": [{"type": "fine", "key": "new"}, {"type": "not fine"}]}, code="invalid_field", field="messages[1].type")
    alone = api.post("/v1/messages", {"type": "fine", "key": "new"}, status=201)
    equal(alone["duplicate"], False, "nothing of the refused request is there")
    equal(api.post("/v1/messages", {"type": "fine", "key": "new"}, status=200)["id"], alone["id"], "a repeat")


@story
def a_paused_endpoint_is_held(ruche):
    """Deliveries are made and kept; explain says why they wait; beyond hold_max they are counted."""
    api = ruche.api
    api.put("/v1/endpoints/crm", {**CRM, "hold_max": 2})
    paused = api.post("/v1/endpoints/crm/pause")
    equal((paused["state"], paused["reason"]), ("paused", "by_hand"), "paused")
    for n in range(4):
        api.post("/v1/messages", {"type": "fiche.made", "payload": n}, status=201)
    ruche.restart()
    api = ruche.api
    endpoint = api.get("/v1/endpoints/crm")
    equal((endpoint["held"], endpoint["health"]["unsent"]), (2, 2), "held, and counted")
    job = deliveries(api, "crm")[0]
    equal(api.explain(job["uid"])["code"], "endpoint_paused", "why it waits")
    api.post("/v1/endpoints/crm/disable")
    equal(api.explain(job["uid"])["code"], "endpoint_disabled", "why it waits now")
    for path, body in (("PUT", {}), ("DELETE", None)):
        api.refused(path, "/v1/queues/webhooks/groups/crm", body, status=409, code="endpoint_owned")
    api.refused("POST", "/v1/queues/webhooks/groups/crm/resume", {}, status=409, code="endpoint_owned")
    resumed = api.post("/v1/endpoints/crm/enable")
    equal((resumed["state"], resumed["reason"], resumed["held"]), ("enabled", None, 0), "resumed")


@story
def the_queue_is_kept_for_deliveries(ruche):
    """Nobody else makes jobs in it, also before the first endpoint is there; a BullMQ program that has one is told what to do, and no delivery."""
    api = ruche.api
    for _ in range(2):
        api.refused("POST", "/v1/jobs", {"queue": "webhooks"}, status=422, code="invalid_field", field="queue")
        api.refused("POST", "/v1/jobs", {"jobs": [{"queue": "q"}, {"queue": "webhooks"}], "atomic": True}, status=422, code="invalid_field")
        [made, child] = api.post("/v1/batch", {"ops": [{"op": "enqueue", "queue": "q"}, {"op": "enqueue", "queue": "webhooks"}]})["results"]
        equal((child["problem"]["code"], child["problem"]["field"].rpartition(".")[2]), ("invalid_field", "queue"), "one by one")
        api.refused("POST", "/v1/jobs", {"atomic": True, "jobs": [{"queue": "q", "waits": True}, {"queue": "webhooks", "parents": [{"ref": 0}]}]}, status=422, code="invalid_field")
        api.refused("PUT", "/v1/queues/webhooks/chains/c", {"schedule": {"every_ms": 60000}}, status=422, code="invalid_field", field="queue")
        api.refused("POST", f"/v1/jobs/{made['uid']}/move", {"queue": "webhooks"}, status=422, code="invalid_field", field="queue")
        api.refused("POST", "/v1/operations", {"action": "move", "filter": {"queue": "q"}, "arguments": {"queue": "webhooks"}}, status=422, code="invalid_field",
                    field="arguments.queue")
        api.refused("POST", "/v1/claims", {"queues": ["webhooks"]}, status=422, code="invalid_field", field="queues")
        api.refused("PATCH", "/v1/queues/webhooks", {"target": "pull"}, status=422, code="invalid_field", field="target")
        equal(api.patch("/v1/queues/webhooks", {"keep_completed": {"count": 7}})["settings"]["target"], "http", "what is set of it")
        api.put("/v1/endpoints/crm", CRM)
    api.post("/v1/jobs", {"queue": "webhooks", "namespace": "bull", "compat": "bullmq"}, status=201)
    refusal = api.refused("PUT", "/v1/endpoints/crm?namespace=bull", CRM, status=409, code="conflict")
    check("another namespace" in refusal["detail"], f"what to do: {refusal}")
    equal(api.get("/v1/deliveries?namespace=bull")["deliveries"], [], "no deliveries")
    equal(len(api.get("/v1/jobs?namespace=bull&queue=webhooks")["jobs"]), 1, "but a job")


@story
def nonsense_is_refused_with_its_field(ruche):
    """Nothing is stored of it."""
    api = ruche.api
    cases = [
        ({}, "url"), ({"url": "gopher://x.example.org/"}, "url"), ({"url": "https://user:pw@x.example.org/"}, "url"), ({"url": "https://{entity}/"}, "url"),
        ({"url": "http://169.254.169.254/latest"}, "url"), ({"url": "http://0x7f.1/"}, "url"), ({"url": "http://2130706433/"}, "url"),
        ({"url": "http://[::ffff:10.0.0.1]/"}, "url"), ({"url": "https://x.example.org/", "update_url": "http://127.0.0.1:1/"}, "update_url"),
        ({"url": "https://x.example.org/", "retract": {"url": "http://[::1]/"}}, "retract.url"),
        ({"url": "https://x.example.org/", "auth": {"kind": "oauth2", "secret": "s", "client_id": "c", "token_url": "http://10.1.2.3/"}}, "auth.token_url"),
        ({"url": "https://x.example.org/", "types": ["a b"]}, "types[0]"), ({"url": "https://x.example.org/", "format": "nope"}, "format"),
        ({"url": "https://x.example.org/", "headers": {"Host": "y"}}, "headers.Host"),
        ({"url": "https://x.example.org/", "headers": {"x-a": "b\r\nx-c: d"}}, "headers.x-a"),
        ({"url": "https://x.example.org/", "headers": {"Authorization": "Bearer abc"}}, "headers.Authorization"),
        ({"url": "https://x.example.org/", "headers": {"webhook-id": "1"}}, "headers.webhook-id"),
        ({"url": "https://x.example.org/", "filter": {"a": {"$near": 1}}}, "filter.a.$near"), ({"url": "https://x.example.org/", "concurrency": -1}, "concurrency"),
        ({"url": "https://x.example.org/", "limits": ["nobody"]}, "limits"), ({"url": "https://x.example.org/{external_id}"}, "order"),
        ({"url": "https://x.example.org/", "kind": "poll"}, "url"),
        ({"url": "https://x.example.org/", "auth": {"kind": "bearer", "secret": "nobody"}}, "auth.secret"),
        ({"url": "https://x.example.org/", "sign": {"kind": "v1", "secret": "file:nobody"}}, "sign.secret"),
        ({"url": "https://x.example.org/", "headers": {"a": {"secret": "there"}, "b": {"secret": "env:there"}}}, "headers.b"),
        ({"url": "https://x.example.org/", "sign": {"kind": "both", "secret": "there", "secret_v1a": "nobody"}}, "sign.secret_v1a"),
        ({"url": "https://x.example.org/", "tls": {"ca": "nobody"}}, "tls.ca"),
    ]
    api.put("/v1/secrets/there", {"value": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"})
    for body, field in cases:
        api.refused("PUT", "/v1/endpoints/x", body, code="invalid_field", field=field)
        api.refused("POST", "/v1/endpoints", body, code="invalid_field", field=field)
    api.put("/v1/endpoints/y", {"url": "https://y.example.org/", "sign": {"secret": "store:there"}})
    before = api.get("/v1/endpoints/y")
    for body, field in (({"sign": {"secret": "nobody"}}, "sign.secret"), ({"headers": {"a": {"secret": "nobody"}}}, "headers.a"), ({"auth": {"kind": "basic", "secret": "there/too"}}, "auth.secret")):
        api.refused("PATCH", "/v1/endpoints/y", body, code="invalid_field", field=field)
    equal(api.get("/v1/endpoints/y"), before, "changed by a refusal")
    api.delete("/v1/secrets/there")
    api.patch("/v1/endpoints/y", {"timeout_ms": 9000})  # what it does not speak of may be missing
    api.delete("/v1/endpoints/y")
    api.refused("PUT", "/v1/endpoints/x", {"url": "https://x.example.org/", "urll": 1}, code="unknown_field", field="urll")
    api.refused("PUT", "/v1/endpoints/" + "x" * 256, {"url": "https://x.example.org/"}, code="invalid_field", field="endpoint")
    api.refused("GET", "/v1/endpoints/x", status=404, code="endpoint_not_found")
    for body, field in (({}, "type"), ({"type": "a/b"}, "type"), ({"type": "x" * 256}, "type"), ({"type": "endpoint.disabled"}, "type"),
                        ({"type": "a", "channels": ["c"] * 6}, "channels[5]"), ({"type": "a", "entity": ""}, "entity"), ({"type": "a", "metadata": 1}, "metadata")):
        api.refused("POST", "/v1/messages", body, code="invalid_field", field=field)
    api.refused("POST", "/v1/messages", raw=b'{"type":"a","payload":"\xff"}', status=400, code="malformed_json")
    api.refused("POST", "/v1/messages", {"messages": []}, code="invalid_field", field="messages")
    api.refused("GET", "/v1/messages/msg_nope", status=404, code="message_not_found")
    api.refused("GET", "/v1/messages/msg_0000000000001", status=404, code="message_not_found")
    equal(api.get("/v1/messages")["messages"], [], "messages")


@story
def content_is_forgotten_on_request(ruche):
    """Payload and metadata go, of the delivery too; that it was sent stays."""
    api = ruche.api
    api.put("/v1/endpoints/crm", CRM)
    api.post("/v1/endpoints/crm/pause")
    sent = api.post("/v1/messages", {"type": "fiche.made", "entity": "e", "metadata": {"who": "canary"}, "payload": {"name": "canary"}}, status=201)
    api.call("DELETE", f"/v1/messages/{sent['id']}/content", status=204)
    kept = api.get(f"/v1/messages/{sent['id']}?payload")
    equal((kept["payload"], kept["metadata"], kept["expunged"], kept["entity"], kept["deliveries"]), (None, None, True, "e", 1), "what is left")
    uid = deliveries(api, "crm")[0]["uid"]
    equal(api.get(f"/v1/jobs/{uid}?payload")["payload"], None, "the delivery's payload")
    api.call("DELETE", f"/v1/messages/{sent['id']}/content", status=204)
    api.refused("DELETE", "/v1/messages/msg_0000000000001/content", status=404, code="message_not_found")


@story
def a_limited_token_has_the_queue_webhooks_or_not(ruche):
    """Endpoints and messages belong to the queue `webhooks` of their namespace."""
    api = ruche.api
    mine = api.again(api.post("/v1/tokens", {"name": "mine", "scopes": ["enqueue", "read", "operate"], "queues": ["webhooks"]})["token"])
    other = api.again(api.post("/v1/tokens", {"name": "other", "scopes": ["enqueue", "read", "operate"], "queues": ["mail"]})["token"])
    mine.put("/v1/endpoints/crm", CRM)
    mine.post("/v1/endpoints/crm/pause")
    sent = mine.post("/v1/messages", {"type": "fiche.made"}, status=201)
    equal(mine.get(f"/v1/messages/{sent['id']}")["deliveries"], 1, "seen")
    other.refused("GET", f"/v1/messages/{sent['id']}", status=404, code="message_not_found")
    for method, path, body in (("GET", "/v1/messages", None), ("GET", "/v1/endpoints", None), ("GET", "/v1/endpoints/crm", None),
                               ("PUT", "/v1/endpoints/crm", CRM), ("POST", "/v1/messages", {"type": "a"}), ("DELETE", "/v1/endpoints/crm", None)):
        other.refused(method, path, body, status=403, code="forbidden")


run()

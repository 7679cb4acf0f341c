"""Formats that are jq programs: stored when they compile, run for each attempt, bounded so that one costs nobody else anything."""

import json
import os

from harness import House, check, equal, run, story, until

COMMUNS = os.path.join(os.path.dirname(__file__), "..", "..", "examples", "formats", "communs.jq")
SHEET = {"id": 7, "titre": "Pistes cyclables", "restreint": False, "collectivite": {"id": 3, "type": "commune", "communeCode": "38185"}}


class Webhooks(House):
    """A third party that takes everything, and formats for it."""

    def format(self, name, program, **more):
        return self.api.put(f"/v1/formats/{name}", {"program": program, **more})

    def endpoint(self, name, **settings):
        retry = {"kind": "fixed", "delay_ms": 5, "max_attempts": 2, "jitter": "none"}
        self.api.put(f"/v1/endpoints/{name}", {"url": f"http://127.0.0.1:{self.third.port}/{name}", "types": ["*"], "retry": retry, "sign": {"kind": "none"}, **settings})

    def send(self, payload, **message):
        """Sends; answers the message's deliveries by endpoint, ended."""
        sent = self.api.post("/v1/messages", {"type": "fiche.updated", "payload": payload, **message}, status=201)
        jobs = [job for job in self.api.get("/v1/jobs?queue=webhooks&limit=500")["jobs"] if job["delivery"]["message"] == sent["id"]]
        return {job["delivery"]["endpoint"]: self.api.wait(job["uid"]) for job in jobs}

    def bodies(self, name):
        return [received.body for received in self.third.received if received.path == f"/{name}"]


@story
def sheets_are_mapped_or_filtered():
    """The first user's third party: a restricted sheet is not sent, another one arrives mapped; also after a restart and by a newer program."""
    with Webhooks() as house, open(COMMUNS, encoding="utf-8") as file:
        house.format("communs", file.read(), description="actions")
        house.endpoint("communs", format="communs")
        job = house.send({**SHEET, "restreint": True})["communs"]
        equal((job["state"], job["outcome"], job["attempts_made"]), ("completed", "filtered", 1), "a restricted sheet")
        equal(house.api.get(f"/v1/jobs/{job['uid']}/result"), {"reason": "nothing"}, "why")
        equal(house.send(SHEET)["communs"]["state"], "completed", "another one")
        [body] = house.bodies("communs")
        mapped = json.loads(body)
        equal((mapped["nom"], mapped["externalId"], mapped["collectivites"]), ("Pistes cyclables", "7", [{"type": "Commune", "code": "38185", "collectiviteId": 3}]), "what arrived")
        house.ruche.restart()
        house.send({**SHEET, "titre": "Encore"})
        equal(json.loads(house.bodies("communs")[1])["nom"], "Encore", "after a restart")
        house.format("communs", "{message: .message.type, endpoint: .endpoint.name, attempt, external_id, payload: .payload.id}")
        house.send(SHEET)
        equal(json.loads(house.bodies("communs")[2]), {"message": "fiche.updated", "endpoint": "communs", "attempt": 1, "external_id": None, "payload": 7}, "by a newer program")


@story
def a_program_costs_only_its_own():
    """Endless, failing and many-valued programs fail their own deliveries by class format, in jq's words; others arrive meanwhile."""
    with Webhooks() as house:
        house.format("endless", "def f: f; f")
        house.format("failing", 'error("no title")')
        house.format("many", "1, 2")
        house.format("text", '"a=" + (.payload.n | tostring)')
        for name in ("endless", "failing", "many"):
            house.endpoint(name, format=name, retry={"kind": "fixed", "delay_ms": 5, "max_attempts": 1, "jitter": "none"})
        house.endpoint("text", format="text", content_type="text/plain")
        house.endpoint("json", format="text")
        jobs = house.send({"n": 1})
        equal({name: job["state"] for name, job in jobs.items()}, {"endless": "failed", "failing": "failed", "many": "failed", "text": "completed", "json": "completed"}, "deliveries")
        equal((house.bodies("text"), house.bodies("json")), ([b"a=1"], [b'"a=1"']), "a text, and as JSON")
        for name, words in (("endless", "was stopped"), ("failing", "no title"), ("many", "first(")):
            [attempt] = house.api.get(f"/v1/jobs/{jobs[name]['uid']}/attempts")["attempts"]
            equal(attempt["error"]["class"], "format", f"the class of {name}")
            check(words in attempt["error"]["message"], f"{name}: {words!r} is not said")
        equal({received.path for received in house.third.received}, {"/text", "/json"}, "who was called")


@story
def what_is_there_no_more_is_retracted():
    """A program that says nothing about what was told before: the retract call."""
    with Webhooks() as house:
        house.format("open", "if .payload.hidden then empty else .payload end")
        house.endpoint("open", format="open", retract={"method": "DELETE", "url": f"http://127.0.0.1:{house.third.port}/open"})
        equal(house.send({"hidden": True}, entity="f")["open"]["outcome"], "filtered", "never told")
        house.send({"hidden": False}, entity="f")
        job = house.send({"hidden": True}, entity="f")["open"]
        equal(house.api.get(f"/v1/jobs/{job['uid']}/result"), {"status": 200, "retracted": True}, "told before")
        equal([received.method for received in house.third.received], ["POST", "DELETE"], "calls")


@story
def stopped_while_a_program_runs():
    """A daemon that is stopped or asked to cancel does not wait for a program; the delivery costs no attempt."""
    with Webhooks(arguments=("--formats-cpu-ms", "60s")) as house:
        house.format("endless", "def f: f; f")
        house.endpoint("endless", format="endless")
        for end in ("cancel", "stop"):
            house.api.post("/v1/messages", {"type": "fiche.updated", "payload": {}}, status=201)
            uid = until(lambda: [job["uid"] for job in house.api.get("/v1/jobs?queue=webhooks&state=active")["jobs"]], "one ran")[0]
            if end == "cancel":
                house.api.post(f"/v1/jobs/{uid}/cancel", {})
                equal(house.api.wait(uid)["state"], "cancelled", "cancelled")
        house.ruche.stop()
        equal(house.third.received, [], "calls")


@story
def formats_are_kept(ruche):
    """Put, looked at, listed, deleted; refused with jq's message when it does not compile, and kept while an endpoint uses it."""
    api = ruche.api
    made = api.put("/v1/formats/wide", {"program": ".payload", "description": "all of it"})
    equal((made["name"], made["namespace"], made["program"], made["description"]), ("wide", "default", ".payload", "all of it"), "made")
    equal(api.get("/v1/formats/wide"), {**made, "named_by": [], "named_by_count": 0}, "looked at")
    problem = api.refused("PUT", "/v1/formats/wide", {"program": "{"}, status=422, field="program")
    check("syntax error" in problem["detail"], problem["detail"])
    api.refused("PUT", "/v1/formats/wide", {}, status=422, field="program")
    api.refused("PUT", "/v1/formats/raw", {"program": "."}, status=422, field="format")
    equal([one["program"] for one in api.get("/v1/formats")["formats"]], [".payload"], "the list")
    target = {"url": "https://x.example/", "types": ["*"], "format": "wide"}
    api.refused("PUT", "/v1/endpoints/other", {**target, "format": "narrow"}, status=422, field="format")
    api.put("/v1/endpoints/crm", target)
    problem = api.refused("DELETE", "/v1/formats/wide", status=409, code="conflict")
    check("'crm'" in problem["detail"], problem["detail"])
    equal([(one["named_by"], one["named_by_count"]) for one in (api.get("/v1/formats/wide"), *api.get("/v1/formats")["formats"])], [([{"kind": "endpoint", "name": "crm"}], 1)] * 2, "who uses it")
    api.patch("/v1/endpoints/crm", {"format": "raw"})
    api.call("DELETE", "/v1/formats/wide", status=204)
    api.refused("GET", "/v1/formats/wide", status=404, code="format_not_found")


if __name__ == "__main__":
    run()

"""The demo's second part: one message and three third parties, one that is well, one that is down twice, one whose format has nothing to send. The receiver
verifies each signature by itself, as a third party would. Standard library only."""

import base64
import hashlib
import hmac
import http.server
import json
import threading

SCRIPTS = {"/crm": [200], "/archive": [503, 503, 200], "/communs": [200]}


class Parties:
    """All three behind one port. `calls`: (path, webhook-id, status, whether the signature is good, payload) of each call."""

    def __init__(self, tell):
        self.tell, self.secrets, self.calls = tell, {}, []
        parties = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # noqa: N802 the library's name
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = parties.take(self.path, self.headers, body)
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def take(self, path, headers, body):
        script = SCRIPTS[path]
        status = script[min(len(self.of(path)), len(script) - 1)]
        good = self.is_signed(path[1:], headers, body)
        self.calls.append((path, headers["webhook-id"], status, good, json.loads(body)["data"]))
        self.tell(f"{path[1:]} gets {headers['webhook-id']} and answers {status}; the signature is {'good' if good else 'BAD'}")
        return status

    def of(self, path):
        return [call for call in self.calls if call[0] == path]

    def is_signed(self, name, headers, body):
        """Standard Webhooks: HMAC-SHA256 over "id.timestamp.body"."""
        key = base64.b64decode(self.secrets[name].removeprefix("whsec_"))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        ours = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        return any(hmac.compare_digest(ours, given) for given in headers["webhook-signature"].split(" "))

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def put_endpoints(demo, parties, program):
    """The daemon tells each endpoint's signing secret once, when it is made; the third party is given it."""
    demo.call("PUT", "/v1/formats/communs", {"program": program})
    for name, more in (("crm", ()), ("archive", ()), ("communs", ("format=communs",))):
        words = ("endpoints", "set", name, f"url=http://127.0.0.1:{parties.port}/{name}", 'types=["fiche.*"]', "retry.kind=fixed", "retry.delay_ms=400", "retry.jitter=none",
                 *more, "--json")
        parties.secrets[name] = json.loads(demo.command(*words))["signing_secret"]


def run(demo, sheet_path, program_path):
    """(the message's id, its deliveries by endpoint, the third parties, closed)"""
    with open(program_path, encoding="utf-8") as file:
        program = file.read()
    parties = Parties(demo.say)
    try:
        demo.did("three third parties listen: crm is well, archive answers 503 twice, communs takes only sheets of communes (a jq format says so)")
        put_endpoints(demo, parties, program)
        demo.say(demo.command("send", "fiche.enregistree", "@" + sheet_path, "--entity", "FA-2026-0417"))
        jobs = demo.until("the end of the deliveries", lambda: ended(demo))
        return {job["delivery"]["endpoint"]: job for job in jobs}, parties
    finally:
        parties.close()


def ended(demo):
    jobs = demo.call("GET", "/v1/jobs?queue=webhooks&limit=10")["jobs"]
    return len(jobs) == 3 and all(job["finished_at"] for job in jobs) and jobs


def verdict(deliveries, parties, sheet, expect):
    crm, archive, communs = (deliveries[name] for name in ("crm", "archive", "communs"))
    expect("crm has it at once", (crm["state"], len(parties.of("/crm"))) == ("completed", 1), (crm["state"], parties.of("/crm")))
    expect("archive has it after two failures", (archive["state"], archive["attempts_made"], len(parties.of("/archive"))) == ("completed", 3, 3), archive)
    expect("communs was not called: its delivery is filtered", (communs["outcome"], parties.of("/communs")) == ("filtered", []), communs)
    expect("all four calls had the message's id", {identity for _, identity, *_ in parties.calls} == {crm["delivery"]["message"]}, parties.calls)
    expect("all four signatures are good", all(good for _, _, _, good, _ in parties.calls), parties.calls)
    expect("all four with the sheet in them", all(data == sheet for *_, data in parties.calls), "other data")

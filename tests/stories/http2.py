"""HTTPS targets: HTTP/2 where the other side offers it, several deliveries on one connection, and what becomes of each when a stream
or the whole connection ends early. The other side is a real HTTP/2 server (python3-h2) on loopback, behind real TLS."""

import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions

from harness import DEADLINE_S, Daemon, check, equal, held_port, run, story

QUICK = {"kind": "fixed", "delay_ms": 5, "max_attempts": 5, "jitter": "none"}
ERROR = h2.errors.ErrorCodes


class Certificates:
    """Self-signed ones: `trusted` is what the daemon is told to trust; it holds all but the stranger's."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="ruche-tls-", dir="/var/tmp")
        self.good = self.make("good", "IP:127.0.0.1")
        self.other = self.make("other", "DNS:other.example")
        self.stranger = self.make("stranger", "IP:127.0.0.1")
        self.trusted = os.path.join(self.directory, "trusted.pem")
        with open(self.trusted, "w") as trusted:
            for certificate, _ in (self.good, self.other):
                with open(certificate) as text:
                    trusted.write(text.read())

    def make(self, name, alternative):
        paths = tuple(os.path.join(self.directory, f"{name}.{kind}.pem") for kind in ("certificate", "key"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                        "-addext", f"subjectAltName={alternative}", "-out", paths[0], "-keyout", paths[1]], check=True, capture_output=True)
        return paths

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.directory, ignore_errors=True)


class Request:
    def __init__(self, connection, stream, headers):
        self.connection, self.stream, self.headers, self.body = connection, stream, dict(headers), b""


class Party:
    """A third party that speaks HTTP/2 alone, unless told otherwise. Each request, once it is whole, is given to `answer(request)` in the order
    in which they came; without one it is answered 200. `hold`: nobody is answered before so many have come."""

    def __init__(self, certificate, answer=None, hold=0, protocols=("h2",)):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.context.set_alpn_protocols(list(protocols))
        self.answer, self.hold = answer or (lambda request: reply(request)), hold
        self.counts = lambda request: True  # among those that are waited for
        self.requests, self.connections, self.spoken, self.failed_handshakes, self.told_errors = [], [], [], 0, []
        self.changed = threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", held_port()), backlog=128)
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}/hook"
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        for connection in self.connections:
            connection.shut()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        try:
            client.settimeout(DEADLINE_S)
            client = self.context.wrap_socket(client, server_side=True)
        except (ssl.SSLError, OSError):
            with self.changed:
                self.failed_handshakes += 1
                self.changed.notify_all()
            client.close()
            return
        with self.changed:
            self.spoken.append(client.selected_alpn_protocol())
        if client.selected_alpn_protocol() == "h2":
            Connection(self, client).run()
        else:
            self.speak_one(client)

    def speak_one(self, client):
        """HTTP/1.1: one request, one answer."""
        with client, client.makefile("rb") as stream:
            length = 0
            for line in iter(stream.readline, b"\r\n"):
                name, _, value = line.decode("latin-1").partition(":")
                length = int(value) if name.lower() == "content-length" else length
            self.take(Request(None, 0, {}), stream.read(length))
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    def take(self, request, body):
        request.body = body
        with self.changed:
            self.requests.append(request)
            self.changed.notify_all()

    def due(self):
        """Those to be answered now."""
        with self.changed:
            return [] if sum(map(self.counts, self.requests)) < self.hold else [request for request in self.requests if request.connection and not request.connection.answered(request)]

    def wait(self, condition):
        with self.changed:
            check(self.changed.wait_for(lambda: condition(self), DEADLINE_S), "what the story waited for did not come")


class Connection:
    """One client's connection: reads until it ends. Whoever makes the last request that was held for answers all, on any connection."""

    def __init__(self, party, client):
        self.party, self.client = party, client
        self.http = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
        self.lock = threading.RLock()
        self.open, self.done, self.windows = {}, set(), {}
        with party.changed:
            party.connections.append(self)

    def answered(self, request):
        return request.stream in self.done

    def flush(self):
        with self.lock:
            self.client.sendall(self.http.data_to_send())

    def shut(self):
        try:
            self.client.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.client.close()

    def run(self):
        try:
            self.http.initiate_connection()
            self.flush()
            while True:
                data = self.client.recv(65536)
                if not data:
                    return
                with self.lock:
                    for event in self.http.receive_data(data):
                        self.on(event)
                    self.flush()
                for request in self.party.due():
                    with request.connection.lock:
                        if not request.connection.answered(request):
                            request.connection.done.add(request.stream)
                            self.party.answer(request)
                            request.connection.flush()
        except (OSError, ssl.SSLError, h2.exceptions.ProtocolError):
            pass
        finally:
            self.shut()

    def on(self, event):
        if isinstance(event, h2.events.RequestReceived):
            self.open[event.stream_id] = Request(self, event.stream_id, event.headers)
        elif isinstance(event, h2.events.DataReceived):
            self.open[event.stream_id].body += event.data
            if event.flow_controlled_length:
                self.http.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamEnded):
            request = self.open.pop(event.stream_id)
            self.party.take(request, request.body)
        elif isinstance(event, h2.events.StreamReset):
            with self.party.changed:
                self.party.told_errors.append(event.error_code)
                self.party.changed.notify_all()


# ---- answers ----


def reply(request, status=200, body=b'{"ok":true}'):
    http = request.connection.http
    http.send_headers(request.stream, [(":status", str(status)), ("content-type", "application/json"), ("content-length", str(len(body)))])
    for at in range(0, len(body), 16384):
        http.send_data(request.stream, body[at:at + 16384])
    http.end_stream(request.stream)


def reset(code):
    return lambda request: request.connection.http.reset_stream(request.stream, code)


def goaway(request, last, code=ERROR.NO_ERROR, then=None):
    """GOAWAY: what lies above `last` was not worked on. python3-h2 refuses to speak on after it, so that an answer must come before."""
    if then:
        then(request)
    request.connection.http.close_connection(error_code=code, last_stream_id=last)


def scripted(*steps):
    """Each request takes the next step; the last one repeats."""
    left = list(steps)
    return lambda request: (left.pop(0) if len(left) > 1 else left[0])(request)


# ---- stories ----


def daemon(certificates, *more):
    return Daemon("--deliver-allow", "127.0.0.0/8", "--deliver-ca-file", certificates.trusted, *more)


def target(api, queue, party, **settings):
    timeout_ms = settings.pop("timeout_ms", 60000)
    api.put(f"/v1/queues/{queue}", {"target": "http", "http": {"url": party.url, "timeout_ms": timeout_ms}, "retry": QUICK, **settings})


def attempts(api, uid):
    """(class, status) of each."""
    return [(attempt["exchange"]["class"], attempt["exchange"].get("status") or None) for attempt in api.get(f"/v1/jobs/{uid}/attempts")["attempts"]]


def deliver(api, queue, payload=None):
    uid = api.enqueue(queue, payload)["uid"]
    job = api.wait(uid)
    return job, attempts(api, uid)


@story
def what_is_offered_is_spoken():
    """ALPN: h2 where the other side has it, HTTP/1.1 where it has only that; method, headers and body arrive whole."""
    with Certificates() as certificates, daemon(certificates) as ruche, Party(certificates.good) as two, \
            Party(certificates.good, protocols=("http/1.1",)) as one, Party(certificates.good, protocols=("http/1.1", "h2")) as both:
        for name, party, spoken in (("two", two, "h2"), ("one", one, "http/1.1"), ("both", both, "http/1.1")):
            target(ruche.api, name, party)
            job, tried = deliver(ruche.api, name, {"é": name})
            equal((job["state"], tried), ("completed", [("ok", 200)]), f"state and attempts ({name})")
            equal(party.spoken, [spoken], f"protocol ({name})")
            equal(json.loads(party.requests[0].body), {"é": name}, f"body ({name})")
        headers = two.requests[0].headers
        equal((headers[":method"], headers[":scheme"], headers[":path"]), ("POST", "https", "/hook"), "method, scheme, path")
        equal((headers["ruche-queue"], headers["ruche-attempt"], headers["content-type"]), ("two", "1", "application/json"), "headers")
        check(not {"connection", "transfer-encoding", "expect", "upgrade"} & set(headers), f"headers of HTTP/1.1: {headers}")


@story
def several_share_a_connection():
    """Once the connection is there, twenty deliveries at once go over it, and are answered from the last to the first."""
    with Certificates() as certificates, daemon(certificates) as ruche, Party(certificates.good) as party:
        target(ruche.api, "many", party)
        equal(deliver(ruche.api, "many")[0]["state"], "completed", "the first")
        with party.changed:
            party.hold, waiting = 21, []
        def backwards(request):
            waiting.append(request)
            if len(waiting) == 20:
                for one in reversed(waiting):
                    reply(one)
        party.answer = backwards
        uids = [result["uid"] for result in ruche.api.post("/v1/jobs", {"jobs": [{"queue": "many", "payload": n} for n in range(20)]})["results"]]
        for uid in uids:
            equal(ruche.api.wait(uid)["state"], "completed", "state")
            equal(ruche.api.get(f"/v1/jobs/{uid}/attempts")["attempts"][0]["exchange"]["reused"], True, "over a connection that was open")
        equal((len(party.connections), len(party.requests)), (1, 21), "connections and requests")
        equal(sorted(int(request.body) for request in party.requests[1:]), list(range(20)), "bodies")


@story
def ten_megabytes_over_http2():
    """Large payloads pass through the other side's flow control, byte for byte, two at once."""
    with Certificates() as certificates, daemon(certificates, "--http-body-bytes", "32MiB") as ruche, Party(certificates.good) as party:
        target(ruche.api, "big", party)
        deliver(ruche.api, "big")
        payloads = [b'"' + digit * 10_000_000 + b'"' for digit in (b"1", b"2")]
        uids = [ruche.api.post("/v1/jobs", raw=b'{"queue":"big","payload":' + payload + b"}")["uid"] for payload in payloads]
        for uid in uids:
            equal(ruche.api.wait(uid)["state"], "completed", "state")
        check(sorted(request.body for request in party.requests[1:]) == payloads, "the delivered bytes differ")


@story
def a_stream_that_is_reset_is_tried_again():
    """RST_STREAM is a failed attempt of one job; its neighbours on the connection are not touched."""
    with Certificates() as certificates, daemon(certificates) as ruche, Party(certificates.good) as party:
        target(ruche.api, "reset", party)
        deliver(ruche.api, "reset")
        for code in (ERROR.INTERNAL_ERROR, ERROR.CANCEL, ERROR.ENHANCE_YOUR_CALM):
            party.answer = scripted(reset(code), reply)
            job, tried = deliver(ruche.api, "reset")
            equal((job["state"], tried), ("completed", [("reset", None), ("ok", 200)]), f"after {code!r}")
        def half(request):
            request.connection.http.send_headers(request.stream, [(":status", "200"), ("content-length", "50")])
            request.connection.http.send_data(request.stream, b"half")
            request.connection.http.reset_stream(request.stream, ERROR.INTERNAL_ERROR)
        party.answer = scripted(half, reply)
        job, tried = deliver(ruche.api, "reset")
        equal((job["state"], [one for one, _ in tried]), ("completed", ["reset", "ok"]), "after half an answer")

        neighbours = []
        def one_of_three(request):
            neighbours.append(request)
            if len(neighbours) == 3:
                reset(ERROR.INTERNAL_ERROR)(neighbours[0])
                reply(neighbours[1])
                reply(neighbours[2])
            elif len(neighbours) > 3:
                reply(request)
        party.answer = one_of_three
        uids = [result["uid"] for result in ruche.api.post("/v1/jobs", {"jobs": [{"queue": "reset", "payload": n} for n in range(3)]})["results"]]
        for uid in uids:
            equal(ruche.api.wait(uid)["state"], "completed", "state")
        equal(sorted(len(attempts(ruche.api, uid)) for uid in uids), [1, 1, 2], "attempts of the three")


@story
def a_refused_stream_was_not_worked_on():
    """REFUSED_STREAM says that nothing was done: the job ends well, and what the third party took was taken once."""
    with Certificates() as certificates, daemon(certificates) as ruche, Party(certificates.good, scripted(reset(ERROR.REFUSED_STREAM), reply)) as party:
        target(ruche.api, "refused", party)
        job, tried = deliver(ruche.api, "refused", 1)
        equal((job["state"], tried[-1]), ("completed", ("ok", 200)), "state and last attempt")
        equal(len(party.requests), 2, "requests")


@story
def a_connection_that_goes_away():
    """GOAWAY after an answer: the answer counts, and the next delivery makes a connection. GOAWAY instead of one, a connection
    that breaks: the job is tried again."""
    with Certificates() as certificates, daemon(certificates) as ruche, Party(certificates.good) as party:
        target(ruche.api, "away", party)
        party.answer = scripted(lambda request: goaway(request, request.stream, then=reply), reply)
        equal(deliver(ruche.api, "away")[1], [("ok", 200)], "answered before it went")
        equal(deliver(ruche.api, "away")[1], [("ok", 200)], "the next one")
        equal(len(party.connections), 2, "connections")
        for code in (ERROR.NO_ERROR, ERROR.INTERNAL_ERROR):
            party.answer = scripted(lambda request: goaway(request, 0, code), reply)
            job, tried = deliver(ruche.api, "away")
            equal((job["state"], tried[-1]), ("completed", ("ok", 200)), f"state and last attempt after GOAWAY {code!r}")
            check(len(tried) <= 2, f"attempts after GOAWAY {code!r}: {tried}")
        def away_without_an_answer(request):  # it was worked on, and yet not answered
            goaway(request, request.stream)
            request.connection.flush()
            request.connection.shut()
        for what in (away_without_an_answer, lambda request: request.connection.shut()):
            party.answer = scripted(what, reply)
            job, tried = deliver(ruche.api, "away")
            equal((job["state"], tried), ("completed", [("reset", None), ("ok", 200)]), "after a connection that broke")


@story
def one_stream_harms_no_other():
    """On one connection: an answer that never comes, one that does not end and many long ones, all under way at once, each end as they
    should, and one that comes last is heard."""
    with Certificates() as certificates, daemon(certificates) as ruche, Party(certificates.good) as party:
        for name, timeout_ms in (("silent", 300), ("endless", 20000), ("long", 20000), ("well", 60000)):
            target(ruche.api, name, party, timeout_ms=timeout_ms, retry={"max_attempts": 1})
        deliver(ruche.api, "well")
        last = []
        def by_queue(request):
            name = request.headers["ruche-queue"]
            if name == "well":
                last.append(request)
            elif name == "long":
                reply(request, body=b'"' + b"y" * 60000 + b'"')
            elif name == "endless":  # it does not end, and is longer than what is kept
                request.connection.http.send_headers(request.stream, [(":status", "200")])
                for _ in range(5):
                    request.connection.http.send_data(request.stream, b"x" * 16000)
        party.answer, party.hold, party.counts = by_queue, 1 + 11, lambda request: request.headers["ruche-queue"] != "silent"  # it may have had its time by then
        queues = ["well", "silent", "endless", "endless"] + ["long"] * 8
        uids = [result["uid"] for result in ruche.api.post("/v1/jobs", {"jobs": [{"queue": queue} for queue in queues]})["results"]]
        expected = {"well": "ok", "silent": "timeout", "endless": "ok", "long": "ok"}
        for queue, uid in list(zip(queues, uids))[1:]:
            ruche.api.wait(uid)
            equal([code for code, _ in attempts(ruche.api, uid)], [expected[queue]], f"class ({queue})")
        for queue, uid in zip(queues, uids):
            if queue == "long":
                equal(len(ruche.api.job(uid)["result"]["body"]), 60000, "the long answer's length")
        with last[0].connection.lock:
            reply(last[0])
            last[0].connection.flush()
        equal(ruche.api.wait(uids[0])["state"], "completed", "state of the last one")
        equal(len(party.connections), 1, "connections")


@story
def long_answers_beside_silence():
    """While others wait on the same connection for answers that do not come, long ones are read to their ends: what curl has taken from the
    socket and put aside is not left lying until some timer."""
    with Certificates() as certificates, daemon(certificates, "--deliver-connect-ms", "60s") as ruche, Party(certificates.good) as party:
        for name, timeout_ms in (("silent", 300000), ("long", 20000)):
            target(ruche.api, name, party, timeout_ms=timeout_ms, retry={"max_attempts": 1})
        deliver(ruche.api, "long")
        body = b'"' + b"y" * 60000 + b'"'
        party.answer = lambda request: reply(request, body=body) if request.headers["ruche-queue"] == "long" else None
        for number in range(2, 4):
            ruche.api.enqueue("silent")
            party.wait(lambda party: len(party.requests) == number)
        for _ in range(12):
            job, tried = deliver(ruche.api, "long")
            equal(tried, [("ok", 200)], "attempts")
            equal(len(job["result"]["body"]), 60000, "length of the answer")
        equal(len(party.connections), 1, "connections")


@story
def a_busy_connection_does_not_outlive_its_permission():
    """A stream without an end keeps a connection in use. Once its address is forbidden, no call joins it, also when connections are used again."""
    with Certificates() as certificates, Party(certificates.good) as party:
        file = os.path.join(certificates.directory, "conf")
        party.answer = lambda request: reply(request) if request.headers["ruche-queue"] == "quick" else None
        with open(file, "w") as conf:
            conf.write('[deliver]\nallow = "127.0.0.0/8"\n')
        with Daemon("--config", file, "--deliver-ca-file", certificates.trusted) as ruche:
            target(ruche.api, "endless", party, timeout_ms=300000)
            target(ruche.api, "quick", party)
            ruche.api.enqueue("endless")
            party.wait(lambda party: len(party.requests) == 1)
            equal(deliver(ruche.api, "quick")[1], [("ok", 200)], "attempts on the connection that is there")
            with open(file, "w") as conf:
                conf.write("[deliver]\n")
            ruche.process.send_signal(signal.SIGHUP)
            while "reload.done" not in ruche.log():
                ruche.api.get("/v1/queues")
            until_s = time.monotonic() + 3  # curl counts a connection's life in whole seconds
            while time.monotonic() < until_s:
                equal(deliver(ruche.api, "quick")[1], [("guarded", None)], "attempts after the reload")
            equal((len(party.connections), len(party.requests)), (1, 2), "connections and requests")


@story
def tls_is_verified():
    """A certificate of a stranger or for another name: class tls, tried again as the queue says, and not one request gets through."""
    with Certificates() as certificates, daemon(certificates) as ruche, Party(certificates.stranger) as stranger, Party(certificates.other) as other:
        for name, party, words in (("stranger", stranger, "self-signed certificate"), ("other", other, "127.0.0.1")):
            target(ruche.api, name, party, retry={"kind": "fixed", "delay_ms": 5, "max_attempts": 2, "jitter": "none"})
            job, tried = deliver(ruche.api, name, {"secret": 1})
            equal((job["state"], tried), ("failed", [("tls", None)] * 2), f"state and attempts ({name})")
            check(words in job["error"]["message"], f"the error does not say {words!r}: {job['error']}")
            equal(party.requests, [], "requests that got through")


if __name__ == "__main__":
    run()

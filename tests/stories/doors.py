"""The HTTP server of the real daemon: what could be read in two ways, comes too slowly, is too large or too much is turned away as the
configuration says, who may not come in is told so before his body is read; and a daemon that stops lets run what runs. (Every cut of every malformed request: src/http/connection_test.c.)"""

import os
import re
import signal
import socket

from harness import DEADLINE_S, Daemon, check, equal, run, story


class Raw:
    """Bytes out, bytes in, until the other side closes."""

    def __init__(self, ruche, tcp=False):
        self.socket = socket.socket(socket.AF_INET if tcp else socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(DEADLINE_S)
        self.socket.connect(("127.0.0.1", ruche.tcp) if tcp else ruche.socket_path)
        self.auth = f"Host: x\r\nAuthorization: Bearer {ruche.token}\r\nContent-Type: application/json\r\n".encode()

    def send(self, data):
        self.socket.sendall(data)
        return self

    def rest(self):
        """All that comes until the end of the connection."""
        got = b""
        try:
            while data := self.socket.recv(65536):
                got += data
        except ConnectionResetError:
            pass
        self.socket.close()
        return got

    def until(self, mark):
        got = b""
        while mark not in got:
            data = self.socket.recv(65536)
            check(data, f"the connection ended before {mark!r}: {got!r}")
            got += data
        return got


def status(answer):
    check(answer.startswith(b"HTTP/1.1 "), f"no answer: {answer[:200]!r}")
    return int(answer[9:12])


@story
def requests_that_mean_two_things(ruche):
    """The smuggling set: each is refused once, the connection ends, and what was hidden in it is not a request."""
    auth = Raw(ruche).auth
    hidden = b'POST /v1/jobs HTTP/1.1\r\n' + auth + b'Content-Length: 22\r\n\r\n{"queue":"smuggled"}  '
    job = b"POST /v1/jobs HTTP/1.1\r\n" + auth
    table = [
        job + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
        job + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + hidden,
        job + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + hidden,
        job + b"Content-Length: 0, 0\r\n\r\n" + hidden,
        job + b"Content-Length: +0\r\n\r\n" + hidden,
        job + b"Content-Length: 0x0\r\n\r\n" + hidden,
        job + b"Content-Length : 0\r\n\r\n" + hidden,
        job + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + hidden,
        job + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + hidden,
        job + b"Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n" + hidden,
        job + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + hidden,
        job + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
        job + b"X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n" + hidden,
        job + b"X: a\nContent-Length: 0\r\n\r\n" + hidden,
        job + b"X: a\rContent-Length: 0\r\n\r\n" + hidden,
        job + b"Transfer-Encoding: chunked\r\n\r\n0\n\r\n" + hidden,
        job + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff0\r\n" + hidden,
        job + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n" + hidden,
        job + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}x\r\n0\r\n\r\n" + hidden,
        b"POST /v1/jobs HTTP/1.0\r\n" + auth + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden,
        b"POST /v1/jobs HTTP/1.1\r\nHost: y\r\n" + auth + b"Content-Length: 0\r\n\r\n" + hidden,
        b"POST http://x/v1/jobs HTTP/1.1\r\n" + auth + b"Content-Length: 0\r\n\r\n" + hidden,
        b"POST /v1/jobs\x00 HTTP/1.1\r\n" + auth + b"Content-Length: 0\r\n\r\n" + hidden,
        b"POST  /v1/jobs HTTP/1.1\r\n" + auth + b"Content-Length: 0\r\n\r\n" + hidden,
    ]
    for request in table:
        answer = Raw(ruche).send(request).rest()
        equal(re.findall(rb"HTTP/1\.1 (\d+)", answer), [b"400"], f"answers to {request[:300]!r}")
        check(b"application/problem+json" in answer and b"Connection: close" in answer, f"{answer!r}")
    ruche.api.refused("GET", "/v1/queues/smuggled", status=404, code="queue_not_found")


@story
def slow_ones():
    """A head or a body that does not come on, a connection that asks nothing: each has its time, then its answer or its end."""
    with Daemon("--http-header-ms", "200ms", "--http-body-idle-ms", "200ms", "--http-idle-ms", "1s") as ruche:
        head = Raw(ruche).send(b"GET /livez HTTP/1.1\r\nHo")
        body = Raw(ruche)
        body.send(b"POST /v1/jobs HTTP/1.1\r\n" + body.auth + b'Content-Length: 50\r\n\r\n{"queue":"slow",')
        idle, used = Raw(ruche), Raw(ruche).send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        equal(status(used.until(b'{"ok":true}')), 200, "the one that asks")
        equal((status(head.rest()), status(body.rest())), (408, 408), "slow head and slow body")
        equal((idle.rest(), used.rest()), (b"", b""), "what idle ones hear")
        ruche.api.refused("GET", "/v1/queues/slow", status=404, code="queue_not_found")


@story
def large_ones():
    """Heads, addresses and bodies above their limits."""
    with Daemon("--http-header-bytes", "2KiB", "--http-body-bytes", "64KiB") as ruche:
        get = b"GET /livez HTTP/1.1\r\nHost: x\r\n"
        equal(status(Raw(ruche).send(get + b"X: " + b"x" * 4096 + b"\r\n\r\n").rest()), 431, "a large header")
        equal(status(Raw(ruche).send(get + b"X: y\r\n" * 2000 + b"\r\n").rest()), 431, "many headers")
        check(status(Raw(ruche).send(b"GET /" + b"x" * 16000 + b" HTTP/1.1\r\nHost: x\r\n\r\n").rest()) in (414, 431), "a long address")
        post = Raw(ruche)
        equal(status(post.send(b"POST /v1/jobs HTTP/1.1\r\n" + post.auth + b"Content-Length: 65537\r\n\r\n").rest()), 413, "a large body, before it comes")
        post = Raw(ruche)
        chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
        equal(status(post.send(b"POST /v1/jobs HTTP/1.1\r\n" + post.auth + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 2 + b"1\r\n").rest()), 413,
              "a large body in chunks")
        body = b'{"queue":"fits","payload":"' + b"x" * (65536 - 29) + b'"}'
        equal(len(body), 65536, "the largest body that fits")
        ruche.api.post("/v1/jobs", raw=body)


@story
def too_many_of_one_address():
    """A cap for each address: the next one is told so and turned away; who is in goes on, and a place that is left is free again."""
    with Daemon("--http-connections-per-address", "3", tcp=True) as ruche:
        get = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
        inside = [Raw(ruche, tcp=True) for _ in range(3)]
        for one in inside:
            one.send(get).until(b'{"ok":true}')
        answer = Raw(ruche, tcp=True).rest()
        equal(status(answer), 503, "the fourth")
        check(b"This address has as many connections" in answer, f"{answer!r}")
        ruche.api.get("/v1/queues")  # over the Unix socket: no address
        inside[0].send(get).until(b'{"ok":true}')
        inside.pop().socket.close()
        while status(answer) == 503:  # until its leaving was noticed
            again = Raw(ruche, tcp=True)
            try:
                answer = again.send(get + get.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")).rest()
            except OSError:
                pass
            answer = answer or b"HTTP/1.1 503"
        equal(status(answer), 200, "after one left")
        for one in inside:
            one.socket.close()


def gauge(ruche, name):
    text = ruche.api.call("GET", "/metrics").body.decode()
    return int(re.search(rf"^{re.escape(name)} (\d+)$", text, re.M).group(1))


LARGE = b"Content-Length: 67108864\r\n\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@story
def refused_by_their_heads():
    """Who has no token, asks for nothing that is there, or brings more than is taken hears so before he sends a byte of 64 MiB, also where he waits
    for a 100; and two hundred who send on regardless take no room."""
    with Daemon("--http-body-bytes", "64MiB") as ruche:
        api = ruche.api
        api.put("/v1/sources/any", {"verify": {"kind": "none"}, "into": {"message": {"type": "came"}}, "body_bytes": 1000})
        token, nobody = Raw(ruche).auth, b"Host: x\r\n"
        for line, head, wanted in [
            (b"POST /v1/jobs", nobody, 401), (b"POST /v1/nothing", nobody, 404), (b"PUT /v1/jobs", nobody, 405),
            (b"POST /in/nothing", nobody, 404), (b"GET /v1/jobs", nobody, 401),
            (b"POST /v1/jobs", nobody + b"Authorization: Bearer rch_" + b"x" * 43 + b"\r\n", 401),
            (b"POST /v1/jobs", token.replace(b"application/json", b"text/csv"), 415), (b"POST /v1/jobs?nonsense=1", token, 400),
            (b"POST /v1/queues/q/pause", token, 413), (b"PUT /v1/sources/any", token, 413), (b"POST /in/any", nobody, 413),
        ]:
            for rest in (LARGE, b"Expect: 100-continue\r\n" + LARGE) + ((CHUNKED, b"Expect: 100-continue\r\n" + CHUNKED) if wanted in (401, 404, 405) else ()):
                answer = Raw(ruche).send(line + b" HTTP/1.1\r\n" + head + rest).rest()
                equal(re.findall(rb"HTTP/1\.1 (\d+)", answer), [str(wanted).encode()], f"answers to {line + head + rest!r}")
                check(b"application/problem+json" in answer and b"Connection: close" in answer, f"{answer!r}")
        fed = []
        for n in range(200):
            one = Raw(ruche)
            one.send(b"POST /v1/jobs HTTP/1.1\r\n" + nobody + (LARGE if n % 2 else CHUNKED + b"4000000\r\n"))
            one.until(b" 401 ")
            try:
                one.send(b"x" * 200000)
            except (BrokenPipeError, ConnectionResetError):
                pass
            fed.append(one)
        equal(gauge(ruche, 'ruche_http_body_bytes{sender="unknown"}'), 0, "room that nobody's bodies take")
        equal(gauge(ruche, 'ruche_http_body_bytes{sender="known"}'), 0, "room that others take")
        check(gauge(ruche, "ruche_http_refused_early_total") >= 200, "they are counted")
        for one in fed:
            one.socket.close()
        equal(api.enqueue("q")["state"], "waiting", "who has a token")


@story
def bodies_share_a_room():
    """All bodies together have http.body_memory, those of senders without a token half of it; who finds no room is told to come again, and does."""
    with Daemon("--http-body-bytes", "1MiB", "--http-body-memory", "2MiB", "--http-body-idle-ms", "60s") as ruche:
        ruche.api.put("/v1/sources/any", {"verify": {"kind": "none"}, "into": {"message": {"type": "came"}}})
        hook = lambda size: b"POST /in/any HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n" + f"Content-Length: {size}\r\n\r\n".encode()
        stranger, large = Raw(ruche).send(hook(1000000) + b'"'), b'{"queue":"q","payload":"' + b"x" * 1000000 + b'"}'
        while gauge(ruche, 'ruche_http_body_bytes{sender="unknown"}') != 1000000:
            pass
        full = Raw(ruche).send(hook(100000)).rest()
        equal(status(full), 503, "another stranger")
        check(b"Retry-After" in full and b"http.body_memory" in full, f"{full!r}")
        post = Raw(ruche)
        post.send(b"POST /v1/jobs HTTP/1.1\r\n" + post.auth + f"Content-Length: {len(large)}\r\n\r\n".encode() + large[:-1])
        while gauge(ruche, 'ruche_http_body_bytes{sender="known"}') != len(large):
            pass
        equal(status(Raw(ruche).send(b"POST /v1/jobs HTTP/1.1\r\n" + post.auth + b"Content-Length: 200000\r\n\r\n").rest()), 503, "one with a token, too")
        ruche.api.enqueue("q", "small")
        post.send(large[-1:]).until(b" 201 ")
        check(b" 202 " in stranger.send(b"x" * 999998 + b'"').until(b"\r\n\r\n"), "the stranger, whole at last")
        while gauge(ruche, 'ruche_http_body_bytes{sender="unknown"}'):
            pass
        equal(gauge(ruche, 'ruche_http_body_bytes{sender="known"}'), 0, "room taken when all are answered")
        equal(ruche.api.call("POST", "/v1/jobs", raw=large).status, 201, "once there is room")


class Patient(Daemon):
    """It may take longer to stop than others here."""

    def command(self):
        return [word if word != "1s" else "60s" for word in super().command()]


@story
def stopping_lets_run_what_runs():
    """SIGTERM: no new connections; an upload that is under way is taken and answered, a worker that waits is told to go; then the daemon ends,
    and the job is there."""
    with Patient(tcp=True) as ruche:
        ruche.api.patch("/v1/queues/last", {})
        upload, waiting = Raw(ruche), Raw(ruche)
        body, wait = b'{"queue":"last","id":"one","payload":"' + b"x" * 100000 + b'"}', b'{"queues":["nothing"],"wait_ms":60000}'
        waiting.send(b"POST /v1/claims HTTP/1.1\r\n" + waiting.auth + f"Content-Length: {len(wait)}\r\n\r\n".encode() + wait)
        upload.send(b"POST /v1/jobs HTTP/1.1\r\n" + upload.auth + f"Expect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        upload.until(b"100 Continue\r\n\r\n")
        upload.send(body[:50000])
        while ruche.api.get("/v1/queues/nothing", status=(200, 404)).get("waiters") != 1:
            pass
        ruche.api.close()
        ruche.process.send_signal(signal.SIGTERM)
        gone = waiting.rest()
        equal(status(gone), 503, "the waiting worker")
        check(b"stopping" in gone and b"Connection: close" in gone and b"Retry-After" in gone, f"{gone!r}")
        try:
            Raw(ruche, tcp=True).send(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").rest()
            check(False, "a new connection was taken")
        except ConnectionRefusedError:
            pass
        answer = upload.send(body[50000:]).rest()
        equal(status(answer), 201, "the upload")
        check(b"Connection: close" in answer, f"{answer!r}")
        equal(ruche.process.wait(DEADLINE_S), 0, "exit code")
        check(not os.path.exists(ruche.socket_path), "the socket file is left behind")
        ruche.start()
        equal(ruche.api.get("/v1/queues/last/jobs/one")["state"], "waiting", "the job after the restart")


if __name__ == "__main__":
    run()

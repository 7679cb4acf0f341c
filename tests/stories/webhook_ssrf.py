"""Whatever an endpoint's URL, a name, a redirect or an answer says: the daemon calls nobody inside.

Every vector below is put as an endpoint by the API. What that accepts gets a delivery. The traps listen on every address of this machine, IPv4 and IPv6; one
address, 127.0.0.5, is permitted and is a third party (the decoy). A connection to any other address is a trap that sprang."""

import errno
import os
import socket
import tempfile
import threading
import time
from collections import Counter

from harness import DEADLINE_S, Daemon, Receiver, Skip, check, equal, run, story

DECOY = "127.0.0.5"
ONCE = {"kind": "fixed", "delay_ms": 1, "max_attempts": 1, "jitter": "none"}

# `~` is the port of the traps and the decoy.
VECTORS = {
    "loopback, plainly": """
        http://127.0.0.1:~/  http://127.0.0.2:~/  http://127.0.0.53:~/  http://127.0.0.6:~/  http://127.127.127.127:~/  http://127.255.255.254:~/
        http://0.0.0.0:~/  http://localhost:~/  http://LOCALHOST:~/  http://localhost.:~/  http://sub.localhost:~/  http://localhost.localdomain:~/
        https://127.0.0.1:~/  https://localhost:~/  HTTP://127.0.0.1:~/  hTtPs://127.0.0.1:~/""",
    "IPv4 in other clothes": """
        http://127.1:~/  http://127.0.1:~/  http://0:~/  http://0.0:~/  http://00:~/  http://2130706433:~/  http://2130706433.:~/  http://0x7f000001:~/
        http://0x7f000001.:~/  http://0X7F000001:~/  http://0x7F.0x0.0x0.0x1:~/  http://0x7f.1:~/  http://0177.0.0.1:~/  http://0177.1:~/
        http://017700000001:~/  http://00000177.0.0.1:~/  http://127.000.000.001:~/  http://127.0.0.01:~/  http://127.0.0.0x1:~/  http://127.0x0.0.1:~/
        http://127.0.0.1.:~/  http://127.0.0.1..:~/  http://.127.0.0.1:~/  http://127..0.0.1:~/  http://4294967297:~/  http://127.0.0.257:~/  http://383.0.0.1:~/
        http://127.65536:~/  http://127.16777215:~/  http://0x00000000:~/  http://0000.0000.0000.0000:~/  http://127.0.0.1e0:~/  http://0x7f.0.0.1.test:~/
        http://+127.0.0.1:~/  http://-127.0.0.1:~/  http://127,0,0,1:~/  http://(127.0.0.1):~/  http://127.0.0.1;:~/""",
    "letters that look like others": """
        http://127。0。0。1:~/  http://127．0．0．1:~/  http://127｡0｡0｡1:~/  http://１２７.0.0.1:~/  http://①②⑦.⓪.⓪.①:~/  http://127.0.0.¹:~/
        http://ｌｏｃａｌｈｏｓｔ:~/  http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:~/  http://ℓocalhost:~/  http://loca\u200blhost:~/  http://loca\u00adlhost:~/  http://xn--localhost-:~/
        http://%31%32%37.0.0.1:~/  http://127%2e0%2e0%2e1:~/  http://127.0.0.1%00:~/  http://127.0.0.1%00.example:~/  http://127.0.0.1%20:~/
        http://127.0.0.1%2f:~/  http://127.0.0.1%23:~/  http://%6c%6f%63%61%6c%68%6f%73%74:~/  http://localhost%00:~/""",
    "IPv6, and what is inside it": """
        http://[::1]:~/  http://[0:0:0:0:0:0:0:1]:~/  http://[0000:0000:0000:0000:0000:0000:0000:0001]:~/  http://[::0:1]:~/  http://[::]:~/  http://[0::0]:~/
        https://[::1]:~/  http://[::ffff:127.0.0.1]:~/  http://[::FFFF:127.0.0.1]:~/  http://[::ffff:7f00:1]:~/  http://[0:0:0:0:0:ffff:7f00:0001]:~/
        http://[0:0:0:0:0:ffff:127.0.0.1]:~/  http://[::ffff:0.0.0.0]:~/  http://[::ffff:0:127.0.0.1]:~/  http://[::127.0.0.1]:~/  http://[::7f00:1]:~/
        http://[64:ff9b::127.0.0.1]:~/  http://[64:ff9b::7f00:1]:~/  http://[64:ff9b:1::127.0.0.1]:~/  http://[64:ff9b::169.254.169.254]/
        http://[2002:7f00:1::]:~/  http://[2002:7f00:0001::1]:~/  http://[2002:a9fe:a9fe::]/  http://[2002:808:808::1]/  http://[2002:c0a8:101::1]/
        http://[2001:0:7f00:1::80ff:fffe]:~/  http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/  http://[::1%25lo]:~/  http://[::1%251]:~/  http://[::1%lo]:~/
        http://[::ffff:127.0.0.1%25lo]:~/  http://[fe80::1%25lo]:~/  http://[::1:~/  http://::1:~/  http://[[::1]]:~/  http://[v1.::1]:~/  http://[127.0.0.1]:~/
        http://[localhost]:~/  http://[::1].example:~/  http://[]:~/  http://[::ffff:127.1]:~/  http://[::ffff:0177.0.0.1]:~/  http://[::ffff:2130706433]:~/""",
    "ranges that are nobody's to call": """
        http://0.0.0.1/  http://10.0.0.1/  http://10.255.255.255/  http://100.64.0.1/  http://100.100.100.200/latest/meta-data  http://100.127.255.255/
        http://169.254.169.254/latest/meta-data  http://169.254.170.2/v2/credentials  http://169.254.0.1/  http://2852039166/  http://0xa9fea9fe/  http://0251.0376.0251.0376/
        http://172.16.0.1/  http://172.17.0.1/  http://172.31.255.255/  http://192.0.0.1/  http://192.0.0.192/  http://192.0.2.1/  http://192.88.99.1/
        http://192.168.0.1/  http://192.168.255.255/  http://198.18.0.1/  http://198.19.255.255/  http://198.51.100.7/  http://203.0.113.9/  http://224.0.0.1/
        http://239.255.255.255/  http://240.0.0.1/  http://255.255.255.254/  http://255.255.255.255/  http://4294967295/
        http://[fe80::1]/  http://[febf::1]/  http://[fec0::1]/  http://[fc00::1]/  http://[fd00:ec2::254]/latest/meta-data  http://[fd12:3456::1]/  http://[ff01::1]/
        http://[ff02::1]/  http://[2001:db8::1]/  http://[3fff::1]/  http://[100::1]/  http://[5f00::1]/  http://[2001:2::1]/  http://[4000::1]/
        http://[::ffff:10.0.0.1]/  http://[::ffff:169.254.169.254]/  http://[::ffff:a9fe:a9fe]/  http://[::ffff:192.168.1.1]/  http://[::10.0.0.1]/""",
    "who else is named in it": """
        http://user@127.0.0.1:~/  http://user:password@127.0.0.1:~/  http://:@127.0.0.1:~/  http://@127.0.0.1:~/  http://good.test@127.0.0.1:~/
        http://good.test:80@127.0.0.1:~/  http://127.0.0.1:~@127.0.0.1:~/  http://a@b@127.0.0.1:~/  http://good.test%40127.0.0.1:~/
        http://127.0.0.1:~#@good.test/  http://127.0.0.1:~?@good.test/  http://127.0.0.1:~/@good.test/  http://127.0.0.1:~#good.test  http://127.0.0.1:~?good.test
        http:\\\\127.0.0.1:~/  http:/\\127.0.0.1:~/  http://good.test\\@127.0.0.1:~/  http://127.0.0.1:~\\@good.test/  http:/127.0.0.1:~/  http:127.0.0.1:~/
        http:///127.0.0.1:~/  http:////127.0.0.1:~/  //127.0.0.1:~/  127.0.0.1:~/  ://127.0.0.1:~/""",
    "ports and schemes": """
        http://127.0.0.1:+~/  http://127.0.0.1:0~/  http://127.0.0.1:00~/  http://127.0.0.1:0x~/  http://127.0.0.1:~~/  http://127.0.0.1:~:80/  http://127.0.0.1:80:~/
        http://127.0.0.1:/  http://127.0.0.1:0/  http://127.0.0.1:65536/  http://127.0.0.1:-1/  http://127.0.0.1:4294967376/  http://127.0.0.5:0/
        ftp://127.0.0.1:~/  gopher://127.0.0.1:~/_x  dict://127.0.0.1:~/x  file:///etc/passwd  file://127.0.0.1:~/etc/passwd  ws://127.0.0.1:~/  ldap://127.0.0.1:~/
        tftp://127.0.0.1:~/x  smb://127.0.0.1:~/x  telnet://127.0.0.1:~/  mqtt://127.0.0.1:~/x  imap://127.0.0.1:~/  http+unix://%2ftmp%2fx/  unix:/tmp/x
        javascript:alert(1)  data:,x  http  http:  http:/  http://  ?  #""",
    "names that lead inside": """
        http://loop.test:~/  http://LOOP.test:~/  http://loop.test.:~/  https://loop.test:~/  http://loop6.test:~/  http://mapped.test:~/  http://compatible.test:~/
        http://nat64.test:~/  http://sixtofour.test:~/  http://teredo.test:~/  http://both.test:~/  http://any.test:~/  http://lan.test/  http://link.test/
        http://metadata.test/  http://many.test:~/  http://127.0.0.1.test:~/  http://moody.test:~/  http://again.test:~/  http://nobody.test:~/""",
}
SPACED = ["", " http://127.0.0.1:~/", "http://127.0.0.1:~/ ", "http:// 127.0.0.1:~/", "http://127.0.0.1 :~/", "http://127.0.0.1\t:~/", "http://127.0.0.1\r\n:~/", "ht\ttp://127.0.0.1:~/",
          "\thttp://127.0.0.1:~/", "http://127.0.0.1:~/\r\nX-Injected: 1", "http://127.0.0.1:~/ HTTP/1.1\r\nHost: x\r\n\r\nGET /", "http://good.test\r\n@127.0.0.1:~/",
          "http://\x01127.0.0.1:~/", "http://127.0.0.1\x7f:~/", "http://{entity}:~/", "http://127.0.0.{entity}:~/", "http://127.0.0.5{entity}:~/", "http://127.0.0.5:{entity}/",
          "http://127.0.0.5:~{entity}", "{entity}://127.0.0.1:~/", "http://{message}@127.0.0.5:~/"]
NAMES = """
good.test 127.0.0.5
loop.test 127.0.0.1
loop.test. 127.0.0.1
loop6.test ::1
mapped.test ::ffff:127.0.0.1
compatible.test ::127.0.0.1
nat64.test 64:ff9b::127.0.0.1
sixtofour.test 2002:7f00:1::
teredo.test 2001:0:7f00:1::80ff:fffe
both.test ::1,127.0.0.1,127.0.0.2
many.test 10.0.0.1,::1,127.0.0.1,192.168.1.1,fe80::1
any.test 0.0.0.0,::
lan.test 10.0.0.1,192.168.1.1,fc00::1
link.test 169.254.169.254,fe80::1
metadata.test 169.254.169.254,fd00:ec2::254
127.0.0.1.test 127.0.0.1
0x7f.0.0.1.test 127.0.0.1
localhost 127.0.0.1,::1
localhost. 127.0.0.1
sub.localhost 127.0.0.1
localhost.localdomain 127.0.0.1
moody.test 127.0.0.1 127.0.0.5
again.test again 127.0.0.1
"""
REDIRECT_STATUSES = (300, 301, 302, 303, 305, 307, 308)
REDIRECTS = ["http://127.0.0.1:~/", "http://[::1]:~/", "//127.0.0.1:~/", "http://169.254.169.254/latest/meta-data", "http://loop.test:~/", "http://2130706433:~/", "file:///etc/passwd",
             "gopher://127.0.0.1:~/_x", "/\\127.0.0.1:~/", "http://127.0.0.5:~/elsewhere"]
TEXTS = ["@127.0.0.1:~/", "//127.0.0.1:~/", "\\\\127.0.0.1:~/", "../../../127.0.0.1:~/", "http://127.0.0.1:~/", "%0d%0aHost: 127.0.0.1:~", "#@127.0.0.1:~", "?@127.0.0.1:~", ":~@127.0.0.1",
         "%40127.0.0.1", "..%2f..%2f", "&url=http://127.0.0.1:~/", "127.0.0.1", "[::1]"]


class Traps:
    """Listens on every address, on one port. Whoever comes to the decoy's is answered by `respond(path)`; all others are kept as sprung."""

    def __init__(self):
        self.sprung, self.decoyed, self.changed = [], [], threading.Condition()
        self.respond = lambda path: "200 OK\r\n"
        self.four, self.six = self.listen_on_both()
        self.port = self.four.getsockname()[1]
        self.closed_to_decoy = socket.create_server(("127.0.0.1", 0))  # the decoy's address refuses on this port, loopback's does not
        for listener in (self.four, self.six, self.closed_to_decoy):
            threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for listener in (self.four, self.six, self.closed_to_decoy):
            listener.close()

    @staticmethod
    def listen_on_both():
        """A port of IPv4 that is free may be taken in IPv6: then it is another one."""
        while True:
            four = socket.create_server(("0.0.0.0", 0), backlog=512)
            try:
                return four, socket.create_server(("::", four.getsockname()[1]), family=socket.AF_INET6, backlog=512)
            except OSError as error:
                four.close()
                if error.errno != errno.EADDRINUSE:
                    raise

    def spell(self, text):
        return text.replace("~", str(self.port))

    def accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            if client.getsockname()[0] == DECOY:
                threading.Thread(target=self.answer, args=(client,), daemon=True).start()
            else:
                with self.changed:
                    self.sprung.append(client.getsockname()[0])
                client.close()

    def answer(self, client):
        with client, client.makefile("rb") as stream:
            line = stream.readline().decode("latin-1").split(" ")
            if len(line) < 3:
                return  # TLS, perhaps
            headers = {}
            while (text := stream.readline().decode("latin-1").strip()) != "":
                headers[text.partition(":")[0].lower()] = text.partition(":")[2].strip()
            stream.read(int(headers.get("content-length", 0)))
            with self.changed:
                self.decoyed.append((line[0], line[1], headers["host"]))
            body = b'{"id":"x"}'
            head = self.respond(line[1])
            client.sendall(f"HTTP/1.1 {head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


class Scene:
    """The daemon among traps, with names of its own, and every proxy variable pointing into a trap."""

    def __init__(self, *allowed):
        library = os.environ.get("RUCHE_NAMES_LIBRARY")
        if not library:
            raise Skip("RUCHE_NAMES_LIBRARY names no library; meson test sets it")
        self.allowed, self.library = allowed, library
        self.directory = tempfile.TemporaryDirectory(prefix="ruche-names-")
        self.names = os.path.join(self.directory.name, "names")
        self.tell(NAMES)

    def tell(self, names):
        with open(self.names + ".new", "w", encoding="ascii") as file:
            file.write(names)
        os.rename(self.names + ".new", self.names)

    def __enter__(self):
        self.traps = Traps()
        proxy = self.traps.spell("http://127.0.0.1:~")
        proxies = {name: proxy for word in ("http_proxy", "https_proxy", "all_proxy") for name in (word, word.upper())}
        allow = [word for one in self.allowed for word in ("--deliver-allow", one)]
        self.ruche = Daemon(*allow, env={**proxies, "no_proxy": "", "LD_PRELOAD": self.library, "RUCHE_NAMES": self.names,
                                         "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
        self.ruche.__enter__()
        return self

    def __exit__(self, *problem):
        self.ruche.__exit__(*problem)
        self.traps.__exit__()
        self.directory.cleanup()

    def put(self, name, url, **settings):
        """Whether it was accepted; a refusal must name the field."""
        body = {"url": self.traps.spell(url), "types": ["*"], "retry": ONCE, "timeout_ms": 10000, "sign": {"kind": "none"}, **settings}
        answer = self.ruche.api.call("PUT", f"/v1/endpoints/{name}", body, status=(200, 201, 422))
        if answer.status == 422:
            equal((answer.json["code"], answer.json["field"]), ("invalid_field", "url"), f"the refusal of {url!r}")
        return answer.status != 422

    def send(self, **fields):
        return self.ruche.api.post("/v1/messages", {"type": "told", "payload": {}, **fields}, status=201)

    def ended(self, queue="webhooks"):
        """All jobs of the queue, once all have ended, by their endpoint."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            jobs, cursor = [], ""
            while cursor is not None:
                page = self.ruche.api.get(f"/v1/jobs?queue={queue}&limit=200" + (f"&cursor={cursor}" if cursor else ""))
                jobs += page["jobs"]
                cursor = page["next_cursor"]
            if all(job["finished_at"] for job in jobs):
                return jobs
            check(time.monotonic() < deadline, f"not ended: {[job for job in jobs if not job['finished_at']][:3]}")
            time.sleep(0.02)

    def why(self, job):
        [*_, last] = self.ruche.api.get(f"/v1/jobs/{job['uid']}/attempts")["attempts"]
        return last["exchange"]["class"]

    def unsprung(self):
        equal(self.traps.sprung, [], "traps that sprang")


def all_vectors():
    return [url for text in VECTORS.values() for url in text.split()] + SPACED


def through_the_api(scene):
    """Every vector: refused by the API, or its delivery. ({name: url} of what was accepted, their jobs)"""
    accepted = {}
    for number, url in enumerate(all_vectors()):
        name = f"e{number}"
        if scene.put(name, url):
            accepted[name] = url
    sent = scene.send(entity="1")
    equal(sent["deliveries"] if not sent["expanding"] else len(accepted), len(accepted), "deliveries")
    return accepted, scene.ended()


@story
def no_spelling_leads_inside():
    """Refused when it is said, or else when it is called: with the permitted address alone, no trap springs, and no delivery goes through."""
    vectors = all_vectors()
    check(len(set(vectors)) >= 250, f"{len(set(vectors))} vectors")
    with Scene(DECOY + "/32") as scene:
        accepted, jobs = through_the_api(scene)
        equal(len(jobs), len(accepted), "deliveries that ended")
        classes = Counter()
        for job in jobs:
            url = accepted[job["delivery"]["endpoint"]]
            if job["state"] == "completed":
                equal(url, "http://moody.test:~/", "the only one that may have gone through, by its second answer")
                continue
            equal(job["state"], "failed", f"the delivery to {url!r}")
            classes[scene.why(job)] += 1
        scene.unsprung()
        print(f"      {len(vectors)} vectors: {len(vectors) - len(accepted)} refused by the API, {len(accepted)} when they were called: {dict(classes)}")
        check(set(classes) <= {"guarded", "dns", "bad_target", "tls"} and classes["guarded"] >= 15, f"reasons: {classes}")


@story
def the_traps_do_spring():
    """The same vectors where loopback is permitted: dozens get there, so the traps and the names work."""
    with Scene("127.0.0.0/8", "0.0.0.0/32", "::1/128", "::/128") as scene:
        _, jobs = through_the_api(scene)
        sprung = Counter(scene.traps.sprung)
        check(len(scene.traps.sprung) >= 40 and sprung["127.0.0.1"] >= 25 and sprung["::1"] >= 8, f"traps that sprang: {sprung}")
        check(len(jobs) > 60, f"{len(jobs)} deliveries")


@story
def no_redirect_is_followed():
    """Seven statuses to ten places, link-local addresses among them, from a third party that may be called."""
    with Scene(DECOY + "/32") as scene:
        def respond(path):
            _, _, status, number = path.split("/")
            return f"{status} Elsewhere\r\nLocation: {scene.traps.spell(REDIRECTS[int(number)])}\r\n"

        scene.traps.respond = respond
        for status in REDIRECT_STATUSES:
            for number in range(len(REDIRECTS)):
                check(scene.put(f"r{status}-{number}", f"http://{DECOY}:~/to/{status}/{number}"), "it was refused")
        scene.send()
        jobs = scene.ended()
        equal(Counter((job["state"], scene.why(job)) for job in jobs), {("failed", "redirect"): len(REDIRECT_STATUSES) * len(REDIRECTS)}, "ends")
        scene.unsprung()
        equal(len(scene.traps.decoyed), len(jobs), "calls: one each")


@story
def no_answer_leads_inside():
    """Headers by which other clients go elsewhere."""
    answers = ["200 OK\r\nAlt-Svc: h2=\"127.0.0.1:~\", http/1.1=\"127.0.0.1:~\"; persist=1\r\n", "200 OK\r\nRefresh: 0; url=http://127.0.0.1:~/\r\n",
               "200 OK\r\nLocation: http://127.0.0.1:~/\r\n", "201 Made\r\nLocation: http://127.0.0.1:~/\r\nContent-Location: http://127.0.0.1:~/\r\n",
               "200 OK\r\nLink: <http://127.0.0.1:~/>; rel=preload\r\n", "200 OK\r\nStrict-Transport-Security: max-age=9\r\nUpgrade: h2c\r\n",
               "407 Proxy\r\nProxy-Authenticate: Basic realm=\"http://127.0.0.1:~/\"\r\n", "401 No\r\nWWW-Authenticate: NTLM\r\nLocation: http://127.0.0.1:~/\r\n"]
    with Scene(DECOY + "/32") as scene:
        scene.traps.respond = lambda path: scene.traps.spell(answers[int(path[1:])])
        for number in range(len(answers)):
            check(scene.put(f"a{number}", f"http://{DECOY}:~/{number}"), "it was refused")
        scene.send()
        scene.send()  # and what was learnt from the first answer is not used by the second call
        jobs = scene.ended()
        scene.unsprung()
        equal((len(jobs), len(scene.traps.decoyed)), (2 * len(answers), 2 * len(answers)), "calls: one each")


@story
def no_text_moves_the_host():
    """Entities, and ids that the other side answered, in paths and queries: the host that is called stays the endpoint's."""
    with Scene(DECOY + "/32") as scene:
        for name, url in (("path", "/e/{entity}/x"), ("root", "/{entity}"), ("query", "/?entity={entity}&type={type}")):
            check(scene.put(name, f"http://{DECOY}:~" + url), "it was refused")
        for text in TEXTS:
            scene.send(entity=scene.traps.spell(text))
        jobs = scene.ended()
        scene.unsprung()
        equal({host for _, _, host in scene.traps.decoyed}, {f"{DECOY}:{scene.traps.port}"}, "hosts")
        equal((len(jobs), len(scene.traps.decoyed)), (3 * len(TEXTS), 3 * len(TEXTS)), "calls")
        for _, path, _ in scene.traps.decoyed:
            check(path.startswith(("/e/", "/?entity=")) or "/" not in path[1:], f"the path {path}")
    script = [(200, {}, ('{"id":"%s"}' % text.replace("\\", "\\\\")).encode()) for text in TEXTS]
    with Scene("127.0.0.1/32") as scene, Receiver(*[step for step in script for _ in (1, 2)]) as third:
        at = f"http://127.0.0.1:{third.port}"
        for number in range(len(TEXTS)):
            check(scene.put("ids", at + "/new", update_url=at + "/{external_id}", order="latest"), "it was refused")
            scene.send(entity=f"e{number}")
            scene.ended()
            scene.send(entity=f"e{number}")
            scene.ended()
        equal([received.path for received in third.received[0::2]], ["/new"] * len(TEXTS), "first calls")
        check(all(received.path.count("/") == 1 and "?" not in received.path for received in third.received[1::2]), f"{[received.path for received in third.received]}")


@story
def every_url_of_an_endpoint_is_guarded():
    """The URL of a change, of a retraction and of access tokens, a queue's and a job's own: by address they are refused, by name they are not called."""
    with Scene(DECOY + "/32") as scene:
        api, at = scene.ruche.api, scene.traps.spell(f"http://{DECOY}:~/")
        api.put("/v1/secrets/client", {"value": "of the client"})
        inside = [scene.traps.spell(url) for url in VECTORS["names that lead inside"].split() if "moody" not in url and "nobody" not in url]
        literal = [scene.traps.spell(url) for url in ("http://127.0.0.1:~/", "http://[::1]:~/", "http://0x7f.1:~/", "http://169.254.169.254/", "http://[::ffff:7f00:1]:~/")]
        for url in literal:
            for field, settings in (("update_url", {"update_url": url}), ("retract.url", {"retract": {"url": url}}),
                                    ("auth.token_url", {"auth": {"kind": "oauth2", "client_id": "c", "secret": "client", "token_url": url}})):
                api.refused("PUT", "/v1/endpoints/x", {"url": at, **settings}, code="invalid_field", field=field)
        for number, url in enumerate(inside):
            check(scene.put(f"change{number}", at, update_url=url, types=["change"]), "it was refused")
            check(scene.put(f"gone{number}", at, retract={"url": url}, types=["gone"]), "it was refused")
            check(scene.put(f"token{number}", at, auth={"kind": "oauth2", "client_id": "c", "secret": "client", "token_url": url}, types=["token"]), "it was refused")
        for word, more in (("change", {}), ("gone", {"deleted": True})):
            scene.send(type=word, entity="1")
            scene.ended()
            scene.send(type=word, entity="1", **more)
            scene.ended()
        called = len(scene.traps.decoyed)
        equal(called, 2 * len(inside), "calls to the decoy: the first ones")
        scene.send(type="token")
        jobs = scene.ended()
        equal(len(scene.traps.decoyed), called, "calls without a token")
        states = Counter(job["state"] for job in jobs)
        equal(states, {"completed": 2 * len(inside), "failed": 3 * len(inside)}, "ends")
        check(scene.put("tried", "http://loop.test:~/", types=[]), "it was refused")
        tried = api.post("/v1/endpoints/tried/test", status=201)
        [job] = [job for job in scene.ended() if job["delivery"]["message"] == tried["id"]]
        equal((job["state"], scene.why(job)), ("failed", "guarded"), "a test")
        for number, url in enumerate(inside + literal):
            answer = api.call("PUT", f"/v1/queues/q{number}", {"target": "http", "http": {"url": url}, "retry": ONCE}, status=(200, 201, 422))
            if answer.status != 422:
                equal(api.wait(api.enqueue(f"q{number}")["uid"])["state"], "failed", f"the job for {url}")
        scene.unsprung()


@story
def a_name_that_changes_its_meaning():
    """Rebinding: permitted when it was put and called, inside afterwards; after a restart, between two attempts, and among the answers of one question."""
    with Scene(DECOY + "/32") as scene:
        api = scene.ruche.api
        check(scene.put("rebound", "http://rebound.test:~/"), "it was refused")
        check(scene.put("attempts", "http://attempts.test:~/", types=["attempts"], retry={**ONCE, "max_attempts": 4}), "it was refused")
        scene.tell("rebound.test 127.0.0.5\nattempts.test again again 127.0.0.1 ::1\n")
        scene.send()
        equal([job["state"] for job in scene.ended() if job["delivery"]["endpoint"] == "rebound"], ["completed"], "while it means the decoy")
        scene.send(type="attempts")
        jobs = [job for job in scene.ended() if job["delivery"]["endpoint"] == "attempts"]
        equal([job["state"] for job in jobs], ["failed"], "whose name turned inside at the third attempt")
        for address in ("127.0.0.1", "::1", "::ffff:127.0.0.1", "0.0.0.0", "127.0.0.1,::1"):
            scene.tell(f"rebound.test {address}\n")
            scene.ruche.restart()
            sent = scene.send()
            [job] = [job for job in scene.ended() if job["delivery"]["message"] == sent["id"] and job["delivery"]["endpoint"] == "rebound"]
            equal((job["state"], scene.why(job)), ("failed", "guarded"), f"when it means {address}")
        api = scene.ruche.api
        closed = scene.traps.closed_to_decoy.getsockname()[1]
        scene.tell("mixed.test 127.0.0.1,127.0.0.5,::1\nfalls.test 127.0.0.5,127.0.0.1,::1\n")
        api.delete("/v1/endpoints/rebound")
        check(scene.put("mixed", "http://mixed.test:~/"), "it was refused")  # either is well: to call the permitted one, or none
        check(scene.put("falls", f"http://falls.test:{closed}/"), "it was refused")
        scene.send()
        states = {job["delivery"]["endpoint"]: job["state"] for job in scene.ended()}
        equal(states["falls"], "failed", "whose permitted address refuses the connection, and whose other ones are inside")
        scene.unsprung()


if __name__ == "__main__":
    run()

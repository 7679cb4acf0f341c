"""Ways out of the daemon: through the proxy (deliver.proxy), past it (deliver.no_proxy), and inside by name (deliver.allow),
but never back into the daemon (deliver.allow_self)."""

import os
import re
import signal
import sys
import tempfile

from harness import Daemon, Receiver, Skip, check, equal, held_port, run, story, until

ONCE = {"kind": "fixed", "delay_ms": 1, "max_attempts": 1, "jitter": "none"}
TOKEN = (200, {}, b'{"access_token":"let-me-in","token_type":"bearer","expires_in":3600}')
NAMES = """crm.intra.test 127.0.0.1
clerk.intra.test 127.0.0.1
intra.test 127.0.0.1
intra.test. 127.0.0.1
outside.test 127.0.0.1
localhost 127.0.0.1
"""


class House:
    """A daemon with a configuration file that is taken over anew, and names of its own."""

    def __init__(self, names=NAMES):
        library = os.environ.get("RUCHE_NAMES_LIBRARY")
        if not library:
            raise Skip("RUCHE_NAMES_LIBRARY names no library; meson test sets it")
        self.directory = tempfile.TemporaryDirectory(prefix="ruche-ways-")
        self.file, said = os.path.join(self.directory.name, "conf"), os.path.join(self.directory.name, "names")
        with open(said, "w", encoding="ascii") as out:
            out.write(names)
        self.ruche = Daemon("--config", self.file, env={"LD_PRELOAD": library, "RUCHE_NAMES": said,
                                                        "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})

    def start(self, text):
        self.write(text)
        self.ruche.__enter__()
        self.api = self.ruche.api
        return self

    def __enter__(self):
        return self

    def __exit__(self, *problem):
        self.ruche.__exit__(*problem)
        self.directory.cleanup()

    def write(self, text):
        with open(self.file, "w", encoding="ascii") as out:
            out.write("[deliver]\n" + text)

    def reload(self, text):
        self.write(text)
        done = self.ruche.log().count("reload.done")
        self.ruche.process.send_signal(signal.SIGHUP)
        until(lambda: self.ruche.log().count("reload.done") > done, "the file was taken over")

    def put(self, name, url, **settings):
        self.api.put(f"/v1/endpoints/{name}", {"url": url, "types": ["*"], "retry": ONCE, "sign": {"kind": "none"}, "format": "raw", **settings})

    def send(self, name):
        """A message to that endpoint alone; how its delivery ended."""
        self.api.post("/v1/messages", {"type": "made", "endpoint": name, "payload": 1}, status=201)
        return self.api.wait(self.api.get(f"/v1/jobs?queue=webhooks&group={name}&order=newest&limit=1")["jobs"][0]["uid"])

    def goes_well(self, name, what):
        job = self.send(name)
        equal((job["state"], job.get("error")), ("completed", None), what)


@story
def past_the_proxy():
    """Only hosts in deliver.no_proxy, by what the URL says and whatever the name means; there our own rules for addresses hold. A change is taken
    over on SIGHUP, whatever connections are open."""
    with House() as house, Receiver(200) as proxy, Receiver(200) as third:
        through = f'proxy = "http://127.0.0.1:{proxy.port}"\n'
        crm, outside = f"http://crm.intra.test:{third.port}/in", f"http://outside.test:{third.port}/out"
        asked = []

        def went(past, name, what):
            house.goes_well(name, what)
            asked.extend([] if past else [outside if name == "outside" else crm])
            equal([received.path for received in proxy.received], asked, f"what the proxy was asked for: {what}")

        house.start(through + 'no_proxy = ["Intra.test", "127.0.0.0/8"]\n')
        check("save of hosts in deliver.no_proxy" in house.ruche.log(), "the log does not say who guards what")
        house.put("crm", crm)
        house.put("outside", outside)
        failed = house.send("crm")
        equal((failed["state"], failed["error"]["class"]), ("failed", "guarded"), "past the proxy, where we guard ourselves")
        check("127.0.0.1 is in 127.0.0.0/8 (loopback)" in failed["error"]["message"] and "deliver.allow" in failed["error"]["message"], failed["error"])
        equal((len(third.received), len(proxy.received)), (0, 0), "calls")
        went(False, "outside", "a name that is not among them, though its address is")
        house.reload(through + 'allow = "127.0.0.0/8"\nno_proxy = ["intra.test", "127.0.0.0/8"]\n')
        went(True, "crm", "a name below one of them")
        went(False, "outside", "the other one still goes through")
        house.put("crm", f"http://127.0.0.1:{third.port}/in")
        went(True, "crm", "an address in one of the ranges")
        house.put("crm", f"http://INTRA.test.:{third.port}/in")
        went(True, "crm", "the name itself, as somebody wrote it")
        house.put("crm", crm)
        house.reload(through + 'allow = "127.0.0.0/8"\nno_proxy = [".test.intra", "xintra.test", "10.0.0.0/8"]\n')
        went(False, "crm", "no longer among them")
        house.reload(through + 'allow = "127.0.0.0/8"\nno_proxy = "*"\n')
        went(True, "outside", "all of them")
        equal([received.path for received in third.received], ["/in"] * 3 + ["/out"], "calls past the proxy")


@story
def tokens_go_the_way_of_their_own_host():
    """The token's URL past the proxy and the endpoint's through it, and the other way round; a redirect is followed on neither way."""
    with House() as house, Receiver(TOKEN) as proxy, Receiver(TOKEN) as third:
        inside, outside = f"http://clerk.intra.test:{third.port}", f"http://outside.test:{third.port}"
        house.start(f'allow = "127.0.0.0/8"\nproxy = "http://127.0.0.1:{proxy.port}"\nno_proxy = ".intra.test"\n')
        house.api.put("/v1/secrets/s", {"value": "a secret of some length"})
        token = {"kind": "oauth2", "secret": "s", "client_id": "c"}
        house.put("told", f"{outside}/hook", auth={**token, "token_url": f"{inside}/token"})
        house.goes_well("told", "its token is fetched past the proxy")
        equal(([received.path for received in third.received], [received.path for received in proxy.received]), (["/token"], [f"{outside}/hook"]), "calls")
        equal(proxy.received[0].headers["authorization"], "Bearer let-me-in", "the token came")
        house.put("told", f"{inside}/hook", auth={**token, "token_url": f"{outside}/token"})
        house.goes_well("told", "its token is fetched through the proxy")
        equal(([received.path for received in third.received[1:]], [received.path for received in proxy.received[1:]]), (["/hook"], [f"{outside}/token"]), "calls")
    with House() as house, Receiver(200) as proxy, Receiver((302, {"Location": "http://outside.test/"}, b"")) as third:
        house.start(f'allow = "127.0.0.0/8"\nproxy = "http://127.0.0.1:{proxy.port}"\nno_proxy = "intra.test"\n')
        house.put("moved", f"http://intra.test:{third.port}/")
        equal(house.send("moved")["error"]["class"], "redirect", "class")
        equal((len(third.received), len(proxy.received)), (1, 0), "calls")


@story
def an_endpoint_is_put_as_it_will_be_called():
    """A private address behind the proxy is the proxy's to judge, past the proxy it is ours, already when an endpoint is put."""
    with House() as house, Receiver(200) as proxy:
        house.start(f'proxy = "http://127.0.0.1:{proxy.port}"\nno_proxy = "10.2.0.0/16"\n')
        refused = house.api.refused("PUT", "/v1/endpoints/near", {"url": "http://10.2.0.1/", "types": ["*"]}, code="invalid_field", field="url")
        check("10.2.0.1 is in 10.0.0.0/8 (private network)" in refused["detail"], refused)
        house.put("far", "http://10.1.0.1/far")
        house.goes_well("far", "through the proxy")
        equal([received.path for received in proxy.received], ["http://10.1.0.1/far"], "what the proxy was asked for")


@story
def a_name_is_trusted_with_private_networks_alone():
    """What an allowed name means is looked at when it is called: loopback it never may, whatever its DNS says. A range that holds it helps."""
    with House() as house, Receiver(200) as third:
        house.start('allow = ["crm.intra.test", ".below.test"]\n')
        house.put("named", f"http://crm.intra.test:{third.port}/")
        house.put("other", f"http://intra.test:{third.port}/")
        for name, remedy in (("named", "in the setting deliver.allow permits it, a name does not."), ("other", "in the setting deliver.allow permits it.")):
            failed = house.send(name)
            equal((failed["state"], failed["error"]["class"]), ("failed", "guarded"), name)
            check(failed["error"]["message"].endswith(remedy), failed["error"])
        equal(third.connections, 0, "connections")
        house.reload('allow = ["crm.intra.test", "127.0.0.0/8"]\n')
        house.goes_well("named", "the range holds it")


@story
def never_into_the_daemon_itself():
    """A range that holds our own listener does not open it, wherever it listens; only deliver.allow_self does."""
    held = held_port()
    for listen in ("127.0.0.1:0", "0.0.0.0:00", f"localhost:{held}", f"127.0.0.1:{held}"):
        with House() as house, Receiver(200) as third:
            house.ruche.arguments += ["--listen", listen]
            house.start('allow = ["127.0.0.0/8", "0.0.0.0/8"]\n')
            port = int(re.search(r'"event":"listen","address":"(?!unix)[^"]*:(\d+)"', house.ruche.log())[1])
            house.put("third", third.url)
            house.goes_well("third", "another port of the same address")
            house.put("named", f"http://crm.intra.test:{port}/livez", method="PUT")
            for url in (f"http://127.0.0.1:{port}/livez", f"http://0.0.0.0:{port}/livez", f"http://[::ffff:127.0.0.1]:{port}/livez"):
                refused = house.api.refused("PUT", "/v1/endpoints/self", {"url": url, "types": ["*"]}, code="invalid_field", field="url")
                check("the setting deliver.allow_self, and a range that holds it in deliver.allow, permit it" in refused["detail"], refused)
            failed = house.send("named")
            equal((failed["state"], failed["error"]["class"]), ("failed", "guarded"), f"a name for us, who listen at {listen}")
            check("deliver.allow_self" in failed["error"]["message"], failed["error"])
            house.reload('allow = "127.0.0.0/8"\nallow_self = true\n')
            failed = house.send("named")
            equal((failed["error"]["class"], failed["error"]["status"]), ("status_4xx", 405), "what the API says to a PUT")


GIVER = """import fcntl, os, socket, sys
path, port, *command = sys.argv[1:]
inside, outside = socket.socket(socket.AF_UNIX), socket.create_server(("127.0.0.1", int(port)))
inside.bind(path)
inside.listen()
high = [fcntl.fcntl(one.fileno(), fcntl.F_DUPFD, 10) for one in (inside, outside)]
for place, one in enumerate(high):
    os.dup2(one, 3 + place)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="2")
os.execv(command[0], command)
"""


@story
def nor_at_a_socket_that_a_supervisor_gave():
    """Given sockets are our own as well; what the configuration lists then is not listened at, and may be somebody else's."""
    with House() as house, Receiver(200) as third:
        plain, port = house.ruche.command, held_port()
        house.ruche.arguments += ["--listen", f"127.0.0.1:{third.port}"]
        house.ruche.command = lambda: [sys.executable, "-c", GIVER, house.ruche.socket_path, str(port), *plain()]
        house.start('allow = "127.0.0.0/8"\n')
        refused = house.api.refused("PUT", "/v1/endpoints/self", {"url": f"http://127.0.0.1:{port}/livez", "types": ["*"]}, code="invalid_field", field="url")
        check("deliver.allow_self" in refused["detail"], refused)
        house.put("named", f"http://crm.intra.test:{port}/livez")
        check("deliver.allow_self" in house.send("named")["error"]["message"], "by name")
        house.put("third", third.url)
        house.goes_well("third", "where we would listen, had we been given none")


@story
def nonsense_is_no_host():
    """The daemon does not start with it, and says where it stands."""
    with Daemon() as ruche:
        ruche.stop()
        for text, why in (("*", "'*' is not taken"), ("localhost", "a name does not permit loopback"), ("http://crm.example", "is not an address range")):
            ruche.cli("config", "check", env={"RUCHE_DELIVER_ALLOW": text}, status=78)
            check("deliver.allow" in ruche.cli_errors and "RUCHE_DELIVER_ALLOW" in ruche.cli_errors and why in ruche.cli_errors, ruche.cli_errors)
        for text, why in (("http://crm.example", "is not an address range"), ("crm.example:80", "without scheme and port"), ("10.0.0.1/8", "bits set"), ("a..b", "is no host")):
            ruche.cli("config", "check", env={"RUCHE_DELIVER_NO_PROXY": text}, status=78)
            check("deliver.no_proxy" in ruche.cli_errors and "RUCHE_DELIVER_NO_PROXY" in ruche.cli_errors and why in ruche.cli_errors, ruche.cli_errors)
        said = ruche.cli("config", "check", env={"RUCHE_DELIVER_NO_PROXY": "crm.example"}).decode()
        check("says nothing without deliver.proxy" in said, said)


if __name__ == "__main__":
    run()

"""Where deliveries may go: only https, only some ports (deliver.https_only, deliver.ports). Endpoints are refused when they are put, and what was stored
before that is not called."""

import os
import signal

from harness import Daemon, Receiver, check, equal, run, story

ONCE = {"kind": "fixed", "delay_ms": 1, "max_attempts": 1, "jitter": "none"}


def endpoint(url, **settings):
    return {"url": url, "types": ["*"], "retry": ONCE, "sign": {"kind": "none"}, "format": "raw", **settings}


def send(api, name):
    """A message to that endpoint alone; how its delivery ended."""
    api.post("/v1/messages", {"type": "made", "endpoint": name, "payload": 1}, status=201)
    uid = api.get(f"/v1/jobs?queue=webhooks&group={name}&order=newest&limit=1")["jobs"][0]["uid"]
    return api.wait(uid)


@story
def only_https():
    """It may be called, then the daemon is started anew: nothing is dialled, the attempt says why; a new endpoint is refused with its field."""
    third = Receiver(200)
    with Daemon("--deliver-allow", "127.0.0.0/8") as ruche:
        ruche.api.put("/v1/endpoints/crm", endpoint(third.url))
        ruche.api.put("/v1/queues/plain", {"target": "http", "http": {"url": third.url}})
        equal(send(ruche.api, "crm")["state"], "completed", "before")
        third.wait(1)
        ruche.stop()
        ruche.arguments += ["--deliver-https-only"]
        ruche.start()
        api = ruche.api
        failed = send(api, "crm")
        equal((failed["state"], failed["error"]["class"]), ("failed", "guarded"), "afterwards")
        check("http is not called, only https (setting deliver.https_only)" in failed["error"]["message"], failed["error"])
        attempt = api.get(f"/v1/jobs/{failed['uid']}/attempts")["attempts"][-1]
        equal((attempt["exchange"]["class"], attempt["exchange"]["url"]), ("guarded", third.url), "its exchange")
        plain = api.post("/v1/jobs", {"queue": "plain", "payload": 1}, status=201)
        equal(api.wait(plain["uid"])["error"]["class"], "guarded", "a job of an http queue")
        for scheme in ("http", "HTTP", "hTTp"):
            for body, field in ((endpoint(f"{scheme}://crm.example/"), "url"),
                                (endpoint("https://crm.example/", update_url=f"{scheme}://crm.example/{{entity}}"), "update_url"),
                                (endpoint("https://crm.example/", retract={"url": f"{scheme}://crm.example/{{entity}}"}), "retract.url"),
                                (endpoint("https://crm.example/", auth={"kind": "oauth2", "secret": "s", "client_id": "c", "token_url": f"{scheme}://id.example/"}), "auth.token_url")):
                refused = api.refused("PUT", "/v1/endpoints/new", body, code="invalid_field", field=field)
                check("deliver.https_only" in refused["detail"], refused)
        api.refused("GET", "/v1/endpoints/new", status=404, code="endpoint_not_found")
        api.refused("PATCH", "/v1/endpoints/crm", {"url": "http://crm.example/"}, code="invalid_field", field="url")
        equal(api.patch("/v1/endpoints/crm", {"timeout_ms": 5000})["settings"]["url"], third.url, "what a change does not name stays")
        api.put("/v1/endpoints/new", endpoint("HTTPS://crm.example/"))
    equal(len(third.received), 1, "calls")
    equal(third.connections, 1, "connections")
    third.close()


@story
def only_some_ports():
    """Taken over on SIGHUP, for tokens too; a port that no URL names is its scheme's."""
    third, clerk = Receiver(200), Receiver(200)
    ports = [third.url.split(":")[2].split("/")[0], clerk.url.split(":")[2].split("/")[0]]

    def reload(text):
        with open(file, "w") as out:
            out.write(f'[deliver]\nallow = "127.0.0.0/8"\n{text}')
        done = ruche.log().count("reload.done")
        ruche.process.send_signal(signal.SIGHUP)
        while ruche.log().count("reload.done") == done:
            ruche.api.get("/v1/queues")

    with Daemon() as ruche:
        ruche.stop()
        file = os.path.join(ruche.directory, "conf")
        open(file, "w").close()
        ruche.arguments = ["--config", file]
        ruche.start()
        api = ruche.api
        reload("")
        api.put("/v1/secrets/s", {"value": "a secret of some length"})
        api.put("/v1/endpoints/crm", endpoint(third.url))
        api.put("/v1/endpoints/told", endpoint(third.url, auth={"kind": "oauth2", "secret": "s", "client_id": "c", "token_url": clerk.url}))
        reload(f'ports = ["443", "{ports[0]}"]\n')
        equal(send(api, "crm")["state"], "completed", "its port is among them")
        failed = send(api, "told")
        equal((failed["state"], failed["error"]["class"]), ("failed", "auth"), "its token's port is not")
        check(f"port {ports[1]} is not called; a range that holds it in the setting deliver.ports permits it" in failed["error"]["message"], failed["error"])
        equal(clerk.connections, 0, "connections for the token")
        for url in ("http://crm.example/", f"http://127.0.0.1:{ports[1]}/", f"https://[::1]:{ports[1]}/", "https://crm.example:80/{entity}"):
            api.refused("PUT", "/v1/endpoints/new", endpoint(url), code="invalid_field", field="url")
        api.put("/v1/endpoints/new", endpoint("https://crm.example/{entity}"))
        api.put("/v1/endpoints/new", endpoint(f"https://crm.example:{ports[0]}/?a=:25"))
        reload('ports = "443"\n')
        failed = send(api, "crm")
        equal((failed["state"], failed["error"]["class"]), ("failed", "guarded"), "no longer among them, though a connection is open")
        reload("")
        equal(send(api, "crm")["state"], "completed", "all are again")
    equal(len(third.received), 2, "calls")
    for one in (third, clerk):
        one.close()


@story
def nonsense_is_no_port():
    """The daemon does not start with it, and says where it stands."""
    with Daemon() as ruche:
        ruche.stop()
        for text in ("0", "65536", "https", "9-1", "443;80"):
            ruche.cli("config", "check", env={"RUCHE_DELIVER_PORTS": text}, status=78)
            check("deliver.ports" in ruche.cli_errors and "RUCHE_DELIVER_PORTS" in ruche.cli_errors, ruche.cli_errors)
        said = ruche.cli("config", "check", env={"RUCHE_DELIVER_PORTS": "8443"}).decode()
        check("neither 443 nor 80" in said, said)


if __name__ == "__main__":
    run()

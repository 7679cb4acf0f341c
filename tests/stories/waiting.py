"""Long polls: woken by an enqueue, by a release, by a due time; withdrawn when the client leaves."""

import queue
import select
import socket
import threading

from harness import DEADLINE_S, check, equal, run, story, until


@story
def an_enqueue_wakes_a_waiter(ruche):
    """A worker that waits gets the job that comes."""
    api = ruche.api
    got = []
    worker = threading.Thread(target=lambda: got.append(api.again().claim("door", wait_ms=30000)))
    worker.start()
    uid = api.enqueue("door")["uid"]
    worker.join(60)
    equal([job["uid"] for job in got[0]["jobs"]], [uid], "what it got")


@story
def the_wait_ends(ruche):
    """Without work the answer comes after wait_ms, empty, with a reason."""
    answer = ruche.api.claim("nobody", wait_ms=20)
    equal((answer["jobs"], answer["reason"]), ([], "empty"), "jobs and reason")


@story
def one_job_one_waiter(ruche):
    """Eight wait, one job comes: one gets it, the others wait on."""
    api = ruche.api
    got = queue.Queue()
    workers = [threading.Thread(target=lambda: got.put(api.again().claim("single", wait_ms=60000))) for _ in range(8)]
    for worker in workers:
        worker.start()

    def waiters():
        return api.get("/v1/queues/single", status=(200, 404)).get("waiters")

    until(lambda: waiters() == 8, "all waited")
    uids = [api.enqueue("single")["uid"]]
    first = got.get(timeout=DEADLINE_S)
    equal(([job["uid"] for job in first["jobs"]], waiters(), got.empty()), (uids, 7, True), "who got it, and who waits on")
    uids += [api.enqueue("single")["uid"] for _ in range(7)]
    for worker in workers:
        worker.join(DEADLINE_S)
    rest = [got.get_nowait() for _ in range(7)]
    equal(sorted(job["uid"] for answer in [first, *rest] for job in answer["jobs"]), sorted(uids), "one for each")


@story
def who_left_gets_nothing(ruche):
    """A client that closes while it waits is withdrawn: the job goes to somebody who is there, without a stall."""
    api = ruche.api
    for _ in range(5):
        gone = ruche.connect()
        body = b'{"queues":["absent"],"wait_ms":30000}'
        gone.request("POST", "/v1/claims", body, {"Authorization": f"Bearer {ruche.token}", "Content-Type": "application/json"})
        gone.sock.shutdown(socket.SHUT_RDWR)
        gone.close()
    uid = api.enqueue("absent")["uid"]
    job, token = api.claim_one("absent")
    equal((job["uid"], job["stalls"]), (uid, 0), "uid and stalls")
    check(job["attempts_made"] == 0, "an attempt was consumed by somebody who was not there")
    api.complete(uid, token)


@story
def a_crowd_waits_and_nobody_minds(ruche):
    """Eight hundred idle workers wait on one queue: jobs of another flow by, none of them is woken for these; then one job wakes one."""
    api = ruche.api
    text = b'{"queues":["idle"],"wait_ms":120000}'
    head = f"POST /v1/claims HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {ruche.token}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n".encode()
    crowd, heard = [], select.poll()
    try:
        for _ in range(800):
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            one.connect(ruche.socket_path)
            one.sendall(head + text)
            crowd.append(one)
            heard.register(one, select.POLLIN)
        while api.get("/v1/queues/idle")["waiters"] < 800:
            check(not heard.poll(0), "somebody's wait ended at once")
        for number in range(100):
            api.enqueue("busy", number)
            job, token = api.claim_one("busy")
            equal(job["payload"], number, "payload")
            api.complete(job["uid"], token)
        equal(heard.poll(0), [], "who of the crowd heard something")
        equal(api.get("/v1/queues/idle")["waiters"], 800, "who waits")
        uid = api.enqueue("idle", "at last")["uid"]
        woken = heard.poll(60000)
        equal(len(woken), 1, "who heard of it")
        check(uid.encode() in next(one for one in crowd if one.fileno() == woken[0][0]).recv(65536), "what it heard")
        equal(api.get("/v1/queues/idle")["waiters"], 799, "who still waits")
    finally:
        for one in crowd:
            one.close()


@story
def many_wait_in_turn(ruche):
    """Twenty workers, two hundred jobs one by one: each is done once."""
    api = ruche.api
    done, lock = [], threading.Lock()
    over = threading.Event()

    def work():
        mine = api.again()
        while not over.is_set():
            answer = mine.claim("turns", wait_ms=200)
            for job in answer["jobs"]:
                mine.complete(job["uid"], answer["token"])
                with lock:
                    done.append(job["payload"])
                    if len(done) == 200:
                        over.set()

    workers = [threading.Thread(target=work) for _ in range(20)]
    for worker in workers:
        worker.start()
    for number in range(200):
        api.enqueue("turns", number)
    check(over.wait(60), f"only {len(done)} of 200 were done")
    for worker in workers:
        worker.join(60)
    equal(sorted(done), list(range(200)), "done")


if __name__ == "__main__":
    run()

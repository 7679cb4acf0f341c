"""Long polls: woken by an enqueue, by a release, by a due time; withdrawn when the client leaves."""

import socket
import threading

from harness import check, equal, run, story


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
    """Eight wait, one job comes: one gets it."""
    api = ruche.api
    got, lock = [], threading.Lock()

    def wait():
        answer = api.again().claim("single", wait_ms=2000)
        with lock:
            got.append(len(answer["jobs"]))

    workers = [threading.Thread(target=wait) for _ in range(8)]
    for worker in workers:
        worker.start()
    api.enqueue("single")
    for worker in workers:
        worker.join(60)
    equal(sorted(got), [0] * 7 + [1], "jobs each one got")


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

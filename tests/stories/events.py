"""Events: what happens is told in order, and a stream goes on where it broke."""

from harness import Daemon, Events, equal, run, story


@story
def a_life_in_events(ruche):
    """enqueued, active, completed: in this order, with the job's uid."""
    api = ruche.api
    events = api.events(queue="told")
    uid = api.enqueue("told")["uid"]
    _, token = api.claim_one("told")
    api.complete(uid, token)
    events.until("completed", uid)
    kinds = [event["event"] for event in events.seen if event["json"].get("uid") == uid]
    equal(kinds, ["enqueued", "active", "completed"], "events")
    events.close()


@story
def resumes_after_a_crash(ruche):
    """With the last id seen, nothing is missed and nothing told twice, though the daemon died in between."""
    api = ruche.api
    events = api.events(queue="resume")
    first = api.enqueue("resume", 1)["uid"]
    last = events.until("enqueued", first)["id"]
    events.close()
    second = api.enqueue("resume", 2)["uid"]
    ruche.restart()
    third = ruche.api.enqueue("resume", 3)["uid"]
    events = Events(ruche.api, last_id=last, queue="resume")
    events.until("enqueued", third)
    uids = [event["json"]["uid"] for event in events.seen if event.get("event") == "enqueued"]
    equal(uids, [second, third], "what was told after the break")
    events.close()


@story
def too_old_is_a_gap():
    """A cursor older than what is kept is answered with `gap`, and the stream goes on with what there is."""
    with Daemon("--engine-event-rows", "1000") as ruche:
        api = ruche.api
        events = api.events(queue="gap")
        first = events.until("enqueued", api.enqueue("gap")["uid"])["id"]
        events.close()
        for _ in range(2100):  # one commit each: more rows than are kept, and than are trimmed at once
            api.enqueue("gap")
        events = Events(api, last_id=first, queue="gap")
        events.until("gap")
        events.until("enqueued", api.enqueue("gap")["uid"])
        events.close()


@story
def only_its_queue(ruche):
    """A stream of one queue tells nothing of another."""
    api = ruche.api
    events = api.events(queue="mine")
    api.enqueue("theirs")
    uid = api.enqueue("mine")["uid"]
    event = events.until("enqueued")
    equal(event["json"]["uid"], uid, "the first thing told")
    events.close()


if __name__ == "__main__":
    run()

-- Schema version 2: delayed jobs that are far from their due time need not be in memory. live.flags has one more bit, 128: such a job, as it
-- was written last. A daemon that starts counts these rows without keeping them, and reads them by this index as their time comes near.
-- Jobs that are delayed for a short while, like most retries, are not in it.
CREATE INDEX live_far ON live (queue, flags & 1, due_us) WHERE flags & 128;
-- All that are delayed now: the daemon that starts next takes back those whose time is near.
UPDATE live SET flags = flags | 128 WHERE state = 1;

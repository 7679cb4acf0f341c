-- Schema version 3: queues' numbers are never given twice, also when the last one was deleted: events and moved jobs name queues by number.
ALTER TABLE shard ADD COLUMN last_queue INTEGER NOT NULL DEFAULT 0;
UPDATE shard SET last_queue = (SELECT ifnull(max(number), 0) FROM queue);

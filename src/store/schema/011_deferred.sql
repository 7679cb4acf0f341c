-- Failures that are told later: a job that has one waits, and whoever claims it next is told to let it fail with this reason.
ALTER TABLE live ADD COLUMN deferred TEXT;
ALTER TABLE done ADD COLUMN deferred TEXT; -- has the same first columns; always NULL

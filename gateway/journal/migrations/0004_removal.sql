-- The signed event that tells of the alarms removed so far: it stays as long as it is the newest of its kind.
CREATE TABLE removal (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    event INTEGER NOT NULL              -- event.row
) STRICT;

-- A file that was here before and went back has left this among its latches.
INSERT INTO removal SELECT 1, json_extract(state, '$.event') FROM latch WHERE key = 'schema-4/removal';
DELETE FROM latch WHERE key = 'schema-4/removal';

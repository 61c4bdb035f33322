-- The signed event that tells of the alarms removed so far: it stays as long as it is the newest of its kind.
CREATE TABLE removal (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    event INTEGER NOT NULL              -- event.row
) STRICT;

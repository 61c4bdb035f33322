-- Removal: stubs, the checkpoint under which stubs go, bytes per class. A row number now holds its epoch, so that
-- no two files of one gateway ever use the same: row = (epoch - 1) * 2^40 + sequence.
UPDATE outbox SET row = (SELECT ((e.epoch - 1) << 40) + e.sequence FROM event e WHERE e.row = outbox.row)
    WHERE row IN (SELECT row FROM event WHERE epoch > 1);
UPDATE event SET row = ((epoch - 1) << 40) + sequence WHERE epoch > 1;
UPDATE epoch SET first_row = ((epoch - 1) << 40) + 1 WHERE epoch > 1;

CREATE TABLE stub (
    row           INTEGER PRIMARY KEY,
    epoch         INTEGER NOT NULL,
    sequence      INTEGER NOT NULL,
    class         TEXT NOT NULL,
    classsequence INTEGER NOT NULL,
    id            TEXT NOT NULL,
    sha256        TEXT NOT NULL
) STRICT;

CREATE TABLE checkpoint (               -- at most one row: up to where even the stubs are gone
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    event    INTEGER NOT NULL,          -- row of the signed event that tells the same
    epoch    INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    sha256   TEXT NOT NULL,
    count    INTEGER NOT NULL,          -- events removed since the first
    classes  TEXT NOT NULL              -- last classsequence of each class in that epoch, JSON
) STRICT;

CREATE TABLE tally (                    -- bytes of each class, counted up to `row`
    class TEXT PRIMARY KEY,
    bytes INTEGER NOT NULL,
    row   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX event_class ON event (class);  -- oldest first in each class

CREATE TABLE carried (                  -- files set aside, and up to where their owed events were brought over
    name TEXT PRIMARY KEY,
    row  INTEGER NOT NULL,
    done INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- A file that was here before and went back has left these among its latches.
INSERT INTO stub SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'),
        json_extract(value, '$[4]'), json_extract(value, '$[5]'), json_extract(value, '$[6]')
    FROM latch, json_each(latch.state, '$.rows') WHERE latch.key = 'schema-2/stub';
INSERT INTO checkpoint SELECT 1, json_extract(state, '$.row[0]'), json_extract(state, '$.row[1]'), json_extract(state, '$.row[2]'),
        json_extract(state, '$.row[3]'), json_extract(state, '$.row[4]'), json_extract(state, '$.row[5]')
    FROM latch WHERE key = 'schema-2/checkpoint';
INSERT INTO carried SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')
    FROM latch, json_each(latch.state, '$.rows') WHERE latch.key = 'schema-2/carried';
DELETE FROM latch WHERE key LIKE 'schema-2/%';

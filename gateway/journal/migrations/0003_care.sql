-- Check sums of latches, what stays before a checkpoint, trends of measured values, and where this file was made.
ALTER TABLE latch ADD COLUMN sum INTEGER NOT NULL DEFAULT -1;  -- CRC-32 of key, NUL, state; -1: written by an earlier version

ALTER TABLE checkpoint ADD COLUMN kept INTEGER NOT NULL DEFAULT 0;  -- events before it that stayed
ALTER TABLE checkpoint ADD COLUMN kept_sha256 TEXT NOT NULL DEFAULT '';  -- of their sha256, joined; empty: none were allowed to stay

CREATE TABLE trend (                    -- minutes of one measured point, packed (gateway/journal/trends.py)
    at_ms INTEGER NOT NULL,             -- first minute, UTC
    point TEXT NOT NULL,
    body  BLOB NOT NULL,
    PRIMARY KEY (at_ms, point)
) STRICT, WITHOUT ROWID;

CREATE TABLE home (                     -- the file as its file system knows it: a copy is another one
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    inode      INTEGER NOT NULL,
    generation INTEGER NOT NULL         -- 0 where the file system has none
) STRICT;

CREATE TABLE untold (                   -- events that went before they were received, until a signed event tells of them
    class  TEXT NOT NULL,
    reason TEXT NOT NULL,
    epoch  INTEGER NOT NULL,
    first  INTEGER NOT NULL,            -- classsequence
    last   INTEGER NOT NULL,
    count  INTEGER NOT NULL,
    ids    TEXT NOT NULL,               -- of the first 100, JSON
    PRIMARY KEY (class, reason, epoch)
) STRICT, WITHOUT ROWID;

-- A file that was here before and went back has left these among its latches.
UPDATE checkpoint SET kept = json_extract(latch.state, '$.kept'), kept_sha256 = json_extract(latch.state, '$.kept_sha256')
    FROM latch WHERE latch.key = 'schema-3/checkpoint';
INSERT INTO home SELECT 1, json_extract(state, '$.inode'), json_extract(state, '$.generation') FROM latch WHERE key = 'schema-3/home';
INSERT INTO untold SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), json_extract(value, '$[3]'),
        json_extract(value, '$[4]'), json_extract(value, '$[5]'), json_extract(value, '$[6]')
    FROM latch, json_each(latch.state, '$.rows') WHERE latch.key = 'schema-3/untold';
DELETE FROM latch WHERE key LIKE 'schema-3/%';

-- Sealed events, what must outlive the process, and who still has to confirm what.
CREATE TABLE epoch (
    epoch     INTEGER PRIMARY KEY,
    opened_ms INTEGER NOT NULL,
    reason    TEXT NOT NULL,
    first_row INTEGER NOT NULL          -- event.row of sequence 1
) STRICT;

CREATE TABLE event (
    row           INTEGER PRIMARY KEY,  -- order of sealing over all epochs
    epoch         INTEGER NOT NULL,
    sequence      INTEGER NOT NULL,
    class         TEXT NOT NULL,
    classsequence INTEGER NOT NULL,
    id            TEXT NOT NULL UNIQUE,
    type          TEXT NOT NULL,
    subject       TEXT NOT NULL,
    priority      INTEGER NOT NULL,
    at_ms         INTEGER NOT NULL,
    sha256        TEXT NOT NULL,
    body          BLOB NOT NULL         -- RFC 8785 form, exactly as sent
) STRICT;

CREATE TABLE outbox (
    recipient  TEXT NOT NULL,
    row        INTEGER NOT NULL REFERENCES event (row),
    state      INTEGER NOT NULL DEFAULT 0,  -- 0 owed, 1 received, 2 unusable
    settled_ms INTEGER,
    PRIMARY KEY (recipient, row)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_owed ON outbox (row, recipient) WHERE state = 0;

CREATE TABLE latch (
    key   TEXT PRIMARY KEY,
    state TEXT NOT NULL                 -- a small JSON object
) STRICT, WITHOUT ROWID;

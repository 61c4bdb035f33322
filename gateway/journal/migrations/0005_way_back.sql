-- The way back from each step that was done on this file: an older program undoes by it what it has never heard of.
CREATE TABLE migration (
    number INTEGER PRIMARY KEY,
    name   TEXT NOT NULL,
    down   TEXT NOT NULL                -- SQL
) STRICT;

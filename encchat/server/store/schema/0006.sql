-- Version 6: files, in chunks that only their receivers can open. conversation is a key as in the table of that name.
-- received counts the chunks that are there, in order; a file that is dropped is erased a little later.
CREATE TABLE file (
    id INTEGER PRIMARY KEY,
    ulid TEXT NOT NULL UNIQUE CHECK (length(ulid) = 26),
    account_id INTEGER NOT NULL REFERENCES account (id),
    conversation TEXT NOT NULL,
    size INTEGER NOT NULL CHECK (size >= 0),
    chunks INTEGER NOT NULL CHECK (chunks >= 0),
    received INTEGER NOT NULL DEFAULT 0 CHECK (received BETWEEN 0 AND chunks),
    time INTEGER NOT NULL,
    dropped INTEGER NOT NULL DEFAULT 0 CHECK (dropped IN (0, 1))
) STRICT;

CREATE INDEX file_account ON file (account_id);

CREATE TABLE file_chunk (
    file_id INTEGER NOT NULL REFERENCES file (id),
    number INTEGER NOT NULL CHECK (number >= 0),
    data BLOB NOT NULL,
    PRIMARY KEY (file_id, number)
) STRICT;

-- The client's store, version 1. What stands in a column "sealed" is ChaCha20-Poly1305 (encchat.client.store.sealing);
-- a tag stands for a conversation's name.
CREATE TABLE keys (
    name TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;
CREATE TABLE outbox (
    place INTEGER PRIMARY KEY,
    sealed BLOB NOT NULL
) STRICT;
CREATE TABLE messages (
    number INTEGER PRIMARY KEY,
    tag BLOB NOT NULL,
    seq INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    UNIQUE (tag, seq)
) STRICT;
CREATE TABLE cursors (
    tag BLOB PRIMARY KEY,
    sealed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
-- Messages of the last few transactions, until one later or a proper end says that they were shown.
CREATE TABLE doubtful (
    tag BLOB NOT NULL,
    seq INTEGER NOT NULL,
    age INTEGER NOT NULL,
    PRIMARY KEY (tag, seq)
) STRICT, WITHOUT ROWID;

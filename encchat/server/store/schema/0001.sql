-- Version 1. Times are milliseconds since 1970 UTC. Rows of accounts and invites stay when they are
-- over, so that a name is never given twice and the first start happens once.
CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    folded TEXT NOT NULL UNIQUE,
    skeleton TEXT NOT NULL UNIQUE,
    role TEXT NOT NULL CHECK (role IN ('user', 'moderator', 'admin')),
    password_hash TEXT,
    created INTEGER NOT NULL,
    last_seen INTEGER,
    deleted INTEGER
) STRICT;

CREATE TABLE device (
    key BLOB PRIMARY KEY CHECK (length(key) = 32),
    account_id INTEGER NOT NULL REFERENCES account (id),
    name TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX device_account ON device (account_id);

CREATE TABLE invite (
    token_hash BLOB PRIMARY KEY CHECK (length(token_hash) = 32),
    role TEXT NOT NULL CHECK (role IN ('user', 'moderator', 'admin')),
    uses_left INTEGER NOT NULL CHECK (uses_left >= 0),
    expires INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE conversation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    last_seq INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE participant (
    account_id INTEGER NOT NULL REFERENCES account (id),
    conversation_id INTEGER NOT NULL REFERENCES conversation (id),
    PRIMARY KEY (account_id, conversation_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX participant_conversation ON participant (conversation_id);

CREATE TABLE message (
    conversation_id INTEGER NOT NULL REFERENCES conversation (id),
    seq INTEGER NOT NULL CHECK (seq > 0),
    kind TEXT NOT NULL CHECK (kind IN ('lobby', 'direct', 'session', 'room')),
    sender_id INTEGER NOT NULL REFERENCES account (id),
    ulid TEXT NOT NULL CHECK (length(ulid) = 26),
    time INTEGER NOT NULL,
    scheme TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (conversation_id, seq),
    UNIQUE (conversation_id, sender_id, ulid)
) STRICT, WITHOUT ROWID;

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

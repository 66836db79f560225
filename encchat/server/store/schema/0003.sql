-- Version 3: end-to-end keys, inboxes, key backups, rooms. All keys are public ones; what is sealed the server cannot open.
CREATE TABLE identity (
    account_id INTEGER NOT NULL REFERENCES account (id),
    number INTEGER NOT NULL CHECK (number > 0),
    algorithm TEXT NOT NULL,
    key TEXT NOT NULL,
    signature TEXT NOT NULL,
    PRIMARY KEY (account_id, number)
) STRICT, WITHOUT ROWID;

-- What a device published; keys is the JSON of wire.DeviceKeys without its vouch, empty before the first upload.
CREATE TABLE device_keys (
    device_key BLOB PRIMARY KEY REFERENCES device (key) ON DELETE CASCADE,
    keys TEXT NOT NULL,
    vouch TEXT NOT NULL,
    generation INTEGER NOT NULL,
    fallback_id TEXT,
    fallback_key TEXT,
    fallback_signature TEXT,
    fallback_used INTEGER NOT NULL DEFAULT 0,
    inbox_seq INTEGER NOT NULL DEFAULT 0,
    inbox_waiting INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- A claimed key stays for a while, so that an upload repeated after a crash does not offer it again.
CREATE TABLE one_time_key (
    device_key BLOB NOT NULL REFERENCES device (key) ON DELETE CASCADE,
    id TEXT NOT NULL,
    key TEXT NOT NULL,
    signature TEXT NOT NULL,
    claimed INTEGER,
    PRIMARY KEY (device_key, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX one_time_key_left ON one_time_key (device_key) WHERE claimed IS NULL;

CREATE TABLE inbox (
    device_key BLOB NOT NULL REFERENCES device (key) ON DELETE CASCADE,
    seq INTEGER NOT NULL CHECK (seq > 0),
    sender_id INTEGER NOT NULL REFERENCES account (id),
    sender_device TEXT NOT NULL,
    ulid TEXT NOT NULL CHECK (length(ulid) = 26),
    body TEXT NOT NULL,
    PRIMARY KEY (device_key, seq)
) STRICT, WITHOUT ROWID;

-- Which batches of parcels have been put into inboxes, so that one sent again after a lost answer is not put twice.
CREATE TABLE parcel_batch (
    sender_id INTEGER NOT NULL REFERENCES account (id),
    ulid TEXT NOT NULL CHECK (length(ulid) = 26),
    time INTEGER NOT NULL,
    PRIMARY KEY (sender_id, ulid)
) STRICT, WITHOUT ROWID;

CREATE TABLE backup (
    account_id INTEGER NOT NULL REFERENCES account (id),
    name TEXT NOT NULL,
    sealed TEXT NOT NULL,
    PRIMARY KEY (account_id, name)
) STRICT, WITHOUT ROWID;

ALTER TABLE account ADD COLUMN calls TEXT NOT NULL DEFAULT 'auto' CHECK (calls IN ('auto', 'ask', 'never'));

-- A room's conversation has the key room:ID; a closed one (nobody is in it) gives its name free.
CREATE TABLE room (
    id TEXT PRIMARY KEY CHECK (length(id) = 26),
    conversation_id INTEGER NOT NULL UNIQUE REFERENCES conversation (id),
    name TEXT NOT NULL,
    folded TEXT UNIQUE,
    scheme TEXT NOT NULL,
    policy TEXT NOT NULL CHECK (policy IN ('signed', 'deniable')),
    history TEXT NOT NULL CHECK (history IN ('none', 'since-invite', 'all')),
    open INTEGER NOT NULL,
    version INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- folded is the account's, which never changes: members are listed by it.
-- from_seq and until_seq: what of the log the account may read, both included; until_seq is null while it is a member.
CREATE TABLE member (
    room_id TEXT NOT NULL REFERENCES room (id),
    account_id INTEGER NOT NULL REFERENCES account (id),
    folded TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('owner', 'moderator', 'member')),
    state TEXT NOT NULL CHECK (state IN ('joined', 'invited', 'gone')),
    by TEXT NOT NULL,
    since INTEGER NOT NULL,
    from_seq INTEGER NOT NULL,
    until_seq INTEGER,
    statement TEXT NOT NULL,
    PRIMARY KEY (room_id, account_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX member_account ON member (account_id);

CREATE INDEX member_folded ON member (room_id, folded);

CREATE UNIQUE INDEX member_owner ON member (room_id) WHERE role = 'owner';

-- Only server-key rooms have these; the server can read those rooms, and everybody in them is shown so.
-- since: the seq from which on it is in force.
CREATE TABLE room_key (
    room_id TEXT NOT NULL REFERENCES room (id),
    version INTEGER NOT NULL CHECK (version > 0),
    key BLOB NOT NULL CHECK (length(key) = 32),
    since INTEGER NOT NULL,
    PRIMARY KEY (room_id, version)
) STRICT, WITHOUT ROWID;

-- Version 2: devices and their cursors, retention, sanctions, the audit log.
ALTER TABLE device ADD COLUMN created INTEGER NOT NULL DEFAULT 0;

ALTER TABLE device ADD COLUMN last_seen INTEGER;

ALTER TABLE conversation ADD COLUMN kind TEXT NOT NULL DEFAULT 'direct' CHECK (kind IN ('lobby', 'direct', 'room'));

UPDATE conversation SET kind = 'lobby' WHERE key = 'lobby';

-- What a device has taken: everything of the conversation up to seq.
CREATE TABLE cursor (
    device_key BLOB NOT NULL REFERENCES device (key) ON DELETE CASCADE,
    conversation_id INTEGER NOT NULL REFERENCES conversation (id),
    seq INTEGER NOT NULL CHECK (seq >= 0),
    PRIMARY KEY (device_key, conversation_id)
) STRICT, WITHOUT ROWID;

-- Devices from before this version have seen the lobby live.
INSERT INTO cursor (device_key, conversation_id, seq)
    SELECT device.key, conversation.id, conversation.last_seq FROM device, conversation WHERE conversation.kind = 'lobby';

-- Where messages that retention took away had been, so that one sent again still gets its first place.
CREATE TABLE removed (
    conversation_id INTEGER NOT NULL REFERENCES conversation (id),
    sender_id INTEGER NOT NULL REFERENCES account (id),
    ulid TEXT NOT NULL,
    seq INTEGER NOT NULL,
    time INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, sender_id, ulid)
) STRICT, WITHOUT ROWID;

CREATE INDEX removed_time ON removed (time);

CREATE TABLE sanction (
    kind TEXT NOT NULL CHECK (kind IN ('ban', 'mute')),
    target TEXT NOT NULL,
    by TEXT NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    PRIMARY KEY (kind, target)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target TEXT NOT NULL,
    detail TEXT NOT NULL
) STRICT;

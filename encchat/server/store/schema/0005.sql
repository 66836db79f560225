-- Version 5: a message is put at the end of the table and not among those of its conversation, so that a batch of many
-- conversations writes few pages; ulid stands first in its index for the same reason, as the newest are the greatest.
CREATE TABLE message_5 (
    conversation_id INTEGER NOT NULL REFERENCES conversation (id),
    seq INTEGER NOT NULL CHECK (seq > 0),
    kind TEXT NOT NULL CHECK (kind IN ('lobby', 'direct', 'session', 'room')),
    sender_id INTEGER NOT NULL REFERENCES account (id),
    ulid TEXT NOT NULL CHECK (length(ulid) = 26),
    time INTEGER NOT NULL,
    scheme TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (conversation_id, seq),
    UNIQUE (ulid, sender_id, conversation_id)
) STRICT;

INSERT INTO message_5 SELECT * FROM message ORDER BY conversation_id, seq;

DROP TABLE message;

ALTER TABLE message_5 RENAME TO message;

-- Version 4: rooms of which the server stores nothing that is said; their log has who came and went, and no message.
ALTER TABLE room ADD COLUMN ephemeral INTEGER NOT NULL DEFAULT 0 CHECK (ephemeral IN (0, 1));

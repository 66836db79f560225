-- Version 2: what end-to-end encryption remembers. A tag stands for the name of an entry, which is sealed with its value.
CREATE TABLE state (
    kind TEXT NOT NULL,
    tag BLOB NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (kind, tag)
) STRICT, WITHOUT ROWID;

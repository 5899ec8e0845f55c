-- The four kinds of store.h. Texts hold the bytes as they are; times are microseconds since 1970 UTC.
CREATE TABLE kv (
    tbl TEXT NOT NULL, owner TEXT NOT NULL, key TEXT NOT NULL,
    rev INTEGER NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (tbl, owner, key)
);
CREATE TABLE map (
    tbl TEXT NOT NULL, owner TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (tbl, owner, key)
) WITHOUT ROWID;
CREATE TABLE map_version (
    tbl TEXT NOT NULL, owner TEXT NOT NULL, version INTEGER NOT NULL,
    PRIMARY KEY (tbl, owner)
) WITHOUT ROWID;
-- bytes is the size of payload. AUTOINCREMENT: a sequence number is never given twice, also not after a trim.
CREATE TABLE log (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    tbl TEXT NOT NULL, owner TEXT NOT NULL, id TEXT NOT NULL,
    at_us INTEGER NOT NULL, with_jid TEXT, bytes INTEGER NOT NULL, payload TEXT NOT NULL
);
CREATE UNIQUE INDEX log_id ON log (tbl, owner, id);
CREATE INDEX log_order ON log (tbl, owner, seq, bytes);
CREATE TABLE lease (
    key TEXT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL, incarnation INTEGER NOT NULL, expires_wall_us INTEGER NOT NULL
) WITHOUT ROWID;

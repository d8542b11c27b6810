-- Chains of records, and what is kept of items. On the path of a certificate rows are appended to record and kept, nothing more.

CREATE TABLE chain (
    id       INTEGER PRIMARY KEY,
    instance TEXT    NOT NULL UNIQUE,
    seq      INTEGER NOT NULL, -- the end of the chain
    link     BLOB    NOT NULL,
    settled  INTEGER NOT NULL, -- up to here every intent has its outcome
    fence    INTEGER NOT NULL  -- counts those who held it
) STRICT;

CREATE TABLE record (
    id     INTEGER PRIMARY KEY, -- chain << 40 | seq
    link   BLOB NOT NULL,
    digest BLOB NOT NULL,
    record BLOB, -- NULL where it is forgotten
    detail BLOB
) STRICT;

CREATE TABLE kept (
    id    INTEGER PRIMARY KEY,
    due   INTEGER NOT NULL, -- of the last of them, in seconds since 1970
    items BLOB    NOT NULL  -- each: key 16, due 8, length 2, that many bytes encrypted
) STRICT;

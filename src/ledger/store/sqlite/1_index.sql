-- What questions need, in a file of its own: built behind the path of a certificate, a segment of records at a time. Where it is lost
-- it is built anew from the records; also where this text is another than the one that it was made by.

CREATE TABLE segment (
    id      INTEGER PRIMARY KEY,
    chain   INTEGER NOT NULL,
    through INTEGER NOT NULL, -- the last record of the chain that is in it
    link    BLOB    NOT NULL -- the chain's link there
) STRICT;

-- The places of certificates, sorted by the first 8 bytes of one of their hashes, some 256 a page.
CREATE TABLE page (
    kind    INTEGER NOT NULL, -- 1 UVCI, 2 item_id, 3 signature
    segment INTEGER NOT NULL,
    first   INTEGER NOT NULL, -- the first 8 bytes of the first of them, less 2^63
    places  BLOB    NOT NULL, -- each: the 8 bytes, the record's place 6, the entry's 2
    PRIMARY KEY (kind, segment, first)
) STRICT, WITHOUT ROWID;

-- One row an outcome in which something was signed.
CREATE TABLE signing (
    id           INTEGER PRIMARY KEY, -- chain << 40 | seq of the outcome
    intent       INTEGER NOT NULL,
    at           INTEGER NOT NULL, -- seconds since 1970
    caller       TEXT    NOT NULL,
    person       TEXT,
    profile      TEXT    NOT NULL,
    kid          BLOB    NOT NULL,
    vaccinations INTEGER NOT NULL,
    tests        INTEGER NOT NULL,
    recoveries   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL -- of the last to expire
) STRICT;

-- What was revoked, by outcome; one row an outcome and revocation. It stays when the outcome is forgotten, as the revocation does.
CREATE TABLE revoked (
    instance   TEXT    NOT NULL, -- whose chain the outcome is in
    seq        INTEGER NOT NULL, -- of the outcome
    revocation INTEGER NOT NULL, -- chain << 40 | seq of the revocation
    at         INTEGER NOT NULL, -- when that was put on record, in seconds since 1970
    entries    BLOB    NOT NULL, -- the indexes of the entries, 2 bytes each
    PRIMARY KEY (instance, seq, revocation)
) STRICT, WITHOUT ROWID;

CREATE INDEX signing_at ON signing (at);
CREATE INDEX signing_caller ON signing (caller, at);
CREATE INDEX signing_person ON signing (person, at) WHERE person IS NOT NULL;
CREATE INDEX signing_kid ON signing (kid, at);
CREATE INDEX signing_expires ON signing (expires_at);

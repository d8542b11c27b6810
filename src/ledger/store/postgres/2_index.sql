-- What questions need, built behind the path of a certificate, a segment of records at a time. It can be built anew from the records.

CREATE TABLE segment (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    chain   bigint NOT NULL,
    through bigint NOT NULL, -- the last record of the chain that is in it
    UNIQUE (chain, through)
);

-- The places of certificates, sorted by the first 8 bytes of one of their hashes, some 256 a page.
CREATE TABLE page (
    kind    bigint NOT NULL, -- 1 UVCI, 2 item_id, 3 signature
    segment bigint NOT NULL,
    first   bigint NOT NULL, -- the first 8 bytes of the first of them, less 2^63
    places  bytea  NOT NULL, -- each: the 8 bytes, the record's place 6, the entry's 2
    PRIMARY KEY (kind, segment, first)
);
ALTER TABLE page ALTER COLUMN places SET STORAGE EXTERNAL;

-- One row an outcome in which something was signed.
CREATE TABLE signing (
    chain        bigint NOT NULL,
    seq          bigint NOT NULL, -- of the outcome
    intent       bigint NOT NULL,
    at           bigint NOT NULL, -- seconds since 1970
    caller       text   NOT NULL,
    person       text,
    profile      text   NOT NULL,
    kid          bytea  NOT NULL,
    vaccinations bigint NOT NULL,
    tests        bigint NOT NULL,
    recoveries   bigint NOT NULL,
    expires_at   bigint NOT NULL, -- of the last to expire
    PRIMARY KEY (chain, seq)
);

CREATE INDEX signing_at ON signing (at);
CREATE INDEX signing_caller ON signing (caller, at);
CREATE INDEX signing_person ON signing (person, at) WHERE person IS NOT NULL;
CREATE INDEX signing_kid ON signing (kid, at);

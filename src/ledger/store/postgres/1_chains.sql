-- Chains of records; and items, claimed and kept, which several processes share.

CREATE TABLE chain (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance text        NOT NULL UNIQUE,
    seq      bigint      NOT NULL, -- the end of the chain
    link     bytea       NOT NULL,
    settled  bigint      NOT NULL, -- up to here every intent has its outcome
    fence    bigint      NOT NULL, -- counts those who held it
    holder   bytea,                -- who holds it, or held it last
    until    timestamptz NOT NULL  -- by this server's clock
) WITH (fillfactor = 10); -- room beside each row, which changes at every commit

CREATE TABLE record (
    chain  bigint NOT NULL, -- its id
    seq    bigint NOT NULL,
    link   bytea  NOT NULL,
    digest bytea  NOT NULL,
    record bytea, -- NULL where it is forgotten
    detail bytea,
    PRIMARY KEY (chain, seq)
);
-- Hashes do not become smaller.
ALTER TABLE record ALTER COLUMN detail SET STORAGE EXTERNAL;

-- In work: holder and until; kept: sealed and due.
CREATE TABLE item (
    key    bytea  PRIMARY KEY, -- hashed under the ledger's oldest key
    claim  bigint NOT NULL,
    holder bytea,
    until  timestamptz,        -- by this server's clock
    sealed bytea,
    due    bigint,             -- in seconds since 1970
    CHECK ((until IS NULL) = (holder IS NULL)),
    CHECK ((until IS NULL) = (sealed IS NOT NULL)),
    CHECK ((due IS NULL) = (sealed IS NULL))
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.05);
CREATE INDEX item_until ON item (until) WHERE until IS NOT NULL;
CREATE INDEX item_due ON item (due) WHERE due IS NOT NULL;

-- The name of the ledger key that the items' keys are hashed under.
CREATE TABLE claim_key (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    id  bytea   NOT NULL
);

-- What was revoked, by outcome; one row an outcome and revocation. It stays when the outcome is forgotten, as the revocation does.

CREATE TABLE revoked (
    instance   text   NOT NULL, -- whose chain the outcome is in
    seq        bigint NOT NULL, -- of the outcome
    chain      bigint NOT NULL, -- that of the revocation
    revocation bigint NOT NULL, -- its seq
    at         bigint NOT NULL, -- when that was put on record, in seconds since 1970
    entries    bytea  NOT NULL, -- the indexes of the entries, 2 bytes each
    PRIMARY KEY (instance, seq, chain, revocation)
);

-- What was indexed before says nothing of revocations: it is built anew. A Sceau that does not say how many there are writes no more.
TRUNCATE segment, page, signing;
ALTER TABLE segment ADD COLUMN revoked bigint NOT NULL; -- rows of the table above that came with it

-- To append one record is one statement, and a transaction of its own: for the writer, who runs on another thread than those who wait
-- for it, each statement is a change of threads there and back, and a certificate that somebody waits for has two records.

CREATE VIEW append (chain, fence, from_seq, from_link, settled, seq, id, link, digest, record, detail, due, groups) AS
    SELECT 0, 0, 0, x'', 0, 0, 0, x'', x'', x'', x'', 0, x'' WHERE false;

CREATE TRIGGER append_record INSTEAD OF INSERT ON append BEGIN
    -- An end that is elsewhere would become NULL, which the table refuses: nothing is written then.
    UPDATE chain SET
        seq = CASE WHEN fence = NEW.fence AND seq = NEW.from_seq AND link = NEW.from_link THEN NEW.seq END,
        link = NEW.link,
        settled = NEW.settled
    WHERE id = NEW.chain;
    INSERT INTO record (id, link, digest, record, detail) VALUES (NEW.id, NEW.link, NEW.digest, NEW.record, NEW.detail);
    INSERT INTO kept_group (due, groups) SELECT NEW.due, NEW.groups WHERE NEW.groups IS NOT NULL;
END;

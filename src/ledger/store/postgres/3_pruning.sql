-- Pruning: what is to be found for it, and how far it has come.

ALTER TABLE chain ADD COLUMN pruned_before bigint;  -- what was pruned had ended before, in seconds since 1970; NULL where nothing was
ALTER TABLE chain ADD COLUMN pruning_behind bigint; -- prunings behind this place may not be carried out yet; NULL where all are

CREATE INDEX signing_expires ON signing (chain, expires_at);

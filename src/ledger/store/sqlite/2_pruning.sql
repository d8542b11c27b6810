-- Pruning: how far it has come.

ALTER TABLE chain ADD COLUMN pruned_before INTEGER;  -- what was pruned had ended before, in seconds since 1970; NULL where nothing was
ALTER TABLE chain ADD COLUMN pruning_behind INTEGER; -- prunings behind this place may not be carried out yet; NULL where all are

-- What is kept of items, sealed in groups. From here on `kept` is only read, and emptied as its items fall due. A table of its own:
-- SQLite reads all of a STRICT table to add a column to it.

CREATE TABLE kept_group (
    id     INTEGER PRIMARY KEY,
    due    INTEGER NOT NULL, -- of the last of them, in seconds since 1970
    groups BLOB    NOT NULL  -- each: due 8, how many items 4, length 4, that many bytes encrypted
) STRICT;

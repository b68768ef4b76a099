-- Times are seconds since the epoch. Text is UTF-8 and compared byte by byte.

CREATE TABLE entry (
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket      TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    kind        TEXT    NOT NULL CHECK (kind IN ('put', 'delete')),
    state       TEXT    NOT NULL DEFAULT 'pending'
                        CHECK (state IN ('pending', 'settling', 'parked')),
    -- The oldest of its key that is not parked, or parked: it may be replayed.
    head        INTEGER NOT NULL,
    size        INTEGER NOT NULL DEFAULT 0,
    md5         TEXT,
    attributes  TEXT    NOT NULL,
    acked_at    REAL    NOT NULL,
    not_before  REAL    NOT NULL DEFAULT 0,
    attempts    INTEGER NOT NULL DEFAULT 0,
    doubtful    INTEGER NOT NULL DEFAULT 0,
    -- Doubt that older ones of its key left to it; 0: none.
    doubt_until REAL    NOT NULL DEFAULT 0,
    -- 1 while a process is sending it.
    begun       INTEGER NOT NULL DEFAULT 0,
    error       TEXT    NOT NULL DEFAULT '',
    remote      TEXT    NOT NULL DEFAULT '',
    etag        TEXT    NOT NULL DEFAULT '',
    file        TEXT
) STRICT;

CREATE INDEX entry_by_key ON entry (bucket, key, seq);
CREATE INDEX entry_ready ON entry (not_before, seq) WHERE head = 1;
CREATE INDEX entry_parked ON entry (seq) WHERE state = 'parked';
CREATE INDEX entry_file ON entry (file) WHERE file IS NOT NULL;
CREATE INDEX entry_begun ON entry (seq) WHERE begun = 1;
CREATE INDEX entry_bucket ON entry (seq) WHERE key = '';
CREATE INDEX entry_settling ON entry (seq) WHERE state = 'settling';
CREATE INDEX entry_doubt ON entry (seq) WHERE doubt_until > 0;

-- Small bodies, apart so that a walk over the entries does not read them.
CREATE TABLE body (
    seq   INTEGER PRIMARY KEY REFERENCES entry (seq) ON DELETE CASCADE,
    bytes BLOB NOT NULL
) STRICT;

-- Bodies in segments: the parts of a multipart upload, each in a file of its own.
CREATE TABLE segment (
    seq       INTEGER NOT NULL REFERENCES entry (seq) ON DELETE CASCADE,
    number    INTEGER NOT NULL,
    file      TEXT    NOT NULL,
    size      INTEGER NOT NULL,
    md5       TEXT    NOT NULL,
    -- Further checksums that came with it, as JSON, by the name of their header.
    checksums TEXT    NOT NULL,
    PRIMARY KEY (seq, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX segment_file ON segment (file);

-- Counts kept by triggers: a status must not walk a journal of a million entries.
CREATE TABLE tally (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    entries    INTEGER NOT NULL,
    bytes      INTEGER NOT NULL,
    parked     INTEGER NOT NULL,
    part_bytes INTEGER NOT NULL,
    copies     INTEGER NOT NULL
) STRICT;
INSERT INTO tally VALUES (1, 0, 0, 0, 0, 0);

CREATE TRIGGER entry_added AFTER INSERT ON entry BEGIN
    UPDATE tally SET entries = entries + 1, bytes = bytes + new.size,
                     parked = parked + (new.state = 'parked');
END;
CREATE TRIGGER entry_removed AFTER DELETE ON entry BEGIN
    UPDATE tally SET entries = entries - 1, bytes = bytes - old.size,
                     parked = parked - (old.state = 'parked');
END;
CREATE TRIGGER entry_moved AFTER UPDATE OF state ON entry BEGIN
    UPDATE tally SET parked = parked + (new.state = 'parked') - (old.state = 'parked');
END;

-- Multipart uploads that clients began. One that ended is remembered for a while.
CREATE TABLE upload (
    id           TEXT PRIMARY KEY,
    bucket       TEXT NOT NULL,
    key          TEXT NOT NULL,
    attributes   TEXT NOT NULL,
    begun_at     REAL NOT NULL,
    -- Its twin on the external store; empty: none.
    external     TEXT NOT NULL,
    completed_at REAL,
    request      TEXT NOT NULL DEFAULT '',
    etag         TEXT NOT NULL DEFAULT '',
    checksums    TEXT NOT NULL DEFAULT '{}'
) STRICT;
CREATE INDEX upload_by_key ON upload (bucket, key, id) WHERE completed_at IS NULL;
CREATE INDEX upload_by_age ON upload (begun_at) WHERE completed_at IS NULL;
CREATE INDEX upload_completed ON upload (completed_at) WHERE completed_at IS NOT NULL;

CREATE TABLE part (
    upload    TEXT    NOT NULL REFERENCES upload (id) ON DELETE CASCADE,
    number    INTEGER NOT NULL,
    file      TEXT    NOT NULL,
    size      INTEGER NOT NULL,
    md5       TEXT    NOT NULL,
    checksums TEXT    NOT NULL,
    kept_at   REAL    NOT NULL,
    -- The external store's ETag; empty: it is only here.
    sent      TEXT    NOT NULL,
    -- 1: another part had this number before.
    again     INTEGER NOT NULL,
    PRIMARY KEY (upload, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX part_file ON part (file);

CREATE TRIGGER part_added AFTER INSERT ON part BEGIN
    UPDATE tally SET part_bytes = part_bytes + new.size;
END;
CREATE TRIGGER part_removed AFTER DELETE ON part BEGIN
    UPDATE tally SET part_bytes = part_bytes - old.size;
END;

-- Uploads that we have open on the external store: to be aborted when `due`.
CREATE TABLE open_upload (
    upload_id TEXT PRIMARY KEY,
    bucket    TEXT NOT NULL,
    key       TEXT NOT NULL,
    due       REAL NOT NULL
) STRICT;
CREATE INDEX open_upload_due ON open_upload (due);

-- The catalog: objects as the external store last confirmed them.
CREATE TABLE object (
    bucket     TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    size       INTEGER NOT NULL,
    our_etag   TEXT    NOT NULL,
    attributes TEXT    NOT NULL,
    modified   REAL    NOT NULL,
    remote     TEXT    NOT NULL,
    etag       TEXT    NOT NULL,
    -- The number of the last scan that saw it.
    scan       INTEGER NOT NULL DEFAULT 0,
    -- 1: all attributes are known; 0: they have to be asked for; -1: the server refused to say them.
    whole      INTEGER NOT NULL,
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;

-- Few or none: what is to be asked for.
CREATE INDEX object_partial ON object (bucket, key) WHERE whole = 0;

-- The index: buckets that are scanned, and whether the catalog holds all of their objects.
CREATE TABLE bucket (
    name       TEXT    PRIMARY KEY,
    -- When a scan last ended well, and nothing was missed since; else null.
    scanned_at REAL,
    -- 1 when another scan is wanted.
    due        INTEGER NOT NULL,
    -- The number of the latest scan, and whether it is under way.
    scan       INTEGER NOT NULL,
    scanning   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The buckets of the external store; all of them where `read_at` is not null.
CREATE TABLE known_bucket (
    name    TEXT PRIMARY KEY,
    created REAL NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE bucket_list (
    id      INTEGER PRIMARY KEY CHECK (id = 1),
    read_at REAL,
    version INTEGER NOT NULL
) STRICT;
INSERT INTO bucket_list VALUES (1, NULL, 0);

-- What live writes changed while a scan is under way.
CREATE TABLE touched (
    bucket TEXT NOT NULL,
    key    TEXT NOT NULL,
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;

-- Few or none: keys that changed, or may have, in a way that nobody here saw. To be looked at.
CREATE TABLE unsure (
    bucket     TEXT NOT NULL,
    key        TEXT NOT NULL,
    not_before REAL NOT NULL,
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;

-- Few or none: versions that a process asked the external store for, and gave up. '': a DELETE.
CREATE TABLE given_up (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    bucket TEXT NOT NULL,
    key    TEXT NOT NULL,
    etag   TEXT NOT NULL,
    UNIQUE (bucket, key, etag)
) STRICT;

-- Few or none: objects that their writer knows by another ETag than the external store does.
CREATE INDEX object_alias ON object (bucket, key) WHERE our_etag != etag AND etag != '';

-- The cache: copies of objects that the external store has. In queues 0 (small) and 1 (main) they go by
-- their place, the oldest first.
CREATE TABLE copy (
    bucket  TEXT    NOT NULL,
    key     TEXT    NOT NULL,
    version TEXT    NOT NULL,
    size    INTEGER NOT NULL,
    md5     TEXT    NOT NULL,
    file    TEXT    NOT NULL,
    queue   INTEGER NOT NULL,
    place   INTEGER NOT NULL,
    hits    INTEGER NOT NULL,
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX copy_place ON copy (queue, place);
CREATE INDEX copy_file ON copy (file);

-- Names of copies that were given up lately.
CREATE TABLE ghost (
    bucket TEXT    NOT NULL,
    key    TEXT    NOT NULL,
    place  INTEGER NOT NULL,
    PRIMARY KEY (bucket, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX ghost_place ON ghost (place);

-- Buckets that anything may have changed in, and when that was, as a place.
CREATE TABLE forgotten (
    bucket TEXT    PRIMARY KEY,
    place  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE cache (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    small_bytes INTEGER NOT NULL,
    main_bytes  INTEGER NOT NULL,
    place       INTEGER NOT NULL,
    served      INTEGER NOT NULL
) STRICT;
INSERT INTO cache VALUES (1, 0, 0, 0, 0);

CREATE TRIGGER copy_added AFTER INSERT ON copy BEGIN
    UPDATE tally SET copies = copies + 1;
    UPDATE cache SET
        small_bytes = small_bytes + new.size * (new.queue = 0),
        main_bytes = main_bytes + new.size * (new.queue = 1);
END;
CREATE TRIGGER copy_removed AFTER DELETE ON copy BEGIN
    UPDATE tally SET copies = copies - 1;
    UPDATE cache SET
        small_bytes = small_bytes - old.size * (old.queue = 0),
        main_bytes = main_bytes - old.size * (old.queue = 1);
END;
CREATE TRIGGER copy_moved AFTER UPDATE OF queue ON copy BEGIN
    UPDATE cache SET
        small_bytes = small_bytes + new.size * (new.queue = 0) - old.size * (old.queue = 0),
        main_bytes = main_bytes + new.size * (new.queue = 1) - old.size * (old.queue = 1);
END;

-- The board: one machine, one mode.
CREATE TABLE board (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    mode         TEXT    NOT NULL DEFAULT 'external',
    override     TEXT    NOT NULL DEFAULT 'auto',
    use_external INTEGER NOT NULL DEFAULT 1,
    trusted      INTEGER NOT NULL DEFAULT 1,
    breaks       INTEGER NOT NULL DEFAULT 0,
    asked        INTEGER NOT NULL DEFAULT 0,
    answered     INTEGER NOT NULL DEFAULT 0,
    crashed      INTEGER NOT NULL DEFAULT 0,
    suspicion    TEXT    NOT NULL DEFAULT '',
    chosen_by    TEXT    NOT NULL DEFAULT '',
    external     TEXT    NOT NULL DEFAULT '',
    leader       INTEGER NOT NULL DEFAULT 0,
    failover     TEXT    NOT NULL DEFAULT '{}',
    monitor      TEXT    NOT NULL DEFAULT '{}',
    drain        TEXT    NOT NULL DEFAULT '{}'
) STRICT;
INSERT INTO board (id) VALUES (1);

CREATE TABLE change_of_mode (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at     REAL NOT NULL,
    mode   TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;

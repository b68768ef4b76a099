"""Other attributes for an object that waits in the journal: its entry is entered anew.

Under a new number, so that whoever sends the old one now finds that it has left, and confirms
nothing. What was on its way may still land: the new one is in doubt then (I4).
"""

import apsw

from nobreak.stores.sqlite.rows import ENTRY_COLUMNS, attributes_text, entry_from
from nobreak.words import Attributes, Entry

AGAIN = (
    "INSERT INTO entry (bucket, key, kind, head, size, md5, attributes, acked_at, doubtful, "
    "doubt_until, file) SELECT bucket, key, kind, 0, size, md5, ?, acked_at, "
    "iif(state = 'settling', 0, doubtful OR begun OR not_before > 0), "
    "iif(state = 'settling', not_before, doubt_until), file FROM entry WHERE seq = ?"
)


def reattribute(writer: apsw.Connection, entry: Entry, attributes: Attributes) -> Entry | None:
    """See `nobreak.stores.interfaces.Journal.reattribute`."""
    name = (entry.name.bucket, entry.name.key)
    newest = writer.execute("SELECT max(seq) FROM entry WHERE bucket = ? AND key = ?", name)
    if newest.fetchone() != (entry.seq,):
        return None
    writer.execute(AGAIN, (attributes_text(attributes), entry.seq))
    seq = writer.last_insert_rowid()
    for table in ("body", "segment"):
        writer.execute(f"UPDATE {table} SET seq = ? WHERE seq = ?", (seq, entry.seq))
    writer.execute("DELETE FROM entry WHERE seq = ?", (entry.seq,))
    waits = "SELECT 1 FROM entry WHERE bucket = ? AND key = ? AND state != 'parked' AND seq < ?"
    if writer.execute(waits, (*name, seq)).fetchone() is None:
        writer.execute("UPDATE entry SET head = 1 WHERE seq = ?", (seq,))
    row = writer.execute(f"SELECT {ENTRY_COLUMNS} FROM entry WHERE seq = ?", (seq,)).fetchone()
    return entry_from(row)

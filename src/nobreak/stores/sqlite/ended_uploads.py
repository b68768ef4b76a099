"""What ends an upload of a client, within the transaction of whatever it became."""

import json

import apsw

from nobreak.stores.interfaces import Completion
from nobreak.stores.uploads import NoUploadError

COMPLETE = (
    "UPDATE upload SET completed_at = ?, request = ?, etag = ?, checksums = ? "
    "WHERE id = ? AND completed_at IS NULL"
)


def end_upload(
    writer: apsw.Connection,
    completion: Completion,
    used: tuple[str, ...],
    *,
    abandon: float | None,
) -> tuple[str, ...]:
    """An upload is completed from the parts in the files `used`; the files of its other parts.

    `abandon`: when its twin is to be aborted; None when that is the object. Raises `NoUploadError` unless it is under way and has all of them.
    """
    upload_id = completion.upload_id
    row = (
        completion.at,
        completion.request,
        completion.etag,
        json.dumps(dict(completion.checksums)),
    )
    writer.execute(COMPLETE, (*row, upload_id))
    if not writer.changes():
        raise NoUploadError("the upload is not under way any more")
    if abandon is not None:
        _abandon_twin(writer, upload_id, abandon)
    rows = writer.execute("DELETE FROM part WHERE upload = ? RETURNING file", (upload_id,))
    files = tuple(str(file) for (file,) in rows.fetchall())
    if not set(used) <= set(files):
        raise NoUploadError("a part was replaced meanwhile")
    kept = set(used)
    return tuple(file for file in files if file not in kept)


def _abandon_twin(writer: apsw.Connection, upload_id: str, due: float) -> None:
    """The twin of an upload, if it has one, is to be aborted at `due`."""
    sql = "SELECT external, bucket, key, ? FROM upload WHERE id = ? AND external != ''"
    writer.execute(f"INSERT OR REPLACE INTO open_upload {sql}", (due, upload_id))

"""What nobreak may keep once more when it has died, and the judge does not count.

A process that dies takes with it what it knew of its own requests. What the next one then finds of
them on the external server, it can't tell from somebody else's: it keeps both (I1), and says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from nobreak.demo.record import Operation, Version

COPY_MARK = ".conflict-"


def without_spare_copies(
    operations: Sequence[Operation], held: Mapping[str, Version]
) -> tuple[list[Operation], dict[str, Version]]:
    """The same without copies of what some client wrote to the key that they are named after."""
    written = {(op.key, op.version) for op in operations if op.action.writes}

    def counts(key: str, version: Version) -> bool:
        base, mark, _ = key.partition(COPY_MARK)
        return not mark or (base, version) not in written

    def seen(shown: Mapping[str, Version]) -> dict[str, Version]:
        return {key: version for key, version in shown.items() if counts(key, version)}

    judged = [
        replace(op, page=replace(op.page, shown=seen(op.page.shown))) if op.page else op
        for op in operations
    ]
    return judged, seen(held)

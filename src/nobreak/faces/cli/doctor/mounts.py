"""Which file system a folder is on, from `/proc/self/mountinfo` (proc(5))."""

import os
import re
from pathlib import Path

MOUNTS = Path("/proc/self/mountinfo")
UNKNOWN = "?"
_OCTAL = re.compile(r"\\([0-7]{3})")


def file_system_of(folder: Path, mounts: Path = MOUNTS) -> str:
    """Its type, such as `ext4`; `?` where the system doesn't tell."""
    try:
        lines = mounts.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return UNKNOWN
    place = os.path.realpath(folder)
    best, kind = "", UNKNOWN
    for line in lines:
        left, _, right = line.partition(" - ")
        point = _OCTAL.sub(lambda match: chr(int(match[1], 8)), left.split()[4])
        inside = place == point or place.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):  # of mounts on one point the last is on top
            best, kind = point, right.split()[0]
    return kind

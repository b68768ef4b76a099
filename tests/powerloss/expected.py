"""What must be found after a power cut: all that was acknowledged, and of the rest all or nothing.

It is told the marks of a recording up to the cut, and compares them with what a restart has found.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.powerloss.marks import Mark, Sort
from tests.powerloss.restart import Found

OBJECTS = frozenset({"put", "delete", "complete"})
BUCKETS = frozenset({"make-bucket", "delete-bucket"})
ENDS = frozenset({"complete", "abort"})
AUTO = "auto"


@dataclass
class Line:
    """The operations on one thing, one after the other: what it may be now."""

    before: str
    versions: list[tuple[int, str]] = field(default_factory=list)
    acked: int = -1
    """The place of the last one that was acknowledged."""

    def begin(self, number: int, version: str) -> None:
        self.versions.append((number, version))

    def ack(self, number: int) -> None:
        self.acked = next(at for at, each in enumerate(self.versions) if each[0] == number)

    @property
    def allowed(self) -> set[str]:
        """The last acknowledged version, or one that was begun since."""
        least = self.before if self.acked < 0 else self.versions[self.acked][1]
        return {least, *(version for _, version in self.versions[self.acked + 1 :])}


@dataclass
class Going:
    """A multipart upload that a client was told of."""

    parts: defaultdict[int, Line] = field(default_factory=lambda: defaultdict(lambda: Line("")))
    end: Line = field(default_factory=lambda: Line("under way"))


class Expected:
    """See the module."""

    def __init__(self) -> None:
        self._objects: defaultdict[str, Line] = defaultdict(lambda: Line(""))
        self._buckets: defaultdict[str, Line] = defaultdict(lambda: Line(""))
        self._uploads: defaultdict[str, Going] = defaultdict(Going)
        self._mode = Line(AUTO)
        self._outside: dict[str, str] = {}
        self._outside_buckets: dict[str, str] = {}
        self._under_way: dict[int, str] = {}
        self._named = False
        self.acked = 0
        """How many operations were acknowledged."""

    def follow(self, mark: Mark) -> None:
        """One more thing has happened."""
        match mark.sort:
            case Sort.OPEN:
                self._named = mark.what == "names"
            case Sort.SENT:
                self._under_way[mark.number] = mark.key
            case Sort.LANDED:
                self._forget(mark.key)
                outside = self._outside_buckets if mark.what in BUCKETS else self._outside
                outside[mark.key] = mark.version
            case Sort.BEGIN:
                for line in self._lines(mark):
                    line.begin(mark.number, _version(mark))
            case Sort.ACK:
                self.acked += 1
                for line in self._lines(mark):
                    line.ack(mark.number)

    def _forget(self, key: str) -> None:
        """The store has it now, after whatever was given up before (which may not land later here)."""
        self._under_way = {n: name for n, name in self._under_way.items() if name != key}

    def _lines(self, mark: Mark) -> Iterator[Line]:
        """What an operation is about."""
        if mark.what in OBJECTS:
            yield self._objects[mark.key]
        if mark.what in BUCKETS:
            yield self._buckets[mark.key]
        if mark.what in ENDS:
            yield self._uploads[mark.upload].end
        if mark.what == "part":
            yield self._uploads[mark.upload].parts[mark.part]
        if mark.what == "mode":
            yield self._mode
        if mark.what == "begin-upload" and mark.upload:
            self._uploads[mark.upload]

    @property
    def keys(self) -> list[str]:
        """All objects that anybody has written or begun to."""
        return list(self._objects)

    @property
    def outside(self) -> dict[str, str]:
        """What the external store has: versions by key."""
        return {key: version for key, version in self._outside.items() if version}

    def judge_answers(self, answers: dict[str, str | None]) -> list[str]:
        """What is wrong with what clients were answered: the MD5 of a body, empty for 404, None for 503.

        Who gets a 503 is not lied to; but the journal must not hold what was asked for.
        """
        wrong = []
        for key, line in self._objects.items():
            allowed = {version.partition(" ")[0] for version in line.allowed}
            outside = self._outside.get(key, "").partition(" ")[0]
            now = answers[key] if answers[key] is not None else outside
            if now not in allowed:
                wrong.append(f"{key}: a client got {_said(now or '')}, not {_said(*allowed)}")
        return wrong

    def judge(self, found: Found) -> list[str]:
        """What is wrong; nothing, if all is well."""
        if found.trouble:
            return [f"does not start: {found.trouble}"]
        return [
            *found.damaged,
            *self._lost_objects(found),
            *self._lost_buckets(found),
            *self._lost_uploads(found),
            *self._wrong_board(found),
            *self._unmarked(found),
            *self._wrong_catalog(found),
        ]

    def _lost_objects(self, found: Found) -> Iterator[str]:
        # Where the server chooses names, an object that the catalog doesn't know can't be found.
        outside = found.rows if self._named else self._outside
        for key in self._objects.keys() | found.objects.keys():
            line = self._objects[key]
            now = found.objects.get(key, outside.get(key, ""))
            if now not in line.allowed:
                beyond = "the catalog" if self._named else "the external store"
                place = "the journal" if key in found.objects else beyond
                yield f"{key}: {place} has {_said(now)}, not {_said(*line.allowed)}"

    def _lost_buckets(self, found: Found) -> Iterator[str]:
        for name, line in self._buckets.items():
            now = found.buckets.get(name, self._outside_buckets.get(name, ""))
            if now not in line.allowed:
                yield f"bucket {name}: {_said(now)}, not {_said(*line.allowed)}"

    def _lost_uploads(self, found: Found) -> Iterator[str]:
        for upload, going in self._uploads.items():
            now = found.uploads.get(upload)
            if now is None:
                yield f"upload {upload[:8]} is gone"
            elif now.ended and going.end.allowed == {going.end.before}:
                yield f"upload {upload[:8]} has ended"
            elif not now.ended and going.end.before not in going.end.allowed:
                yield f"upload {upload[:8]} has not ended"
            elif not now.ended:
                yield from _lost_parts(upload, going, now.parts)

    def _wrong_board(self, found: Found) -> Iterator[str]:
        if found.override not in self._mode.allowed:
            yield f"the mode was chosen {found.override}, not {_said(*self._mode.allowed)}"
        keys = sorted(set(self._under_way.values()) - found.doubtful)
        if keys and not found.crashed:
            yield f"nobody knows that requests were under way (I4): {', '.join(keys)}"

    def _unmarked(self, found: Found) -> Iterator[str]:
        if self.acked and not found.marked:
            yield "journal.id is gone: an empty journal would be taken for this one (I7)"

    def _wrong_catalog(self, found: Found) -> Iterator[str]:
        """A catalog that is said to be complete answers lists (I2)."""
        if not found.complete:
            return
        unsure = {key for key, line in self._objects.items() if len(line.allowed) > 1}
        unsure |= set(self._under_way.values()) | found.objects.keys()
        for key in (found.rows.keys() | self._outside.keys()) - unsure:
            ours, theirs = found.rows.get(key, ""), self._outside.get(key, "").partition(" ")[0]
            if ours != theirs:
                yield f"{key}: the catalog is called complete and has {_said(ours)}, not {_said(theirs)}"


def _version(mark: Mark) -> str:
    """What the operation makes of the thing that it is about."""
    match mark.what:
        case "abort":
            return "aborted"
        case "mode":
            return mark.key
        case _:
            return mark.version


def _lost_parts(upload: str, going: Going, parts: dict[int, str]) -> Iterator[str]:
    for number in going.parts.keys() | parts.keys():
        now, allowed = parts.get(number, ""), going.parts[number].allowed
        if now not in allowed:
            yield f"upload {upload[:8]}, part {number}: {_said(now)}, not {_said(*allowed)}"


def _said(*versions: str) -> str:
    return " or ".join(_short(version) for version in sorted(versions))


def _short(version: str) -> str:
    digest, _, tags = version.partition(" ")
    return " ".join(filter(None, (digest[:8], tags))) or "nothing"

"""Keys on which a request could still land, though no entry says so (I4).

That is so while an attempt is under way, and after one that ended unknown and that nothing was
acknowledged for: the client went away, or the local disk could not take the write. Until it is
over, writes to such a key go through the journal and settle. After a crash that is so for every
key: nobody knows what the dead process had under way.

All processes of the data directory see each other's (`stores.local.claims`). A write that goes to
the external store claims its key; one that goes to the journal claims that nobody else sends
anything until its entry is there, or learns that somebody does.
"""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from nobreak.stores.interfaces import Board, Condition
from nobreak.stores.local.claims import ALONE, BEHIND, FENCED, FREE, LANDS, SHARED, Claims, Place
from nobreak.words import ObjectName


@dataclass(slots=True)
class _Here:
    """What this process has to do with a key now, counted, and what of the key it has locked."""

    place: Place
    feared: int = 0
    """Requests that could still land."""
    fenced: int = 0
    """Conditional ones."""
    sending: int = 0
    """Requests that could still land, and be acknowledged."""
    behind: int = 0
    """Writes on their way into the journal."""
    untold: int = 0
    """Rows of the catalog that could not be written."""
    lands: int = FREE
    fence: int = FREE

    @property
    def idle(self) -> bool:
        return not (self.feared or self.fenced or self.behind or self.untold)

    @property
    def given_up(self) -> bool:
        """Whether one of the requests that could still land is acknowledged to nobody."""
        return self.feared > self.sending


class Hold:
    """One write's hold on its key, until `release`; also a context manager.

    `direct`: it may go to the external store. `fenced`: as a conditional one. Else it goes to the
    journal; `rival`: a request is under way that may yet be acknowledged. `condition`: what its
    entry depends on.
    """

    def __init__(
        self,
        doubts: "Doubts",
        name: ObjectName,
        *,
        direct: bool = False,
        fenced: bool = False,
        doubtful: bool = False,
        rival: bool = False,
    ) -> None:
        self.direct, self.fenced, self.rival = direct, fenced, rival
        self.condition: Condition | None = None
        self._doubtful = doubtful
        self._doubts = doubts
        self._name = name
        self._released = False

    @property
    def doubtful(self) -> bool:
        """Whether an older request could land on an entry that is made now."""
        return self._doubtful or (not self.direct and self._doubts.near(self._name))

    def release(self) -> None:
        """Its write has ended. May be called twice."""
        if not self._released:
            self._released = True
            self._doubts.released(self._name, direct=self.direct, fenced=self.fenced)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.release()


class Doubts:
    """See the module."""

    def __init__(self, board: Board, claims: Claims) -> None:
        self._board = board
        self._claims = claims
        self._here: dict[ObjectName, _Here] = {}

    def __contains__(self, name: ObjectName) -> bool:
        """Whether a request of any process could land on the key."""
        return self.near(name) or self.others_send(name)

    def others_send(self, name: ObjectName) -> bool:
        """Whether a request of another process could land on the key."""
        place, claims = self._claims.place(name.bucket, name.key), self._claims
        return not (claims.is_free(place, SHARED, LANDS) and claims.is_free(place, ALONE, FENCED))

    def near(self, name: ObjectName) -> bool:
        """Whether a request of this process could, or one of a dead one: a look without a cost.

        Enough for who tries to hold the key next: what others do is seen then.
        """
        here = self._here.get(name)
        return (here is not None and here.fenced > 0) or self.unfenced(name)

    def under_way(self, name: ObjectName) -> bool:
        """Whether a request of a process that lives could."""
        here = self._here.get(name)
        return (here is not None and here.feared + here.fenced > 0) or self.others_send(name)

    def unfenced(self, name: ObjectName) -> bool:
        """The same, of requests that would land whatever is there by then.

        A conditional one would not: the external store refuses one that comes late.
        """
        here = self._here.get(name)
        return (here is not None and here.feared > 0) or self._board.read().crashed

    def direct(self, name: ObjectName, *, fenced: bool = False) -> Hold | None:
        """Hold the key for a write that goes to the external store; None: it must not.

        `fenced`: for a conditional write. Several of these may be under way: one wins there.
        """
        here = self._of(name)
        if here.feared or here.behind or (here.fenced and not fenced):
            return None
        if fenced:
            here.fenced += 1
        else:
            here.feared, here.sending = here.feared + 1, here.sending + 1
        hold = Hold(self, name, direct=True, fenced=fenced)
        if not self._lock(here):
            hold.release()
            return None
        return hold

    def behind(self, name: ObjectName) -> Hold:
        """Hold the key for a write that goes to the journal: none goes past it meanwhile."""
        here = self._of(name)
        here.behind += 1
        others = not self._lock(here)
        doubtful = others or not self._claims.is_free(here.place, ALONE, FENCED)
        # What another process has under way can't be told from what it has given up.
        return Hold(self, name, doubtful=doubtful, rival=others or here.sending > 0)

    def row_is_behind(self, name: ObjectName) -> None:
        """The catalog's row of the key is not what was last written, until `row_is_right`.

        A name without a key stands for all rows of its bucket. Counts.
        """
        here = self._of(name)
        here.untold += 1
        if here.untold == 1:
            self._claims.take(here.place, SHARED, BEHIND)

    def row_is_right(self, name: ObjectName) -> None:
        """The row is right again, or gone."""
        here = self._here[name]
        here.untold -= 1
        if not here.untold:
            self._claims.take(here.place, FREE, BEHIND)
        self._unlock(name, here)

    def is_row_behind(self, name: ObjectName) -> bool:
        """Whether any process knows the catalog's row of the key to be wrong."""
        here = self._here.get(name)
        if here is not None and here.untold > 0:
            return True
        place = self._claims.place(name.bucket, name.key)
        return not self._claims.is_free(place, ALONE, BEHIND)

    def begin(self, name: ObjectName) -> None:
        """Doubt this key until `end` was called as often."""
        here = self._of(name)
        here.feared += 1
        self._lock(here)

    def end(self, name: ObjectName) -> None:
        """One reason less to doubt it."""
        here = self._here[name]
        here.feared -= 1
        self._unlock(name, here)

    def released(self, name: ObjectName, *, direct: bool, fenced: bool) -> None:
        """For `Hold`."""
        here = self._here[name]
        if not direct:
            here.behind -= 1
        elif fenced:
            here.fenced -= 1
        else:
            here.feared, here.sending = here.feared - 1, here.sending - 1
        self._unlock(name, here)

    def _of(self, name: ObjectName) -> _Here:
        here = self._here.get(name)
        if here is None:
            here = self._here[name] = _Here(self._claims.place(name.bucket, name.key))
        return here

    def _unlock(self, name: ObjectName, here: _Here) -> None:
        self._lock(here)
        if here.idle:
            del self._here[name]

    def _lock(self, here: _Here) -> bool:
        """Lock of the key what is counted; whether nobody else minds.

        A conditional request that was given up while others were beside it can't have the key alone:
        all know of it as of a conditional one.
        """
        lands = ALONE if here.feared else SHARED if here.fenced or here.behind else FREE
        take, place, taken = self._claims.take, here.place, True
        if lands != here.lands:
            taken = take(place, lands, LANDS)
            here.lands = lands if taken else here.lands
        fence = SHARED if here.fenced or (here.given_up and here.lands != ALONE) else FREE
        if fence != here.fence and take(place, fence, FENCED):
            here.fence = fence
        return taken

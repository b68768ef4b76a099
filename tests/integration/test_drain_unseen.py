"""An external store that does not let us look whether a key is there (403), as AWS does."""

import pytest
from tests.support.net import eventually

from nobreak.errors import RefusedError
from nobreak.words import Attributes, Override


async def journalled_delete(rig) -> None:
    rig.external.objects[rig.name("k")] = (b"x", Attributes())
    await rig.engine.choose(Override.LOCAL, "test")
    await rig.mode("local")
    await rig.store.delete(rig.name("k"))


def refusing(operation: str, status: int):
    def behave(asked: str) -> None:
        if asked == operation:
            raise RefusedError(status, "AccessDenied", "")

    return behave


async def test_a_delete_that_was_done_is_not_parked_because_the_look_after_it_is_forbidden(rig):
    """I3, I7: without the right to list, AWS says 403 for every key that is missing."""
    await journalled_delete(rig)
    rig.external.always = refusing("head", 403)
    await rig.engine.choose(Override.AUTO, "test")
    await rig.drained()
    assert rig.outside("k") is None


@pytest.mark.parametrize(("operation", "status"), [("delete", 403), ("head", 400)])
async def test_a_delete_that_is_refused_itself_is_still_parked(rig, operation, status):
    """I3: only the look may be forbidden."""
    await journalled_delete(rig)
    rig.external.always = refusing(operation, status)
    await rig.engine.choose(Override.AUTO, "test")
    await eventually(lambda: rig.engine.journal.tally().parked == 1)

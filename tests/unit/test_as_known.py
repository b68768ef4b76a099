"""What the catalog adds to what the external store says of an object."""

from dataclasses import replace
from datetime import UTC, datetime

from nobreak.engine.reading import as_known
from nobreak.stores.external.base import Traits
from nobreak.words import Attributes, ObjectInfo, ObjectName, Receipt

KEEPS = Traits(keeps_attributes=True, chooses_names=False, lists=True)
FORGETS = Traits(keeps_attributes=False, chooses_names=False, lists=True)
OURS, THEIRS = Attributes({"content-type": "image/png"}), Attributes({"content-type": "a/b"})
SEEN = ObjectInfo(ObjectName("b", "k"), 3, "our-md5", datetime(2026, 1, 2, tzinfo=UTC), OURS)
FOUND = replace(SEEN, etag="their-etag", attributes=THEIRS)
RECEIPT = Receipt(etag="their-etag")


def test_an_object_that_the_catalog_never_saw_is_what_the_external_store_says():
    assert as_known(FOUND, None, FORGETS) == FOUND


def test_the_same_object_keeps_the_etag_that_its_writer_was_given():
    assert as_known(FOUND, (SEEN, RECEIPT), KEEPS) == replace(FOUND, etag="our-md5")


def test_attributes_come_from_the_catalog_only_where_the_external_store_cant_keep_them():
    assert as_known(FOUND, (SEEN, RECEIPT), FORGETS).attributes == OURS
    assert as_known(FOUND, (SEEN, RECEIPT), KEEPS).attributes == THEIRS


def test_an_object_that_somebody_else_has_overwritten_is_not_taken_for_ours():
    """I2: neither its ETag nor its attributes."""
    other = replace(FOUND, etag="another-etag")
    assert as_known(other, (SEEN, RECEIPT), FORGETS) == other
    longer = replace(FOUND, size=4)
    assert as_known(longer, (SEEN, RECEIPT), FORGETS) == longer


def test_a_store_that_gives_no_etags_is_judged_by_size():
    silent = replace(FOUND, etag="")
    assert as_known(silent, (SEEN, Receipt()), FORGETS) == SEEN
    assert as_known(silent, (SEEN, RECEIPT), FORGETS).etag == "our-md5", "better than none"

"""What every memory of multipart uploads promises, whatever it is made of."""

import dataclasses

import pytest

from nobreak.stores.interfaces import Completion, Draft, KeptBody, KeptSegment
from nobreak.stores.uploads import NoUploadError, OpenUpload, Upload, UploadedPart
from nobreak.words import Attributes, EntryKind, Fingerprint, ObjectName, Segment

NOW = 1_700_000_000.0
ATTRIBUTES = Attributes({"content-type": "a/b"}, {"who": "José"}, {"x-amz-tagging": "a=b"})


def upload(id_, key="k", *, at=NOW, external="", bucket="b"):
    return Upload(id_, ObjectName(bucket, key), ATTRIBUTES, at, external)


def part(number, *, file=None, size=5, sent=""):
    segment = Segment(size, f"{number:032x}", {"x-amz-checksum-crc32": "AAAAAA=="})
    return UploadedPart(number, segment, file or f"file-{number}", NOW, sent)


def completion(id_="u", request="r"):
    return Completion(id_, request, "e-2", NOW, {"x-amz-checksum-crc32": "A-2"})


def draft(*parts, completes=None):
    segments = tuple(KeptSegment(each.file, each.segment) for each in parts)
    fingerprint = Fingerprint.of_segments(tuple(each.segment for each in parts))
    return Draft(
        ObjectName("b", "k"), EntryKind.PUT, ATTRIBUTES, fingerprint, KeptBody(segments=segments),
        completes=completes or completion(),
    )  # fmt: skip


async def test_an_upload_and_its_parts_come_back_as_they_were_written(uploads):
    begun = upload("u", external="x1")
    await uploads.begin(begun)
    assert uploads.get("u") == begun
    assert uploads.get("other") is None
    for number in (3, 1, 2):
        assert await uploads.keep("u", part(number, sent='"e"')) == ()
    assert uploads.parts("u") == [part(number, sent='"e"') for number in (1, 2, 3)]
    assert [each.number for each in uploads.parts("u", after=1, limit=1)] == [2]
    assert uploads.needs("file-2")
    assert not uploads.needs("file-4")
    assert uploads.bytes() == 15


async def test_a_part_that_replaces_another_counts_as_not_sent(uploads):
    """I4: of two parts with one number the external store may have either."""
    await uploads.begin(upload("u"))
    await uploads.keep("u", part(1, sent='"e"'))
    assert await uploads.keep("u", part(1, file="new", size=7, sent='"f"')) == ("file-1",)
    assert uploads.parts("u") == [part(1, file="new", size=7)]
    assert uploads.bytes() == 7
    uploads.note_sent("u", part(1, file="new"), '"f"')
    uploads.note_sent("u", part(1), '"e"')
    await uploads.keep("u", part(2))
    uploads.note_sent("u", part(2), '"g"')
    await uploads.keep("u", part(3))
    assert [each.sent for each in uploads.parts("u")] == ["", '"g"', ""]


async def test_an_upload_becomes_an_entry_in_one_step(uploads, journal):
    """I1: nothing is lost and nothing kept twice, whenever the process dies."""
    await uploads.begin(upload("u"))
    for number in (1, 2, 3):
        await uploads.keep("u", part(number))
    appended = await journal.append(draft(part(1), part(3)), NOW)
    assert (appended.files, appended.unused) == ((), ("file-2",))
    assert appended.entry.fingerprint.etag.endswith("-2")
    assert journal.body(appended.entry).files == ("file-1", "file-3")
    assert (uploads.parts("u"), uploads.bytes()) == ([], 0)
    assert [uploads.needs("file-1"), journal.needs("file-1")] == [False, True]
    assert uploads.get("u") == dataclasses.replace(upload("u"), completion=completion())
    with pytest.raises(NoUploadError):
        await journal.append(draft(part(1), part(3)), NOW)
    with pytest.raises(NoUploadError):
        await uploads.keep("u", part(4))
    assert journal.tally().entries == 1


async def test_an_upload_whose_part_was_replaced_meanwhile_does_not_become_an_entry(
    uploads, journal
):
    await uploads.begin(upload("u"))
    await uploads.keep("u", part(1))
    await uploads.keep("u", part(1, file="new"))
    with pytest.raises(NoUploadError):
        await journal.append(draft(part(1)), NOW)
    assert uploads.get("u").completion is None
    assert uploads.parts("u") == [part(1, file="new")]
    assert journal.tally().entries == 0


async def test_an_upload_that_ended_on_the_external_store_leaves_no_part(uploads):
    await uploads.begin(upload("u", external="x1"))
    await uploads.keep("u", part(1))
    assert await uploads.finish(completion()) == ("file-1",)
    assert uploads.get("u").completion == completion()
    assert uploads.page("b", "", ("", ""), 10) == []
    with pytest.raises(NoUploadError):
        await uploads.finish(completion())
    await uploads.forget_completed(NOW)
    assert uploads.get("u") is not None
    await uploads.forget_completed(NOW + 1)
    assert uploads.get("u") is None


async def test_an_aborted_upload_leaves_its_twin_to_be_aborted(uploads, open_uploads):
    """Nothing stays open on the external store for good."""
    await uploads.begin(upload("u", external="x1"))
    await uploads.begin(upload("v"))
    await uploads.keep("u", part(1))
    assert await uploads.abort("u", NOW + 5) == ("file-1",)
    assert await uploads.abort("v", NOW) == ()
    assert await uploads.abort("v", NOW) == ()
    assert await uploads.abort("other", NOW) == ()
    assert uploads.get("u").completion == Completion("u", "", "", NOW + 5)
    assert uploads.bytes() == 0
    assert uploads.twins("b") == {"x1"}
    assert uploads.page("b", "", ("", ""), 10) == []
    assert open_uploads.due(NOW, 10) == []
    assert open_uploads.due(NOW + 5, 10) == [OpenUpload(ObjectName("b", "k"), "x1")]
    await open_uploads.postpone("x1", NOW + 9)
    assert open_uploads.due(NOW + 5, 10) == []
    await open_uploads.closed("x1")
    assert open_uploads.due(NOW + 100, 10) == []


async def test_what_a_driver_began_is_its_own_until_nobody_renews_it(open_uploads, clock):
    name = ObjectName("b", "k")
    await open_uploads.opened(name, "x1")
    await open_uploads.opened(name, "x2")
    assert open_uploads.due(clock.now + 299, 10) == []
    clock.now += 200
    await open_uploads.renew("x2")
    clock.now += 150
    assert [each.upload_id for each in open_uploads.due(clock.now, 10)] == ["x1"]
    await open_uploads.leave("x2")
    assert {each.upload_id for each in open_uploads.due(clock.now, 10)} == {"x1", "x2"}
    await open_uploads.renew("gone")
    await open_uploads.closed("x1")
    assert [each.upload_id for each in open_uploads.due(clock.now, 1)] == ["x2"]


async def test_uploads_are_listed_by_key_and_id(uploads):
    for id_, key in [("3", "a/1"), ("1", "a/2"), ("2", "a/1"), ("4", "b"), ("0", "a/1")]:
        await uploads.begin(upload(id_, key, external=f"x{id_}"))
    await uploads.begin(upload("9", "a/1", bucket="other"))
    everything = uploads.page("b", "", ("", ""), 10)
    assert [each.id for each in everything] == ["0", "2", "3", "1", "4"]
    assert [each.id for each in uploads.page("b", "a/", ("a/1", "0"), 2)] == ["2", "3"]
    assert uploads.page("b", "c", ("", ""), 10) == []
    assert uploads.twins("b") == {"x0", "x1", "x2", "x3", "x4"}


async def test_uploads_that_nobody_goes_on_with_are_found_oldest_first(uploads):
    for id_, age in [("1", 10), ("2", 30), ("3", 20), ("4", 40), ("5", 50)]:
        await uploads.begin(upload(id_, at=NOW - age))
    await uploads.keep("4", dataclasses.replace(part(1), kept_at=NOW - 12))
    await uploads.keep("3", dataclasses.replace(part(1), kept_at=NOW - 18))
    await uploads.finish(completion("5"))
    assert [each.id for each in uploads.idle_since(NOW - 15, 10)] == ["2", "3"]
    assert [each.id for each in uploads.idle_since(NOW - 15, 1)] == ["2"]
    assert [each.id for each in uploads.idle_since(NOW - 12, 10)] == ["2", "3"]
    assert [each.id for each in uploads.idle_since(NOW - 11, 10)] == ["4", "2", "3"]


async def test_an_upload_expires_unless_a_part_comes_meanwhile(uploads, open_uploads):
    await uploads.begin(upload("u", at=NOW - 30, external="x1"))
    await uploads.keep("u", dataclasses.replace(part(1), kept_at=NOW - 20))
    assert await uploads.expire("u", NOW - 25, NOW) is None
    assert uploads.get("u").completion is None
    assert await uploads.expire("u", NOW - 15, NOW) == ("file-1",)
    assert uploads.get("u").completion == Completion("u", "", "", NOW)
    assert [each.upload_id for each in open_uploads.due(NOW, 10)] == ["x1"]
    assert await uploads.expire("u", NOW - 15, NOW) is None
    assert await uploads.expire("other", NOW, NOW) is None

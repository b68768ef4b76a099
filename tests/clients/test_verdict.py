"""The judge of the clients' runs: it lets nothing pass that an application would notice."""

import pytest
from tests.clients.report import READ_OLD, Cell, Outcome, Report
from tests.clients.verdict import faults

AWAY = "ClientError: An error occurred (503) when calling the GetObject operation"
IN_OTHER_WORDS = (
    "SlowDown: b/k: the external store is away, and only it has this object",
    "OSError: [Errno 16] b/k: the external store is away, and only it has this object",
    "OSError: AWS Error SERVICE_UNAVAILABLE during GetObject operation:",
    "exit code 15: ERROR: S3 error: 503 (Service Unavailable)",
)


def judged(*cells):
    report = Report()
    report.cells += [Cell("one", *cell) for cell in cells]
    return faults(report, "one")


@pytest.mark.parametrize(
    "cell",
    [
        ("put", "during", Outcome.DONE, 2.0),
        ("range", "during", Outcome.UNSUPPORTED, 0.0, "has no ranged read"),
        ("put", "after", Outcome.DONE, 30.0),
        (READ_OLD, "during", Outcome.DONE, 0.1),
        (READ_OLD, "during", Outcome.FAILED, 45.0, AWAY),
        (READ_OLD, "during", Outcome.SILENT, 90.0),
        ("copy", "direct", Outcome.FAILED, 0.1, "the client's own limit"),
    ],
)
def test_what_may_be(cell):
    assert judged(cell) == []


@pytest.mark.parametrize(
    "cell",
    [
        ("put", "during", Outcome.FAILED, 0.1, AWAY),
        ("put", "during", Outcome.SILENT, 90.0),
        ("put", "during", Outcome.DONE, 21.0),
        ("put", "after", Outcome.WRONG, 0.1),
        (READ_OLD, "during", Outcome.WRONG, 0.1, "0 other bytes than were written"),
        (READ_OLD, "during", Outcome.FAILED, 0.1, "404 NoSuchKey"),
        (READ_OLD, "after", Outcome.FAILED, 0.1, AWAY),
    ],
)
def test_what_may_not_be(cell):
    """I2, I5."""
    assert len(judged(cell)) == 1


@pytest.mark.parametrize("words", IN_OTHER_WORDS)
def test_each_client_has_its_own_words_for_a_503(words):
    assert judged((READ_OLD, "during", Outcome.FAILED, 1.0, words)) == []


@pytest.mark.parametrize(("row", "faulty"), [("key `x/`", 0), ("put", 1)])
def test_with_the_server_there_only_what_it_refuses_directly_may_fail(row, faulty):
    refused = (row, "direct", Outcome.FAILED, 0.1)
    assert len(judged(refused, (row, "before", Outcome.FAILED, 0.1))) == faulty
    assert len(judged((row, "before", Outcome.FAILED, 0.1))) == 1

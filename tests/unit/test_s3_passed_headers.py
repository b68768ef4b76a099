"""Which headers of an answer that passes through the client sees."""

from multidict import CIMultiDict

from nobreak.engine.forwarding import answered_as_ours
from nobreak.faces.s3.passing import answered_headers
from nobreak.stores.interfaces import Alias


def test_a_repeated_header_keeps_all_of_its_values_in_order():
    answered = CIMultiDict([("Vary", "a"), ("ETag", "x"), ("vary", "b"), ("Connection", "close")])
    assert answered_headers(answered) == {"vary": "a, b", "etag": "x"}


def test_nobody_is_sent_to_another_server():
    away = {"location": "http://elsewhere/x"}
    assert answered_headers(away) == {}
    assert answered_headers({"Location": "/x"}) == {"location": "/x"}


def test_an_etag_is_the_one_that_the_writer_was_given_and_the_only_one():
    answered = CIMultiDict([("Etag", '"theirs"'), ("Vary", "a")])
    found = answered_as_ours(answered, Alias("ours", "theirs"))
    assert answered_headers(found) == {"etag": '"ours"', "vary": "a"}
    assert answered_as_ours(answered, Alias("ours", "other")) is answered

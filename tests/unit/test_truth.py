"""The model of the truth: it accepts all that can be explained, and nothing else."""

import itertools
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.model_store import ModelStore, Play

from nobreak.demo import register
from nobreak.demo.record import ABSENT, SOME, Action, Operation, Outcome, Page, Recorder, Version
from nobreak.demo.register import Step, explainable
from nobreak.demo.truth import Breach, explain

OLD, NEW, OTHER = (Version.of(body) for body in (b"old", b"new", b"other"))
PUT, DELETE, READ, LIST = Action
DEFECTS = [
    "drops an acknowledged write",
    "serves stale bytes",
    "resurrects a delete",
    "truncates",
    "answers 404 for 503",
    "hides a key from lists",
    "shows deleted keys in lists",
    "applies an unknown write twice",
    "lets an old request undo a newer write",
]


def put(version, span, outcome=Outcome.DONE):
    return Operation(PUT, "k", outcome, *span, version)


def delete(span, outcome=Outcome.DONE):
    return Operation(DELETE, "k", outcome, *span, ABSENT)


def read(version, span, outcome=Outcome.DONE):
    return Operation(READ, "k", outcome, *span, version)


def listed(page, span):
    return Operation(LIST, "", Outcome.DONE, *span, page=page)


def breaches(*operations, held=None, **more):
    return [finding.breach for finding in explain(operations, held, **more)]


# ------------------------------------------------------------------------------ what is right


def test_nothing_happened_to_nothing():
    assert explain([], {}) == []


def test_a_read_may_see_either_side_of_a_concurrent_write():
    for seen in (OLD, NEW):
        assert breaches(put(OLD, (0, 1)), put(NEW, (2, 5)), read(seen, (3, 4))) == []


def test_reads_of_one_concurrent_write_may_not_go_back():
    back = [put(OLD, (0, 1)), put(NEW, (2, 9)), read(NEW, (3, 4)), read(OLD, (5, 6))]
    assert breaches(*back) == [Breach.WRONG_BYTES]


def test_concurrent_writes_may_come_in_either_order_but_only_in_one():
    both = [put(OLD, (0, 9)), put(NEW, (0, 9))]
    assert breaches(*both, held={"k": OLD}) == breaches(*both, held={"k": NEW}) == []
    assert breaches(*both, read(OLD, (10, 11)), held={"k": NEW}) == [Breach.LOST]


def test_what_happens_at_one_time_is_concurrent_unless_it_was_numbered():
    recorder = Recorder(lambda: 0.0)
    recorder.call(PUT, "k", OLD).done()
    recorder.call(PUT, "k", NEW).done()
    recorder.call(READ, "k").done(OLD)
    assert [f.breach for f in explain(recorder.operations())] == [Breach.WRONG_BYTES]
    assert breaches(put(OLD, (0, 0)), put(NEW, (0, 0)), read(OLD, (0, 0))) == []


def test_a_write_that_never_returned_may_have_happened():
    recorder = Recorder(itertools.count().__next__)
    recorder.call(PUT, "k", OLD).done()
    recorder.call(PUT, "k", NEW)
    assert recorder.operations()[-1].ended == math.inf
    assert explain(recorder.operations(), {"k": NEW}) == []
    assert explain(recorder.operations(), {"k": OLD}) == []
    assert [f.breach for f in explain(recorder.operations(), {"k": OTHER})] == [Breach.LOST]


@pytest.mark.parametrize("outcome", [Outcome.FAILED, Outcome.REFUSED, Outcome.CUT])
def test_an_unknown_write_may_happen_late_but_once(outcome):
    history = [put(OLD, (0, 1)), put(NEW, (2, 3), outcome), read(OLD, (4, 5)), read(NEW, (6, 7))]
    assert breaches(*history, held={"k": NEW}) == []
    again = [*history, put(OTHER, (8, 9)), read(OTHER, (10, 11))]
    assert breaches(*again, held={"k": OTHER}) == []
    assert breaches(*again, held={"k": NEW}) == [Breach.LOST]


def test_a_write_that_was_given_up_undoes_no_newer_one():
    """I4: what was called before it was given up is concurrent, what was refused may not count."""
    old = put(OLD, (0, 5), Outcome.FAILED)
    for newer in (put(NEW, (6, 7)), delete((6, 7))):
        held = {} if newer.version == ABSENT else {"k": newer.version}
        assert breaches(old, newer, held=held) == []
        assert breaches(old, newer, held={"k": OLD}) != []
        assert breaches(old, newer, held={"k": OLD}, notices_within=1.0) == []
    assert breaches(old, put(NEW, (4, 7)), held={"k": OLD}) == []
    assert breaches(old, put(NEW, (6, 7), Outcome.FAILED), held={"k": OLD}) == []


def test_an_unknown_write_that_was_seen_is_not_undone_again():
    history = [put(OLD, (0, 1)), put(NEW, (2, 3), Outcome.FAILED), read(NEW, (4, 5))]
    assert breaches(*history, held={"k": OLD}) == [Breach.LOST]
    assert breaches(*history, read(ABSENT, (6, 7))) == [Breach.WRONG_BYTES]


def test_an_unknown_delete_may_happen_late_but_once():
    gone = [put(OLD, (0, 1)), delete((2, 3), Outcome.FAILED), read(ABSENT, (4, 5))]
    assert breaches(*gone, held={}) == []
    assert breaches(*gone, put(NEW, (6, 7)), held={}) == [Breach.LOST]
    assert breaches(*gone, held={"k": OLD}) == [Breach.RESURRECTED]


def test_a_write_cannot_happen_before_it_was_asked_for():
    assert breaches(read(NEW, (0, 1)), put(NEW, (2, 3))) == [Breach.WRONG_BYTES]
    assert breaches(read(NEW, (0, 1)), put(NEW, (2, 3), Outcome.FAILED)) == [Breach.WRONG_BYTES]


def test_a_denied_write_has_no_effect():
    history = [put(OLD, (0, 1)), put(NEW, (2, 3), Outcome.DENIED)]
    assert breaches(*history, held={"k": OLD}) == []
    assert breaches(*history, held={"k": NEW}) == [Breach.LOST]


def test_a_read_that_was_not_answered_says_nothing():
    for outcome in (Outcome.REFUSED, Outcome.CUT, Outcome.FAILED):
        assert breaches(put(OLD, (0, 1)), read(None, (2, 3), outcome), held={"k": OLD}) == []


def test_what_was_there_before_may_be_read_and_lost():
    assert breaches(read(OLD, (0, 1)), held={"k": OLD}, initially={"k": OLD}) == []
    assert breaches(held={}, initially={"k": OLD}) == [Breach.LOST]


def test_every_look_that_is_wrong_is_found():
    history = [put(OLD, (0, 1)), put(NEW, (2, 3)), read(OLD, (4, 5)), read(ABSENT, (6, 7))]
    found = breaches(*history, read(NEW, (8, 9)), held={})
    assert found == [Breach.WRONG_BYTES, Breach.WRONG_BYTES, Breach.LOST]


def test_an_object_that_nobody_wrote_is_unexpected():
    assert breaches(held={"x": OLD}) == [Breach.UNEXPECTED]


# ------------------------------------------------------------------------------ conditions


def created(version, span, outcome=Outcome.DONE, **more):
    return Operation(PUT, "k", outcome, *span, version, needs=ABSENT, **more)


def replaced(version, needs, span, outcome=Outcome.DONE, **more):
    return Operation(PUT, "k", outcome, *span, version, needs=needs, **more)


def test_of_rivals_that_need_no_object_exactly_one_wins():
    assert breaches(created(OLD, (0, 9)), created(NEW, (0, 9))) == [Breach.CONDITION]
    assert breaches(created(OLD, (0, 3)), delete((0, 9)), created(NEW, (0, 9))) == []
    lost = created(NEW, (0, 9), Outcome.DENIED, found=SOME)
    assert breaches(created(OLD, (0, 9)), lost, held={"k": OLD}) == []
    assert breaches(created(OLD, (10, 19)), lost) == [Breach.REFUSED_WRONGLY]


def test_a_replacement_happens_only_to_what_it_names():
    assert breaches(put(OLD, (0, 1)), replaced(NEW, OLD, (2, 3)), held={"k": NEW}) == []
    assert breaches(put(OTHER, (0, 1)), replaced(NEW, OLD, (2, 3))) == [Breach.CONDITION]
    twice = [put(OLD, (0, 1)), replaced(NEW, OLD, (2, 9)), replaced(OTHER, OLD, (2, 9))]
    assert breaches(*twice) == [Breach.CONDITION]


def test_a_replacement_is_refused_only_when_there_is_something_else():
    for found, was in ((SOME, put(OTHER, (0, 1))), (ABSENT, delete((0, 1)))):
        refused = replaced(NEW, OLD, (2, 3), Outcome.DENIED, found=found)
        assert breaches(was, refused) == []
        assert breaches(put(OLD, (0, 1)), refused) == [Breach.REFUSED_WRONGLY]


def test_a_conditional_write_of_unknown_outcome_needs_its_condition_too():
    history = [put(OLD, (0, 1)), created(NEW, (2, 3), Outcome.REFUSED)]
    assert breaches(*history, held={"k": OLD}) == []
    assert breaches(*history, held={"k": NEW}) == [Breach.LOST]
    assert breaches(*history, delete((2, 5)), held={"k": NEW}) == []
    assert breaches(*history, delete((4, 5)), held={"k": NEW}) == [Breach.RESURRECTED]


# ------------------------------------------------------------------------------ lists


def test_a_list_shows_what_is_there():
    shown = Page({"k": OLD})
    assert breaches(put(OLD, (0, 1)), listed(shown, (2, 3))) == []
    assert breaches(put(OLD, (0, 1)), listed(Page({"k": SOME}), (2, 3))) == []
    assert breaches(put(OLD, (0, 1)), listed(Page({}), (2, 3))) == [Breach.HIDDEN]
    assert breaches(put(OLD, (0, 1)), delete((2, 3)), listed(shown, (4, 5))) == [Breach.SHOWN]
    assert breaches(listed(Page({"never": SOME}), (0, 1))) == [Breach.SHOWN]


def test_a_list_is_free_about_what_changes_meanwhile():
    for page in (Page({"k": OLD}), Page({})):
        assert breaches(put(OLD, (0, 3)), listed(page, (1, 2))) == []


@pytest.mark.parametrize(
    "page", [Page({}, prefix="x"), Page({}, start_after="k"), Page({"a": OTHER}, until="b")]
)
def test_a_page_speaks_only_of_what_it_covers(page):
    assert breaches(put(OLD, (0, 1)), listed(page, (2, 3)), initially={"a": OTHER}) == []


def test_the_order_of_a_list_is_that_of_bytes():
    """U+FF5E comes before U+1F600 in UTF-8 and after it in UTF-16."""
    page = Page({}, until="～")
    assert page.covers("a")
    assert not page.covers("😀")


# ------------------------------------------------------------------------------ the search itself


STEPS = st.builds(
    lambda called, length, sets, sees, certain, needs, differs, given_up: Step(
        (float(called), 0),
        (float(called + length), 1) if sets is None or certain else register.NEVER,
        sets=sets,
        sees=None if sets is not None or differs else sees,
        certain=sets is None or certain,
        needs=None if sets is None else needs,
        differs=None if sets is not None else differs,
        given_up=None if sets is None or certain else (float(called + given_up), 2),
    ),
    st.integers(0, 8),
    st.integers(0, 5),
    st.sampled_from([None, None, OLD, NEW, ABSENT]),
    st.sampled_from([OLD, NEW, ABSENT, SOME]),
    st.booleans(),
    st.sampled_from([None, None, OLD, ABSENT]),
    st.sampled_from([None, None, None, OLD, ABSENT]),
    st.sampled_from([0, 1, 3, 99]),
)


def naively(steps, held=ABSENT, newest=(-1.0, 0)) -> bool:
    """Try every order, and every choice of what has happened."""
    if not any(step.certain for step in steps):
        return True
    bound = min(step.returned for step in steps if step.certain)
    for at, step in enumerate(steps):
        if step.given_up is not None and newest > step.given_up:
            continue
        if step.called <= bound and (step.may_happen(held) if step.sets else step.fits(held)):
            rest = [*steps[:at], *steps[at + 1 :]]
            if step.sets is None:
                after = held, newest
            else:
                after = step.sets, newest if step.given_up else max(newest, step.called)
            if naively(rest, *after):
                return True
    return False


@given(st.lists(STEPS, max_size=6))
@settings(max_examples=400)
def test_the_search_finds_what_trying_everything_finds(steps):
    assert explainable(steps) is naively(steps)


def test_a_search_that_would_take_for_ever_is_given_up_and_said(monkeypatch):
    monkeypatch.setattr(register, "MOST_POSITIONS", 100)
    writes = [put((OLD, NEW)[at % 2], (0, 99)) for at in range(12)]
    back = [read(OLD, (100, 101)), read(NEW, (102, 103))]
    assert breaches(*writes, *back) == [Breach.UNDECIDED]


# ------------------------------------------------------------------------------ on whole stores


@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 5), st.floats(0, 0.4))
@settings(max_examples=40)
def test_a_correct_store_passes_under_concurrency_and_lost_answers(seed, clients, keys, lost):
    chance = random.Random(seed)
    play = Play(ModelStore(chance), chance, clients=clients, keys=keys, lost_answers=lost)
    play.run(300)
    assert explain(play.recorder.operations(), play.store.held) == []


@pytest.mark.parametrize("defect", DEFECTS)
def test_each_broken_store_is_caught(defect):
    for seed in range(3):
        chance = random.Random(seed)
        play = Play(ModelStore(chance, defect), chance, clients=3)
        play.run(700)
        assert play.store.defects, "the defect did not show in this run"
        assert explain(play.recorder.operations(), play.store.held) != [], seed


def test_a_long_history_of_many_clients_is_judged_in_no_time():
    """A few keys, thousands of operations, dozens of unknown ones: no more than seconds."""
    chance = random.Random(7)
    play = Play(ModelStore(chance), chance, clients=16, keys=5, lost_answers=0.1)
    play.run(2000)
    assert explain(play.recorder.operations(), play.store.held) == []

"""The report of a run of all clients: printed at its end, and written where it is asked for."""

import os
from pathlib import Path

import pytest
from tests.clients.report import Report
from tests.support.pages import put_into

_KEY = pytest.StashKey[Report]()
WRITE_TO = "NOBREAK_CLIENTS_TABLE"
"""The file whose part between the marks is replaced by the table of this run."""


@pytest.fixture(scope="session")
def clients_report(pytestconfig: pytest.Config) -> Report:
    return pytestconfig.stash.setdefault(_KEY, Report())


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    report = config.stash.get(_KEY, None)
    if report is None:
        return
    terminalreporter.write_line(report.markdown())
    place = os.environ.get(WRITE_TO)
    if place:
        put_into(Path(place), "clients", report.markdown())

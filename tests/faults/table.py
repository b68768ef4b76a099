"""The table of docs/guarantees.md, from the reports that a run left behind."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from tests.faults.scenario import Report, Scenario
from tests.faults.scenarios import ALL
from tests.support.pages import put_into

HEADINGS = (
    "fault",
    "writes acked",
    "refused (503)",
    "denied (4xx)",
    "failed",
    "reads answered",
    "reads 503",
    "cut short",
    "longest wait",
    "median PUT (in mode local)",
    "converged after",
    "violations",
)


def note(report: Report) -> None:
    """Leave a report where FAULT_REPORTS says, if it does."""
    file = os.environ.get("FAULT_REPORTS")
    if file:
        with Path(file).open("a") as reports:
            plain = {**asdict(report), "findings": [str(each) for each in report.findings]}
            reports.write(json.dumps(plain) + "\n")


def table(reports: list[dict]) -> str:
    """The last report of each scenario as Markdown, in the order of `ALL`."""
    by_name = {report["name"]: report for report in reports}
    played = [_row(by_name[each.name]) if each.name in by_name else _missing(each) for each in ALL]
    lines = [HEADINGS, ("---",) * len(HEADINGS), *played]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _row(report: dict) -> tuple[str, ...]:
    took = report["converged"]
    return (
        report["name"],
        *(str(report[name]) for name in ("acked", "refused", "denied", "failed")),
        *(str(report[name]) for name in ("answered", "reads_503", "cut")),
        f"{report['longest']:.2f} s" + ("" if report["judged"] else "*"),
        _median(report),
        "never" if took is None else f"{took:.1f} s",
        str(len(report["findings"])),
    )


def _median(report: dict) -> str:
    if report["median_outage"] is None:
        return ""
    return f"{1000 * report['median_outage']:.1f} ms ({1000 * report['median_local']:.1f} ms)"


def _missing(scenario: Scenario) -> tuple[str, ...]:
    return (scenario.name, "not played", *[""] * (len(HEADINGS) - 2))


def main() -> None:
    """Put the table of the reports in argv[1] between the markers of argv[2]."""
    reports = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    put_into(Path(sys.argv[2]), "faults", table(reports))


if __name__ == "__main__":
    main()

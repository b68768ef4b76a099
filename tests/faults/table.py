"""The table of docs/guarantees.md, from the reports that a run left behind."""

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from tests.faults.stage import Report

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
    "converged after",
    "violations",
)
BEGIN, END = "<!-- faults -->", "<!-- /faults -->"


def note(report: Report) -> None:
    """Leave a report where FAULT_REPORTS says, if it does."""
    file = os.environ.get("FAULT_REPORTS")
    if file:
        with Path(file).open("a") as reports:
            plain = {**asdict(report), "findings": [str(each) for each in report.findings]}
            reports.write(json.dumps(plain) + "\n")


def table(reports: list[dict]) -> str:
    """The reports as Markdown, in the order in which they were played."""
    lines = [HEADINGS, ("---",) * len(HEADINGS), *map(_row, reports)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _row(report: dict) -> tuple[str, ...]:
    took = report["converged"]
    return (
        report["name"],
        *(str(report[name]) for name in ("acked", "refused", "denied", "failed")),
        *(str(report[name]) for name in ("answered", "reads_503", "cut")),
        f"{report['longest']:.2f} s",
        "never" if took is None else f"{took:.1f} s",
        str(len(report["findings"])),
    )


def _medians(reports: list[dict]) -> str:
    for report in reports:
        if report["median_outage"] is not None:
            outage, local = 1000 * report["median_outage"], 1000 * report["median_local"]
            return (
                f"After the first second of an outage ({report['name']}) the median PUT took "
                f"{outage:.1f} ms; in a mode local that was chosen, in the same run, {local:.1f} ms."
            )
    return ""


def main() -> None:
    """Put the table of the reports in argv[1] between the markers of argv[2]."""
    reports = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines()]
    page = Path(sys.argv[2])
    before, _, rest = page.read_text("utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    content = f"{BEGIN}\n{table(reports)}\n\n{_medians(reports)}\n{END}"
    page.write_text(before + content + after, "utf-8")


if __name__ == "__main__":
    main()

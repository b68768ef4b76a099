"""Which of the outcomes of a run can't be excused."""

from tests.clients.report import AWAY, READ_OLD, Cell, Outcome, Report, kind
from tests.clients.scenario import PRESIGNED_PUT, SERVER_CANNOT, odd_row

LONGEST_IN_OUTAGE = 20.0
"""Far above what any client needs (seconds), far below what one needs that repeats."""
SERVER_MAY_REFUSE = {PRESIGNED_PUT, *map(odd_row, SERVER_CANNOT)}
"""Node's SDK presigns the checksum of an empty body: SeaweedFS refuses any other body then."""


def faults(report: Report, client: str) -> list[str]:
    """Which cells can't be excused."""
    return [
        f"{cell.act}: {cell.row}: {cell.outcome.value} {cell.seconds:.1f} s {cell.note}"
        for cell in report.cells
        if cell.client == client and cell.act != "direct" and not excused(report, cell)
    ]


def excused(report: Report, cell: Cell) -> bool:
    """Whether a cell is as it may be.

    With the server there, what fails may fail only where it fails without nobreak too. In the
    outage nothing takes long (I5), and only the read of what this machine does not have may fail:
    with a 503, repeated for as long as the client likes.
    """
    if cell.row == READ_OLD and cell.act == "during":
        refused = cell.outcome is Outcome.FAILED and kind(cell.note) == AWAY
        return cell.outcome in {Outcome.DONE, Outcome.SILENT} or refused
    if cell.outcome in {Outcome.DONE, Outcome.UNSUPPORTED}:
        return cell.act != "during" or cell.seconds < LONGEST_IN_OUTAGE
    if cell.act == "during":
        return False
    direct = report.cell(cell.client, cell.row, "direct")
    known = direct is not None and direct.outcome in {Outcome.FAILED, Outcome.WRONG}
    return known and cell.row in SERVER_MAY_REFUSE

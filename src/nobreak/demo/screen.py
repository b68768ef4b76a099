"""What is shown while the play goes on: one screen on a terminal, plain lines elsewhere."""

from typing import Protocol, Self

from rich.console import Console
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text as Styled

from nobreak.demo import texts
from nobreak.demo.stage import Pulse, Stage, counts
from nobreak.demo.texts import ACTS, Act
from nobreak.lang import Lang
from nobreak.printable import printable
from nobreak.reporting.render import human_size
from nobreak.words import Mode

TOP_ROWS = 5
NUMBERS_WIDTH = 42
BORDER_ROWS = 2
DATE_LENGTH = len("2025-10-31 ")
EMOJI_STYLE = "\ufe0f"
"""Makes a sign wide in some terminals and not in others: without it, borders stay straight."""
LEVEL_STYLES = {"[ERROR]": "red", "[WARNING]": "yellow", "[INFO]": "green"}


class Show(Protocol):
    """Somebody who shows the stage. Used as a context manager."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...
    def refresh(self, stage: Stage) -> None:
        """Show the stage as it is now."""


class Lines:
    """Plain lines: each act when it begins, each line of the log when it is written."""

    def __init__(self, console: Console, lang: Lang) -> None:
        self._console = console
        self._lang = lang
        self._scene = ""
        self._shown = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        return

    def refresh(self, stage: Stage) -> None:
        """Print what is new."""
        for line in stage.log[self._shown :]:
            self._print(f"    {printable(line)}")
        self._shown = len(stage.log)
        if stage.scene != self._scene:
            self._scene = stage.scene
            title = ACTS[stage.act].within(self._lang)
            self._print(f"[{stage.elapsed:5.1f} s] {title}: {stage.scene}")

    def _print(self, line: str) -> None:
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class Screen:
    """One screen: the timeline above, the log on the left, numbers on the right."""

    def __init__(self, console: Console, lang: Lang) -> None:
        self._console = console
        self._lang = lang
        self._live = Live(console=console, screen=True, auto_refresh=False)

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._live.__exit__(None, None, None)

    def refresh(self, stage: Stage) -> None:
        """Paint anew."""
        layout = Layout()
        top, main = Layout(size=TOP_ROWS), Layout()
        layout.split_column(top, main)
        log, numbers = Layout(), Layout(size=NUMBERS_WIDTH)
        main.split_row(log, numbers)
        top.update(timeline(stage, self._lang))
        rows = self._console.height - TOP_ROWS - BORDER_ROWS
        log.update(log_panel(stage, self._lang, rows))
        numbers.update(numbers_panel(stage, self._lang))
        self._live.update(layout, refresh=True)


def timeline(stage: Stage, lang: Lang) -> Panel:
    """Which act this is, and what happens in it."""
    line = Styled(no_wrap=True, overflow="ellipsis")
    for act in Act:
        if act is Act.SETUP:
            continue
        now = act is stage.act
        style = "bold reverse" if now else "green" if act < stage.act else "dim"
        line.append(f" {act.value} {ACTS[act].within(lang)} ", style=style)
        line.append("" if act is Act.PROOF else "─", style="dim")
    scene = Styled(stage.scene, no_wrap=True, overflow="ellipsis")
    text = Styled("\n").join([line, Styled(""), scene])
    return Panel(text, title=f"nobreak demo · {stage.elapsed:.0f} s", border_style="cyan")


def log_panel(stage: Stage, lang: Lang, rows: int) -> Panel:
    """The last lines of the log; the date makes way for the message."""
    text = Styled(no_wrap=True, overflow="ellipsis")
    for line in stage.log[-max(rows, 1) :]:
        short = printable(line)[DATE_LENGTH:].replace(EMOJI_STYLE, "")
        style = next((style for level, style in LEVEL_STYLES.items() if level in short), "")
        text.append(f"{short}\n", style=style)
    return Panel(text, title=texts.LOG.within(lang), title_align="left")


def numbers_panel(stage: Stage, lang: Lang) -> Panel:
    """Mode, journal, drain, and how the clients fare."""
    pulse = Pulse.of(stage)
    writes, reads, refused, cut = counts(stage.history.operations)
    failures = stage.failures
    table = Table.grid(padding=(0, 1), expand=True)
    table.add_column()
    table.add_column(justify="right")
    rows = (
        (texts.MODE, _mode(stage)),
        (texts.JOURNAL, _journal(stage, lang)),
        (texts.DRAIN, _drain(stage, lang)),
        (None, Styled()),
        (texts.RATE, Styled(f"{pulse.rate:.0f}")),
        (texts.WRITES, Styled(str(writes))),
        (texts.READS, Styled(str(reads - refused - cut))),
        (texts.REFUSED, Styled(str(refused), style="yellow" if refused else "")),
        (texts.FAILURES, Styled(str(failures), style="bold red" if failures else "bold green")),
        (None, Styled()),
        (texts.WAIT_RECENT, Styled(f"{pulse.median:.3f} / {pulse.longest:.3f} s")),
        (texts.WAIT_LONGEST, Styled(f"{stage.history.longest_wait():.3f} s")),
    )
    for label, value in rows:
        table.add_row(label.within(lang) if label else "", value)
    return Panel(table, title=texts.NOW.within(lang), title_align="left")


def _mode(stage: Stage) -> Styled:
    local = stage.in_mode(Mode.LOCAL)
    style = "bold white on red" if local else "bold white on green"
    return Styled(f" {stage.mode.upper() or '-'} ", style=style if stage.mode else "dim")


def _journal(stage: Stage, lang: Lang) -> Styled:
    journal = stage.status.get("journal")
    if not journal:
        return Styled("-")
    entries = int(journal["entries"])
    told = f"{entries} {texts.ENTRIES.within(lang)} ({human_size(journal['bytes'])})"
    return Styled(told, style="yellow" if entries else "")


def _drain(stage: Stage, lang: Lang) -> Styled:
    drain = stage.status.get("drain") or {}
    if not drain.get("active"):
        return Styled(texts.IDLE.within(lang) if stage.pending == 0 else "-", style="dim")
    return Styled(f"{texts.LEFT.within(lang)} {drain.get('left')} ({drain.get('rate')}/s)")

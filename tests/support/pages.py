"""Parts of a page of docs/ that a run writes anew: what stands between two marks of one name."""

from pathlib import Path


def marks(name: str) -> tuple[str, str]:
    """The marks before and after the part of that name."""
    return f"<!-- {name} -->", f"<!-- /{name} -->"


def has_place(page: Path, name: str) -> bool:
    """Whether the page has such a part."""
    begin, end = marks(name)
    before, _, rest = page.read_text("utf-8").partition(begin)
    return bool(before) and end in rest


def put_into(page: Path, name: str, content: str) -> None:
    """Replace what stands there."""
    begin, end = marks(name)
    before, _, rest = page.read_text("utf-8").partition(begin)
    after = rest.partition(end)[2]
    page.write_text(f"{before}{begin}\n{content}\n{end}{after}", "utf-8")

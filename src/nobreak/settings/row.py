"""A row of the table of settings, and the kinds of text that several rows share."""

from dataclasses import dataclass

from nobreak.lang import Text
from nobreak.settings.kinds import Kind, matching

HOUR, DAY = 3_600, 86_400

NONE = Text("nenhum", "none")
ACCESS_KEY = matching(
    "[!-+.0-~-]+", Text("letras, números e sinais, sem `,` nem `/`", "printable, no `,` or `/`")
)
SECRET = matching(
    "[!-~]+", Text("letras, números e sinais, sem espaços", "printable ASCII without spaces")
)


@dataclass(frozen=True, slots=True)
class Setting:
    """A row. `field` is its name in the section's dataclass.

    `default` is text as it would stand in `.env`; where it is empty, `otherwise` says what
    happens without the setting. `secret`: never shown. `live`: an edit applies without a
    restart. `seed`: it stands in the seed's `.env`.
    """

    name: str
    field: str
    kind: Kind
    default: str
    meaning: Text
    otherwise: Text | None = None
    secret: bool = False
    live: bool = False
    seed: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """Rows that belong together; `group` is the field of `Settings` that they fill."""

    group: str
    title: Text
    rows: tuple[Setting, ...]

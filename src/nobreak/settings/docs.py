"""What people read about the settings, made from the table: `.env.example`, README tables."""

from collections.abc import Iterable

from nobreak.lang import Lang, Text
from nobreak.settings.row import Setting
from nobreak.settings.table import SECTIONS

BEGIN, END = "<!-- settings -->", "<!-- /settings -->"

_HEAD = """\
# As configurações do nobreak. Copie para `.env` e ajuste; o ambiente vale mais que o arquivo.
# The settings of nobreak. Copy to `.env` and adjust; the environment outranks the file.
#
# Uma linha comentada mostra o valor padrão ou um exemplo. (*) vale ao salvar, sem reiniciar.
# A line that is commented out shows the default or an example. (*) applies on saving.
# NOBREAK_ENV_FILE, no ambiente / in the environment: outro arquivo / another file.
"""
_EXAMPLES = {
    "EXTERNAL_STORAGE_URL": "s3+http://192.0.2.10:9000",
    "EXTERNAL_STORAGE_HOST": "192.0.2.10",
    "EXTERNAL_STORAGE_PORT": "9000",
}
_COLUMNS = (
    Text("Variável", "Variable"),
    Text("Padrão", "Default"),
    Text("O que faz", "Meaning"),
    Text("Permitido", "Allowed"),
)


def env_example() -> str:
    """The text of `.env.example`: the seed's variables set, all others commented out."""
    parts = [_HEAD]
    for section in SECTIONS:
        parts.append(f"\n# ----- {section.title.pt} / {section.title.en} -----\n")
        parts += [_example(row) for row in section.rows]
    return "".join(parts)


def _example(row: Setting) -> str:
    live = " (*)" if row.live else ""
    value = _EXAMPLES.get(row.name, row.default)
    hidden = "" if row.seed else "#"
    return f'\n# {row.meaning.pt}{live}\n# {row.meaning.en}{live}\n{hidden}{row.name}="{value}"\n'


def markdown_table(lang: Lang) -> str:
    """The settings as one Markdown table, in the order of the table."""
    lines = [_markdown_row(title.within(lang) for title in _COLUMNS), "|---|---|---|---|"]
    for section in SECTIONS:
        lines.append(_markdown_row((f"**{section.title.within(lang)}**", "", "", "")))
        lines += [_markdown_row(_cells(row, lang)) for row in section.rows]
    return "\n".join(lines) + "\n"


def with_table(document: str, lang: Lang) -> str:
    """`document` with a fresh table between its markers; unchanged when it has none."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        return document
    return f"{before}{BEGIN}\n{markdown_table(lang)}{END}{after}"


def _cells(row: Setting, lang: Lang) -> tuple[str, str, str, str]:
    default = f"`{row.default}`" if row.default else ""
    otherwise = row.otherwise.within(lang) if row.otherwise else ""
    live = " ⟳" if row.live else ""
    return (
        f"`{row.name}`{live}",
        default or otherwise,
        row.meaning.within(lang),
        row.kind.allowed.within(lang),
    )


def _markdown_row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

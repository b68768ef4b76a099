"""The one table of all settings: name, default, meaning, what is allowed.

Parsing, `.env.example` and the tables of both READMEs are made from it. To add a setting, add
a row to its section and a field of the same name in `nobreak.settings.model`.
"""

from nobreak.settings.table_external import EXTERNAL, HEALTH
from nobreak.settings.table_here import API, LOCAL, REPORTING, S3, WRITES

SECTIONS = (EXTERNAL, HEALTH, WRITES, LOCAL, S3, API, REPORTING)
TABLE = tuple(row for section in SECTIONS for row in section.rows)
ROWS = {row.name: row for row in TABLE}
ENV_FILE = "NOBREAK_ENV_FILE"
"""Which file to read instead of `./.env`. Only the environment can say."""

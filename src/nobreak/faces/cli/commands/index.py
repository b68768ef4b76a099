"""`nobreak index`: read the external store's lists once, so that they can be had in an outage."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime

import click

from nobreak.app import Nobreak
from nobreak.errors import ExternalError, UnavailableError
from nobreak.faces.cli.failing import DONE, FAILED, CommandError
from nobreak.faces.cli.group import Command
from nobreak.faces.cli.output import as_json_text, json_option, remark, say
from nobreak.faces.cli.session import with_nobreak
from nobreak.faces.cli.texts import said
from nobreak.printable import printable
from nobreak.stores.known import Indexed

SHOW_EVERY = 2.0
"""How often progress is shown (seconds)."""


@click.command(
    "index",
    cls=Command,
    help=said(
        "Lê uma vez as listas do servidor externo (todos os buckets, ou só estes) e pergunta por cada "
        "objeto (HEAD); daí em diante cada gravação as mantém completas, e o nobreak responde listas e "
        "HEAD durante uma queda. Interrompido, continua de onde parou. "
        "Código de saída: 0 tudo completo, 1 não.",
        "Read the lists of the external server once (all buckets, or these), and ask for each object "
        "(HEAD); from then on every write keeps them complete, and nobreak answers lists and HEAD in "
        "an outage. Interrupted, it goes on where it stopped. "
        "Exit code: 0 all is complete, 1 not.",
    ),
)
@click.argument("buckets", metavar="[BUCKET]...", nargs=-1)
@click.option(
    "--status",
    "only_status",
    is_flag=True,
    help=said("Só mostra o que está completo.", "Only show what is complete."),
)
@json_option
def command(*, buckets: tuple[str, ...], only_status: bool, as_json: bool) -> int:
    """Scan buckets, and show what the index holds."""

    async def work(nobreak: Nobreak) -> int:
        indexing = nobreak.indexing
        if not indexing.needed:
            say(
                said(
                    "✅ este servidor não lista: o catálogo já é completo",
                    "✅ this server can't list: the catalog is complete as it is",
                )
            )
            return DONE
        failed = False
        if not only_status:
            for bucket in buckets or await _all_buckets(nobreak):
                failed |= not await _scan(nobreak, bucket)
        rows = [row for row in indexing.buckets() if not buckets or row.bucket in buckets]
        _show(rows, as_json=as_json)
        complete = all(row.scanned_at is not None for row in rows)
        return DONE if rows and complete and not failed else FAILED

    return with_nobreak(work)


async def _all_buckets(nobreak: Nobreak) -> Sequence[str]:
    try:
        return await nobreak.indexing.all_buckets()
    except (ExternalError, UnavailableError) as error:
        raise CommandError(_away(error)) from error


def _away(error: Exception) -> str:
    reason = printable(str(error))
    return said(f"o servidor externo não responde: {reason}", f"no external server: {reason}")


async def _scan(nobreak: Nobreak, bucket: str) -> bool:
    """Scan one bucket, ask for its objects, and tell how it went; whether it went well."""
    try:
        await nobreak.indexing.scan(bucket, _progress(bucket, ""))
        await nobreak.indexing.learn(bucket, _progress(bucket, " HEAD"))
    except (ExternalError, UnavailableError) as error:
        remark(f"❌ {printable(bucket)}: {printable(str(error))}")
        return False
    return True


def _progress(bucket: str, what: str) -> Callable[[int], None]:
    """Shows a count, now and then."""
    shown_at = time.monotonic()

    def progress(count: int) -> None:
        nonlocal shown_at
        if time.monotonic() - shown_at >= SHOW_EVERY:
            shown_at = time.monotonic()
            remark(f"⏳ {printable(bucket)}:{what} {count}")

    return progress


def _show(rows: Sequence[Indexed], *, as_json: bool) -> None:
    if as_json:
        say(as_json_text([_document(row) for row in rows]))
        return
    for row in rows:
        count = said(f"{row.objects} objetos", f"{row.objects} objects")
        say(
            f"{'✅' if row.scanned_at is not None else '❌'} {printable(row.bucket)}: {count}, {_state(row)}"
        )
    if not rows:
        say(
            said("nenhum bucket indexado: `nobreak index`", "no bucket is indexed: `nobreak index`")
        )


def _state(row: Indexed) -> str:
    if row.scanned_at is None:
        return said("incompleto", "incomplete")
    when = datetime.fromtimestamp(row.scanned_at).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    state = said(f"completo, lido em {when}", f"complete, read at {when}")
    return state if not row.partial else f"{state}; {_lacking(row.partial)}"


def _lacking(partial: int) -> str:
    return said(f"{partial} ainda sem HEAD", f"{partial} without HEAD yet")


def _document(row: Indexed) -> dict[str, object]:
    return {
        "bucket": row.bucket,
        "complete": row.scanned_at is not None,
        "scanned_at": row.scanned_at,
        "due": row.due,
        "objects": row.objects,
        "without_attributes": row.partial,
    }

"""The external store itself: whether it lets us in and keeps what it gets, and what it can do."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing

from nobreak.engine.drivers import open_external
from nobreak.errors import NobreakError, NotFoundError, RefusedError
from nobreak.faces.cli.doctor.finding import Finding, Verdict, bad, good, worrying
from nobreak.faces.cli.texts import said
from nobreak.settings import ExternalKind, Settings
from nobreak.stores.external.base import ExternalStore
from nobreak.stores.external.http import Timeouts
from nobreak.stores.external.probes import DeepProbe
from nobreak.stores.external.s3 import S3Store
from nobreak.stores.external.s3_capabilities import S3Capabilities, probe_capabilities

CAPABILITIES_WITHIN = 30.0
NO_BUCKET = "NoSuchBucket"


async def look_at_storage(settings: Settings) -> AsyncIterator[Finding]:
    """Credentials, bucket, a canary written and read; then what an S3 server really does."""
    timeouts = Timeouts(settings.health.timeout, settings.health.timeout)
    async with aclosing(open_external(settings.external, timeouts)) as store:
        if isinstance(store, S3Store):
            finding = await _look_at_bucket(store, settings.writes.bucket)
            yield finding
            if finding.verdict is Verdict.BAD:
                return
        finding = await _look_at_writing(store, settings)
        yield finding
    if not isinstance(store, S3Store) or finding.verdict is Verdict.BAD:
        return
    # Rivals for one key may wait for each other there for seconds (SeaweedFS 4.48): that is no fault.
    patient = Timeouts(settings.health.timeout, CAPABILITIES_WITHIN)
    async with aclosing(open_external(settings.external, patient)) as store:
        if isinstance(store, S3Store):
            for each in await _look_at_capabilities(store, settings.writes.bucket):
                yield each


async def _look_at_bucket(store: S3Store, bucket: str) -> Finding:
    subject = "Bucket"
    try:
        await store.list(bucket, prefix="", start_after="", limit=1)
    except (RefusedError, NotFoundError) as error:
        code = error.code if isinstance(error, RefusedError) else NO_BUCKET
        if code == NO_BUCKET:
            advice = said(
                "crie o bucket, ou mude NOBREAK_BUCKET", "create it, or change NOBREAK_BUCKET"
            )
            return bad("bucket", subject, said(f"{bucket} não existe", f"no {bucket}"), advice)
        advice = said(
            "veja EXTERNAL_STORAGE_ACCESS_KEY, _SECRET_KEY e _REGION, e as permissões lá",
            "see EXTERNAL_STORAGE_ACCESS_KEY, _SECRET_KEY and _REGION, and the rights there",
        )
        return bad("credentials", said("Credenciais", "Credentials"), str(error), advice)
    except NobreakError as error:
        return bad(
            "bucket", subject, str(error), said("veja o servidor externo", "see to the server")
        )
    return good(
        "bucket", subject, said(f"{bucket}, credenciais aceitas", f"{bucket}, credentials accepted")
    )


async def _look_at_writing(store: ExternalStore, settings: Settings) -> Finding:
    subject = said("Gravação", "Writing")
    result = await DeepProbe(store, settings.writes.bucket, settings.health.timeout).check()
    found = f"{result.detail} ({result.seconds * 1000:.0f} ms)"
    if not result.ok:
        advice = said(
            "o servidor não guarda: veja disco, permissões e credenciais de lá",
            "the server does not store: see its disk, its rights and the credentials",
        )
        return bad("writing", subject, found, advice)
    if settings.external.kind is ExternalKind.UPLOAD:
        found += said("; o que o servidor não apaga fica lá", "; what it can't delete stays there")
    return good("writing", subject, found)


async def _look_at_capabilities(store: S3Store, bucket: str) -> list[Finding]:
    subject = said("Recursos do servidor", "Server capabilities")
    prefix = f".nobreak/doctor-{secrets.token_hex(8)}"
    try:
        async with asyncio.timeout(CAPABILITIES_WITHIN):
            found = await probe_capabilities(store, bucket, prefix=prefix)
    except (NobreakError, TimeoutError) as error:
        advice = said(
            "tente de novo quando o servidor estiver bem", "try again when the server is well"
        )
        return [worrying("capabilities", subject, str(error) or "timeout", advice)]
    return list(_judge(found))


def _judge(found: S3Capabilities) -> Iterator[Finding]:
    subject = said("Recursos do servidor", "Server capabilities")
    unfenced = said(
        "sem isso o nobreak reverifica cada gravação duvidosa (NOBREAK_SETTLE)",
        "without it nobreak looks at doubtful writes again (NOBREAK_SETTLE)",
    )
    unchecked = said("o nobreak confere ele mesmo", "nobreak compares by itself")
    unordered = said("listagens longas podem omitir objetos", "long listings may miss objects")
    looks = (
        ("if_none_match", "If-None-Match: *", found.creates_only_if_absent, unfenced),
        ("if_match", "If-Match", found.replaces_only_if_same, unfenced),
        ("content_md5", "Content-MD5", found.checks_content_md5, unchecked),
        (
            "key_order",
            said("listagem em ordem", "listing in order"),
            found.lists_in_key_order,
            unordered,
        ),
        (
            "longest_key",
            said("chaves de 1024 bytes", "keys of 1,024 bytes"),
            found.keeps_longest_key,
            said("use chaves mais curtas", "use shorter keys"),
        ),
    )
    for key, what, honoured, advice in looks:
        if honoured:
            yield good(key, subject, f"{what}: " + said("sim", "yes"))
        else:
            yield worrying(key, subject, f"{what}: " + said("não", "no"), advice)
    lost = [key for key, kept in found.keeps_keys.items() if not kept]
    if lost:
        shown = ", ".join(f"'{key}'" for key in lost)
        advice = said("evite chaves assim neste servidor", "avoid such keys on this server")
        yield worrying(
            "odd_keys",
            subject,
            said(f"não guarda as chaves {shown}", f"does not keep the keys {shown}"),
            advice,
        )
    else:
        yield good("odd_keys", subject, said("guarda chaves estranhas", "keeps odd keys"))

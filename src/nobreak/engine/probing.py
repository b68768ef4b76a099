"""Which probe the settings ask for."""

from nobreak.settings.model import ExternalKind, Probe, Settings
from nobreak.stores.external import checks
from nobreak.stores.external.base import ExternalStore
from nobreak.stores.external.probes import (
    DeepProbe,
    HttpProbe,
    ProbeChain,
    TcpProbe,
    answering,
    healthy,
)


def build_probe(settings: Settings, external: ExternalStore, *, doubt: bool) -> checks.Probe:
    """The probes of `HEALTH_PROBE`, one after the other.

    The seed's server says with 2xx that it is well. An S3 or WebDAV endpoint is alive when it
    answers anything below 500 (I8), an S3 endpoint not with a web page. In `doubt` a canary is
    written too, unless a probe was chosen: a server can answer every look and still store
    nothing. That it may refuse (403).
    """
    health, timeout = settings.health, settings.health.timeout
    strict = settings.external.kind is ExternalKind.UPLOAD
    probes: list[checks.Probe] = []
    for probe in health.probes:
        match probe:
            case Probe.HTTP:
                alive = healthy if strict else answering
                probes.append(HttpProbe(health.check_url, timeout, alive=alive))
            case Probe.S3:
                url = settings.external.url
                probes.append(HttpProbe(url, timeout, alive=answering, pages=False))
            case Probe.TCP:
                external_ = settings.external
                probes.append(TcpProbe(external_.host, external_.port, timeout))
            case Probe.DEEP:
                probes.append(DeepProbe(external, settings.writes.bucket, timeout))
            case Probe.AUTO:
                raise AssertionError("settings resolve it")
    if doubt and health.canary_in_doubt:
        probes.append(DeepProbe(external, settings.writes.bucket, timeout, strict=False))
    return probes[0] if len(probes) == 1 else ProbeChain(probes)

"""One client library as a process: a line of JSON in is an operation, a line of JSON out its outcome.

Bodies go by files, so that neither side has to encode them. The process lives through the whole
outage, as an application does, with its pool of connections and whatever else it remembers.
"""

import json
import sys
from pathlib import Path
from typing import Any


class Place:
    """Where to work, and as whom: all that a client is told."""

    def __init__(self, told: dict[str, str]) -> None:
        self.endpoint = told["endpoint"]
        self.access_key = told["access_key"]
        self.secret_key = told["secret_key"]
        self.region = "us-east-1"

    @property
    def address(self) -> str:
        return self.endpoint.removeprefix("http://")


def read(path: str) -> bytes:
    return Path(path).read_bytes()


def write(path: str, content: bytes) -> None:
    Path(path).write_bytes(content)


def serve(worker: Any, version: str) -> None:
    """Answer operations until the input ends. A method that isn't there is not supported."""
    say({"version": version})
    for line in sys.stdin:
        asked = json.loads(line)
        operation = asked.pop("op")
        say(outcome(worker, operation, asked))


def outcome(worker: Any, operation: str, arguments: dict[str, Any]) -> dict[str, Any]:
    method = getattr(worker, operation, None)
    if method is None:
        return {"unsupported": getattr(worker, "cannot", {}).get(operation, "has no such call")}
    try:
        return {"value": method(**arguments)}
    except Exception as error:  # noqa: BLE001 - whatever a library raises is its outcome
        return {"error": f"{type(error).__name__}: {error}"}


def say(what: dict[str, Any]) -> None:
    sys.__stdout__.write(json.dumps(what) + "\n")
    sys.__stdout__.flush()


def started() -> Place:
    """What the first line of the input says. Anything the library prints goes to stderr."""
    sys.stdout = sys.stderr
    return Place(json.loads(sys.stdin.readline()))

"""Which clients there are, and where `make clients` has put them."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from tests.clients.libraries import HERE, Library
from tests.clients.programs import Aws, Program, Rclone, S3cmd, S5cmd
from tests.clients.protocol import Client, Place

ENVIRONMENTS = HERE.parents[1] / ".venv-clients"
PLAIN = ENVIRONMENTS / "plain" / "bin"
FSSPEC = ENVIRONMENTS / "fsspec" / "bin"
"""aiobotocore, below s3fs, wants an older botocore than the AWS CLI and boto3 have."""
OWN = Path(sys.executable).parent

Make = Callable[[Place], Client]


def _library(python: Path, worker: str) -> Make:
    return lambda place: Library([str(python / "python"), str(HERE / "workers" / worker)], place)


def _program(kind: type[Program], program: Path) -> Make:
    return lambda place: kind(program, place)


def _node(place: Place) -> Client:
    node = shutil.which("node")
    assert node, "Node is missing: `make clients` installs it, as root on Debian"
    return Library([node, str(HERE / "node" / "worker.mjs")], place)


CLIENTS: dict[str, Make] = {
    "boto3": _library(PLAIN, "boto3_worker.py"),
    "AWS CLI": _program(Aws, PLAIN / "aws"),
    "s5cmd": _program(S5cmd, PLAIN / "s5cmd"),
    "rclone": _program(Rclone, OWN / "rclone"),
    "minio-py": _library(PLAIN, "minio_worker.py"),
    "s3fs": _library(FSSPEC, "s3fs_worker.py"),
    "obstore": _library(PLAIN, "obstore_worker.py"),
    "django-storages": _library(PLAIN, "django_worker.py"),
    "pyarrow": _library(FSSPEC, "arrow_worker.py"),
    "s3cmd": _program(S3cmd, PLAIN / "s3cmd"),
    "@aws-sdk/client-s3": _node,
}
IN_CI: dict[str, Make] = {
    "botocore": _library(OWN, "botocore_worker.py"),
}
"""Those that the environment for development has anyway."""

_A_FOLDER = "takes a key that ends in a slash for a folder"
CANNOT_NAME: dict[str, dict[str, str]] = {
    "rclone": {"x/": _A_FOLDER},
    "minio-py": {"../y": "refuses `.` and `..` in keys"},
    "obstore": {"a//b": "refuses empty segments", "../y": "refuses `..` in keys"},
    "django-storages": {
        "x/": "Django finds no file name in it",
        "../y": "Django refuses what leads out of the folder",
    },
    "pyarrow": {
        "a//b": "refuses empty segments",
        "x/": _A_FOLDER,
        "../y": "signs another path than curl, below it, then sends",
    },
}
"""Keys that a client can't name, and why; the scenario finds out anew whether that is so."""
RENAMED: dict[str, dict[str, str]] = {
    "rclone": {"a//b": "a/b", "../y": "．．/y"},
    "obstore": {"x/": "x"},
    "django-storages": {"a//b": "a/b"},
}
"""Keys of which a client makes others; that these are what it writes is found out anew."""

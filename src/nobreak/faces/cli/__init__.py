"""The command line: `nobreak serve`, `status`, `cp`, ... Each command loads only what it needs."""

from nobreak.faces.cli.entry import main

__all__ = ["main"]

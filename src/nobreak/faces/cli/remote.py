"""How objects are named on the command line: `nb:KEY`, or `nb://BUCKET/KEY`.

What follows is the key, exactly: `nb:a//b` is the key `a//b` of `NOBREAK_BUCKET`.
"""

from nobreak.faces.cli.failing import CommandError
from nobreak.faces.cli.texts import said
from nobreak.words import ObjectName

SCHEME = "nb:"
SYNTAX = "nb:KEY, nb://BUCKET/KEY"


def is_remote(text: str) -> bool:
    """Whether this names an object, or a prefix of objects."""
    return text.startswith(SCHEME)


def parse(text: str, bucket: str) -> ObjectName:
    """The object, or the prefix, that is meant. Raises `CommandError`."""
    if not is_remote(text):
        raise CommandError(
            said(f"{text!r} não é um objeto: use {SYNTAX}", f"{text!r} is no object: use {SYNTAX}")
        )
    rest = text.removeprefix(SCHEME)
    if not rest.startswith("//"):
        return ObjectName(bucket, rest)
    named, _, key = rest.removeprefix("//").partition("/")
    if not named:
        raise CommandError(
            said(
                f"falta o bucket em {text!r}: use {SYNTAX}", f"no bucket in {text!r}: use {SYNTAX}"
            )
        )
    return ObjectName(named, key)


def shown(name: ObjectName, bucket: str) -> str:
    """The name as it would be typed, in the short form where that says the same."""
    if name.bucket == bucket and not name.key.startswith("//"):
        return f"{SCHEME}{name.key}"
    return f"{SCHEME}//{name.bucket}/{name.key}"


def as_prefix(name: ObjectName) -> ObjectName:
    """What `-r` means: all keys under this one, as if it were a directory."""
    whole = not name.key or name.key.endswith("/")
    return name if whole else ObjectName(name.bucket, f"{name.key}/")

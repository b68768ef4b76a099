"""The history from a moment on, when the external store lost what it had before.

Of a key only that is left which says something of the time after: its writes from then on, and what
was seen once one of these was acknowledged. What the store had before is nobody's promise any more.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from nobreak.demo.record import Action, Operation, Outcome, Version


def since(
    moment: float, operations: Sequence[Operation], held: Mapping[str, Version]
) -> tuple[list[Operation], dict[str, Version]]:
    """The operations to judge, and what is held of their keys. Lists are left out: they show all."""
    by_key: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        if operation.action is not Action.LIST:
            by_key[operation.key].append(operation)
    chosen: list[Operation] = []
    keys: set[str] = set()
    for key, history in by_key.items():
        acked = [
            op.ended
            for op in history
            if op.action.writes and op.outcome is Outcome.DONE and op.started >= moment
        ]
        if not acked:
            continue
        keys.add(key)
        first = min(acked)
        chosen += [op for op in history if _counts(op, moment, first)]
    return chosen, {key: version for key, version in held.items() if key in keys}


def _counts(operation: Operation, moment: float, first: float) -> bool:
    if not operation.action.writes:
        return operation.started > first
    # One that was under way at that moment may have come before it, or after.
    return operation.ended > moment

"""DeleteObjects: many at once, each by itself, and those that fail are named in the answer."""

import asyncio
from collections.abc import Sequence

from nobreak.app import Nobreak
from nobreak.errors import NobreakError, NotFoundError
from nobreak.faces.s3.answer import Answer, xml_answer
from nobreak.faces.s3.errors import translated
from nobreak.faces.s3.incoming import Incoming
from nobreak.faces.s3.passing import Passing
from nobreak.faces.s3.request import S3Request
from nobreak.faces.s3.xml_in import ObjectToDelete, read_delete
from nobreak.faces.s3.xml_out import Deletion, delete_result
from nobreak.words import ObjectName, Precondition

AT_ONCE = 32
"""How many keys are worked on at the same time."""


class Deletions:
    """See the module."""

    def __init__(self, nobreak: Nobreak, passing: Passing) -> None:
        self._store = nobreak.store
        self._passing = passing

    async def delete_many(self, request: S3Request, body: Incoming) -> Answer:
        """DeleteObjects. With versions it is the external store's, as a whole."""
        content = await body.whole()
        asked = read_delete(content)
        bucket = request.bucket or ""
        if any(each.version for each in asked.objects):
            names = tuple(ObjectName(bucket, each.key) for each in asked.objects)
            return await self._passing.on(request, Incoming.of(content), changes=names)
        deletions = await self._delete_all(bucket, asked.objects)
        return xml_answer(delete_result(deletions, quiet=asked.quiet))

    async def _delete_all(
        self, bucket: str, objects: Sequence[ObjectToDelete]
    ) -> Sequence[Deletion]:
        """One after the other for a key that is named twice."""
        turns: dict[str, list[int]] = {}
        for number, each in enumerate(objects):
            turns.setdefault(each.key, []).append(number)
        done: dict[int, Deletion] = {}
        waiting = iter(turns.values())

        async def work() -> None:
            for numbers in waiting:
                for number in numbers:
                    done[number] = await self._delete_one(bucket, objects[number])

        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(turns))):
                group.create_task(work())
        return [done[number] for number in sorted(done)]

    async def _delete_one(self, bucket: str, asked: ObjectToDelete) -> Deletion:
        wanted = None if asked.etag is None else Precondition(frozenset({asked.etag}))
        try:
            said = await self._store.delete(ObjectName(bucket, asked.key), precondition=wanted)
        except NotFoundError:
            return Deletion(asked.key)  # there is nothing that the condition could protect
        except NobreakError as error:
            return Deletion(asked.key, error=translated(error))
        marker = said.get("x-amz-version-id") if "x-amz-delete-marker" in said else None
        return Deletion(asked.key, marker=marker)

"""The ACL of an object that the external store does not have yet.

Some clients read and set it as a part of something else: `s3cmd cp` does, and takes a 501 for
"has no ACLs". Of any other object only the external store knows it.
"""

from nobreak.app import Nobreak
from nobreak.engine.forwarding import Forwarding
from nobreak.errors import UnavailableError, UnsupportedError
from nobreak.faces.s3.answer import Answer, xml_answer
from nobreak.faces.s3.incoming import Incoming
from nobreak.faces.s3.named import name_of
from nobreak.faces.s3.passing import Passing
from nobreak.faces.s3.request import S3Request
from nobreak.faces.s3.xml_out import acl_of_the_owner

PRIVATE = frozenset({"", "private"})
WHEN_THERE = "an object that waits for the external store can't be given another ACL"
ONLY_THERE = "only the external store can tell what the ACL of this object will be"


class Acls:
    """GetObjectAcl and PutObjectAcl."""

    def __init__(self, nobreak: Nobreak, forwarding: Forwarding, passing: Passing) -> None:
        self._store = nobreak.store
        self._forwarding = forwarding
        self._passing = passing

    async def get(self, request: S3Request, body: Incoming) -> Answer:
        """GetObjectAcl: of a write that waits, what S3 gives an object that asks for nothing."""
        name = name_of(request)
        if request.argument("versionId") is not None or not self._forwarding.holds_back(name):
            return await self._passing.on(request, body)
        asked = (await self._store.head(name)).attributes.s3
        granted = any(header.startswith("x-amz-grant-") for header in asked)
        if granted or asked.get("x-amz-acl", "") not in PRIVATE:
            raise UnavailableError(ONLY_THERE)
        return xml_answer(acl_of_the_owner())

    async def put(self, request: S3Request, body: Incoming) -> Answer:
        """PutObjectAcl: passed on, or 501 while a write of the object waits."""
        if self._forwarding.holds_back(name_of(request)):
            raise UnsupportedError(WHEN_THERE)
        return await self._passing.on(request, body)

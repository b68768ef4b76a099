"""An S3 server that keeps nothing: `python bench/sink.py PORT`. It hashes what is PUT, and answers with its ETag.

For what a disk can't hold or is too slow for, so that a gateway's memory is measured and not a server's speed.
"""

import asyncio
import hashlib
import sys

import uvloop

RECEIVE_BYTES = 512 * 1024
HEAD_END = b"\r\n\r\n"
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"


class Sink(asyncio.BufferedProtocol):
    """One connection."""

    def __init__(self) -> None:
        self._view = memoryview(bytearray(RECEIVE_BYTES))
        self._head = b""
        self._left = 0
        self._puts = False
        self._digest = hashlib.md5(usedforsecurity=False)

    def connection_made(self, transport) -> None:
        self._transport = transport

    def get_buffer(self, _sizehint: int) -> memoryview:
        return self._view

    def buffer_updated(self, count: int) -> None:
        data = self._view[:count]
        if not self._left:
            self._head += data
            head, end, rest = self._head.partition(HEAD_END)
            if not end:
                return
            self._head, data = b"", memoryview(rest)
            self._begin(head.lower())
        self._digest.update(data)
        self._left -= len(data)
        if self._left <= 0:
            etag = f'ETag: "{self._digest.hexdigest()}"\r\n'.encode() if self._puts else b""
            self._transport.write(EMPTY + etag + b"\r\n")

    def _begin(self, head: bytes) -> None:
        first, *lines = head.split(b"\r\n")
        fields = dict(line.split(b":", 1) for line in lines)
        self._left = int(fields.get(b"content-length", b"0"))
        self._puts = first.startswith(b"put ")
        self._digest = hashlib.md5(usedforsecurity=False)
        if b"expect" in fields:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def main(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1])))

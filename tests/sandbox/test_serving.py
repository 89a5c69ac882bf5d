"""The wire of the stand-ins: what every one of them has from `serving`."""

from __future__ import annotations

import asyncio
import socket

from sandbox.standins.serving import listen


def test_an_answer_does_not_wait_for_the_client_to_acknowledge_its_headers() -> None:
    """Nagle's algorithm held each answer back for 40 ms: as much as all else that a warm function does."""

    async def accepted() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            sock = writer.get_extra_info("socket")
            found.set_result(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listening = listen()
        async with await asyncio.start_server(connected, sock=listening):
            with socket.create_connection(listening.getsockname()[:2]):
                return await asyncio.wait_for(found, 10)

    assert asyncio.run(accepted())

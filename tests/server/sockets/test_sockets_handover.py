"""Which door gets an upgraded socket, whichever protocol has read the request."""

import aiohttp
import pytest

from rawsocket import TEXT, RawSocket, frame
from tautwire.server.http.protocol import HttpProtocol
from tinydoor import TinyDoor, served

SLOW_WAY = {"Expect": "", "X-Odd": "\t"}
"""A header that the front leaves to uvicorn's parser."""


@pytest.mark.parametrize("headers", [{}, SLOW_WAY], ids=["front", "uvicorn"])
async def test_each_door_gets_what_is_behind_its_prefix_and_the_query(
    headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade, taken = HttpProtocol._upgrade, []

    def noted(protocol: HttpProtocol, rest: bytes) -> None:
        taken.append(protocol)
        upgrade(protocol, rest)

    monkeypatch.setattr(HttpProtocol, "_upgrade", noted)
    one, two = TinyDoor(), TinyDoor()
    async with served({"/one/": one.open, "/two/": two.open}) as base, aiohttp.ClientSession() as http:
        for path in ("/one/a", "/two/b?x=1"):
            async with http.ws_connect(base + path, headers=headers) as peer:
                await peer.send_str("hi")
                assert await peer.receive_str() == "HI"
    assert (one.calls[0], two.calls[0]) == ("open a ", "open b x=1")
    assert len(taken) == (2 if headers else 0)


@pytest.mark.parametrize("headers", [{}, SLOW_WAY], ids=["front", "uvicorn"])
@pytest.mark.parametrize("path", ["/three/a", "/on", "/one", "/"])
async def test_a_path_without_a_door_is_404(path: str, headers: dict[str, str]) -> None:
    door = TinyDoor()
    async with served({"/one/": door.open}) as base, aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(base + path, headers=headers)
    assert refused.value.status == 404
    assert not door.calls


async def test_a_door_that_stops_is_404_and_the_others_stay_open() -> None:
    stopping, other = TinyDoor(), TinyDoor()
    async with served({"/one/": stopping.open, "/two/": other.open}) as base, aiohttp.ClientSession() as http:
        await stopping.keeper.stop()
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(f"{base}/one/a")
        assert refused.value.status == 404
        async with RawSocket.dialled(f"{base}/two/b", hello=False) as peer:
            peer.write(frame(b"hi"))
            assert await peer.read() == (TEXT, b"HI")

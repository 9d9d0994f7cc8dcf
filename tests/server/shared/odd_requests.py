"""Requests as clients send them, nearly, or not at all, for tests that feed them to the server."""

from hypothesis import strategies as st

TOKEN_SIZE = 55

BODIES = st.sampled_from(
    [
        b"", b"token={token}", b"token=xoxb-wrong", b'{"token":"{token}"}', b'{"resume":""}', b"resume=0", b"resume=x",
        b"a[]=1", b"\xff=1", b"{", b"[1]", b"batch_presence_aware=perhaps", b"batch_presence_aware=1", b"x" * 20_000,
        b'--x\r\nContent-Disposition: form-data; name="resume"\r\n\r\n\r\n--x--\r\n', b"GET / HTTP/1.1\r\n\r\n",
    ]
)  # fmt: skip
TARGETS = st.sampled_from(
    [
        *["/api/rtm.connect"] * 6, "/api/rtm.connect?resume=", "/api/rtm.connect?token={token}", "/api/rtm.connect?%ff",
        "/api/rtm.connect?a%5B%5D=1", "/api/rtm.connect?", "/api/rtm.connect/", "//api/rtm.connect", "/api/auth.test",
        "/api/rtm.connect?a b", "/api/rtm.connect#x", "http://x/api/rtm.connect", "/api/rtm%2econnect", "/healthz", "*",
    ]
)  # fmt: skip
HEADERS = st.sampled_from(
    [
        *["Authorization: Bearer {token}"] * 4, "authorization: bearer  {token}", "Authorization: Bearer xoxb-wrong",
        "Authorization: Basic eDp5", "Authorization: Bearer ", "Content-Type: application/x-www-form-urlencoded",
        "Content-Type: application/json", "Content-Type: application/json; charset=utf-8", "Content-Type: text/plain",
        "Content-Type: multipart/form-data; boundary=x", "Connection: close", "Connection: keep-alive",
        "Connection: Keep-Alive", "connection: CLOSE", "Connection: close, x", "Connection: upgrade",
        "Transfer-Encoding: chunked", "Transfer-Encoding: identity", "transfer-encoding : chunked", "TE: trailers",
        "Expect: 100-continue", "Upgrade: h2c", "X-Forwarded-Proto: https", "X-Forwarded-Proto: ftp",
        "X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 203.0.113.9, 127.0.0.1", "Host: other.example:99",
        "Content-Length: 0", "Content-Length: +0", "Content-Length: 00", "Content-Length: 5", "Content-Length: 1, 1",
        "X-Odd: \x7f", "X-Odd: a\tb", "X-Empty:", "X-No-Space:1", "X-Space: 1 ", " folded", "NoColon", "X_Y: 1", ": x",
        "X-Latin: \xe4", "X-Long: " + "x" * 9_000,
    ]
)  # fmt: skip


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request that a client might send, or nearly; ``{token}`` stands for a token."""
    body = draw(BODIES)
    lines = draw(st.lists(HEADERS, max_size=5))
    if draw(st.integers(0, 9)):
        lines.insert(0, "Host: example.test")
    if body or draw(st.booleans()):
        size = len(body.replace(b"{token}", b"x" * TOKEN_SIZE)) + draw(st.sampled_from([0] * 12 + [-1, 1]))
        lines.insert(draw(st.integers(0, len(lines))), f"Content-Length: {max(size, 0)}")
    verb = draw(st.sampled_from([*["POST", "GET"] * 4, "HEAD", "PUT", "post", "OPTIONS"]))
    version = draw(st.sampled_from([*["HTTP/1.1"] * 9, "HTTP/1.0", "HTTP/1.2", "http/1.1"]))
    head = "\r\n".join([f"{verb} {draw(TARGETS)} {version}", *lines])
    return head.encode("latin-1") + b"\r\n\r\n" + body


@st.composite
def streams(draw: st.DrawFn) -> list[bytes]:
    """Some requests, perhaps damaged, cut anywhere or where requests end."""
    parts = draw(st.lists(requests(), min_size=1, max_size=3))
    if draw(st.integers(0, 3)) == 0:
        where = draw(st.integers(0, len(parts) - 1))
        part = bytearray(parts[where])
        for _ in range(draw(st.integers(1, 3))):
            place = draw(st.integers(0, len(part)))
            part[place : place + draw(st.integers(0, 2))] = draw(
                st.sampled_from([b"", b"\r", b"\n", b"\r\n", b" ", b":", b"\x00", b"0", b"\x80", b"\r\n\r\n", b"\t"])
            )
        parts[where] = bytes(part)
    if draw(st.integers(0, 2)):
        return parts
    whole = b"".join(parts)
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    return [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True) if a < b]

"""The private authority: what it signs, what its limits are, and when it is made anew."""

import contextlib
import ipaddress
import os
import re
import shutil
import ssl
import stat
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from needs import need, skip_for

from tautwire.attach import authority
from tautwire.attach.authority import Authority
from tautwire.attach.trust import PASSWORD, write_trust
from tautwire.protocol.errors import ConfigError


def certificates(path: Path) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(path.read_bytes())


def signed(folder: Path, *names: x509.GeneralName) -> Path:
    """Sign a certificate with the key of the intermediate, as a thief of it would; return chain and key."""
    pem = (folder / "intermediate.pem").read_bytes()
    issuer, issuer_key = x509.load_pem_x509_certificate(pem), serialization.load_pem_private_key(pem, None)
    assert isinstance(issuer_key, ec.EllipticCurvePrivateKey)
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
    path = folder / "thief.pem"
    path.write_bytes(leaf.public_bytes(serialization.Encoding.PEM) + issuer.public_bytes(serialization.Encoding.PEM))
    return path


def verify(folder: Path, chain: Path) -> tuple[int, str]:
    """Have OpenSSL check a chain against the root."""
    done = subprocess.run(
        [need("openssl", "OpenSSL 3 or newer"), "verify", "-CAfile", folder / "root.pem", "-untrusted", chain, chain],
        capture_output=True, text=True, check=False, timeout=30,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def handshake(context: ssl.SSLContext, root: Path, name: str) -> None:
    """Shake hands in memory, as a program that asks for a host."""
    client_in, client_out, server_in, server_out = (ssl.MemoryBIO() for _ in range(4))
    client = ssl.create_default_context(cafile=root).wrap_bio(client_in, client_out, server_hostname=name)
    server = context.wrap_bio(server_in, server_out, server_side=True)
    for _ in range(3):
        for side, out, other in ((client, client_out, server_in), (server, server_out, client_in)):
            with contextlib.suppress(ssl.SSLWantReadError):
                side.do_handshake()
            other.write(out.read())
    client.do_handshake()


@pytest.mark.parametrize("name", ["slack.com", "www.slack.com", "wss-primary.slack.com", "localhost"])
def test_programs_that_know_the_root_take_the_front(tmp_path: Path, name: str) -> None:
    made = Authority(tmp_path / "attach")
    handshake(made.context, made.root, name)


@pytest.mark.parametrize("name", ["example.com", "a.b.slack.com", "notslack.com", "127.0.0.1"])
def test_the_front_is_refused_for_other_hosts(tmp_path: Path, name: str) -> None:
    made = Authority(tmp_path / "attach")
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for"):
        handshake(made.context, made.root, name)


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([x509.DNSName("example.com")], "permitted subtree violation"),
        ([x509.DNSName("slack.com"), x509.DNSName("example.com")], "permitted subtree violation"),
        ([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))], "excluded subtree violation"),
        ([x509.DNSName("slack.com"), x509.IPAddress(ipaddress.ip_address("::1"))], "excluded subtree violation"),
    ],
)
def test_a_stolen_key_signs_for_no_other_host(tmp_path: Path, names: list[Any], says: str) -> None:
    Authority(tmp_path)
    code, text = verify(tmp_path, signed(tmp_path, x509.DNSName("slack.com")))
    assert code == 0, text
    code, text = verify(tmp_path, signed(tmp_path, *names))
    assert code != 0
    assert says in text


def test_the_key_of_the_root_is_in_no_file(tmp_path: Path) -> None:
    made = Authority(tmp_path / "attach")
    (root,) = certificates(made.root)
    blocks = re.compile(rb"-----BEGIN PRIVATE KEY-----.*?-----END PRIVATE KEY-----", re.DOTALL)
    public = [
        serialization.load_pem_private_key(block, None).public_key()
        for path in (tmp_path / "attach").iterdir()
        for block in blocks.findall(path.read_bytes())
    ]
    assert len(public) == 2
    assert root.public_key() not in public


def test_the_files_are_for_their_owner(tmp_path: Path) -> None:
    folder = tmp_path / "attach"
    write_trust(Authority(folder).root, {})
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {path.name for path in folder.iterdir()} == {
        "root.pem", "intermediate.pem", "front.pem", "bundle.pem", "truststore.p12",
    }  # fmt: skip
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_the_leaf_lasts_no_longer_than_some_stacks_allow(tmp_path: Path) -> None:
    Authority(tmp_path)
    leaf = certificates(tmp_path / "front.pem")[0]
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=398)


def test_a_second_start_keeps_the_certificates(tmp_path: Path) -> None:
    Authority(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    Authority(tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_leaf_that_ends_soon_is_replaced_and_the_root_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authority, "LEAF_LIFE", timedelta(days=30))
    made = Authority(tmp_path)
    root, leaf = made.root.read_bytes(), (tmp_path / "front.pem").read_bytes()
    monkeypatch.undo()
    made.refresh()
    assert made.root.read_bytes() == root
    assert (tmp_path / "front.pem").read_bytes() != leaf
    handshake(made.context, made.root, "slack.com")


def test_an_authority_that_ends_soon_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authority, "LIFE", timedelta(days=30))
    root = Authority(tmp_path).root.read_bytes()
    monkeypatch.undo()
    made = Authority(tmp_path)
    assert made.root.read_bytes() != root
    handshake(made.context, made.root, "slack.com")


def test_an_interrupted_start_is_made_good(tmp_path: Path) -> None:
    made = Authority(tmp_path)
    made.root.unlink()
    again = Authority(tmp_path)
    handshake(again.context, again.root, "slack.com")


@pytest.mark.parametrize("name", ["root.pem", "intermediate.pem", "front.pem"])
def test_a_damaged_file_is_an_error_that_says_what_to_do(tmp_path: Path, name: str) -> None:
    Authority(tmp_path)
    (tmp_path / name).write_text("nothing")
    with pytest.raises(ConfigError, match="remove the directory"):
        Authority(tmp_path)


def test_the_bundle_has_the_roots_of_the_system_and_of_the_operator(tmp_path: Path) -> None:
    other = Authority(tmp_path / "other").root
    files = write_trust(Authority(tmp_path / "attach").root, {"NODE_EXTRA_CA_CERTS": str(other), "CURL_CA_BUNDLE": ""})
    text = files.bundle.read_text()
    assert other.read_text() in text
    assert text.endswith(files.root.read_text())
    assert text.count("BEGIN CERTIFICATE") > 2
    assert ssl.create_default_context(cafile=files.bundle)


def test_a_bundle_of_the_operator_takes_the_place_of_the_system(tmp_path: Path) -> None:
    other = Authority(tmp_path / "other").root
    files = write_trust(Authority(tmp_path / "attach").root, {"SSL_CERT_FILE": str(other)})
    assert files.bundle.read_text() == other.read_text() + files.root.read_text()


def test_a_bundle_that_is_not_there_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = write_trust(Authority(tmp_path / "attach").root, {"SSL_CERT_FILE": str(tmp_path / "none.pem")})
    assert files.bundle.read_text() == files.root.read_text()
    assert "none.pem are left out" in caplog.text
    assert "no roots of the system were found" in caplog.text


def test_java_reads_the_trust_store(tmp_path: Path) -> None:
    keytool = shutil.which("keytool")
    skip_for("keytool was not found: install a Java, such as default-jdk-headless" if keytool is None else None)
    files = write_trust(Authority(tmp_path / "attach").root, os.environ)
    done = subprocess.run(
        [str(keytool), "-list", "-v", "-keystore", files.java, "-storepass", PASSWORD],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "tautwire private root" in done.stdout
    assert done.stdout.count("trustedCertEntry") == files.bundle.read_text().count("BEGIN CERTIFICATE")

"""The files by which programs trust the authority: bundles for most runtimes, a trust store for Java.

Most variables replace the roots that a program knows, so the bundle has those of the system as well, and those that
the operator's own variables name.
"""

import logging
import ssl
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

from tautwire.protocol.errors import ConfigError
from tautwire.server.private_file import replace_private

log = logging.getLogger("tautwire.attach")

VARIABLES: Final = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "WEBSOCKET_CLIENT_CA_BUNDLE")
"""Each makes some program read a bundle in the place of the roots it knows."""
NODE: Final = "NODE_EXTRA_CA_CERTS"
"""Names roots that are added to those of Node."""
PASSWORD: Final = "changeit"  # noqa: S105 - what every Java has; the store holds no secrets
"""The password of the trust store."""

SYSTEM_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Alpine, Arch
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, Red Hat
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # macOS, BSD
)
_MARKS: Final = (b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----")


@dataclass(frozen=True, slots=True)
class TrustFiles:
    """Where the files are."""

    root: Path
    """Our root alone."""
    bundle: Path
    """The roots of the system and of the operator, and ours."""
    java: Path
    """The same as a trust store (PKCS #12) for ``javax.net.ssl.trustStore``."""


def write_trust(root: Path, environment: Mapping[str, str]) -> TrustFiles:
    """Write the bundle and the trust store beside the root.

    Args:
        environment: that of the operator, whose own bundles are added.

    Raises:
        ConfigError: a file cannot be written.
    """
    files = TrustFiles(root, root.with_name("bundle.pem"), root.with_name("truststore.p12"))
    ours = root.read_bytes()
    known: dict[bytes, None] = {}
    for path in _sources(environment):
        known.update(dict.fromkeys(_certificates(path)))
    if not known:
        log.warning("no roots of the system were found: attached programs trust slack.com here, and no other host")
    try:
        replace_private(files.bundle, b"".join(known) + ours)
        replace_private(files.java, _java_store([*known, ours]))
    except OSError as error:
        raise ConfigError(f"{files.bundle.parent} cannot be written: {error.strerror or error}") from None
    return files


def _sources(environment: Mapping[str, str]) -> Iterator[Path]:
    named = [Path(environment[name]) for name in (*VARIABLES, NODE) if environment.get(name)]
    yield from named
    if "SSL_CERT_FILE" not in environment:
        paths = ssl.get_default_verify_paths()
        for text in (paths.openssl_cafile, *SYSTEM_BUNDLES):
            if Path(text).is_file():
                yield Path(text)
                return


def _certificates(path: Path) -> Iterator[bytes]:
    """Yield the certificates of a file as PEM, without the text between them."""
    begin, end = _MARKS
    try:
        data = path.read_bytes()
    except OSError as error:
        log.warning("the roots in %s are left out: %s", path, error.strerror or error)
        return
    for piece in data.split(begin)[1:]:
        body, found, _ = piece.partition(end)
        if found:
            yield begin + body + end + b"\n"


def _java_store(pems: list[bytes]) -> bytes:
    """Return a trust store that any Java since 8 reads: newer ways of encryption came in updates of it."""
    entries = []
    for number, pem in enumerate(pems):
        try:
            # Among the roots of a system are some with serial numbers that are against the rules of today.
            with warnings.catch_warnings(action="ignore"):
                certificate = x509.load_pem_x509_certificate(pem)
        except ValueError:  # a root of the system that is too odd for the library; other runtimes read the bundle
            log.debug("certificate %d of the bundle is left out of the trust store", number)
            continue
        entries.append(pkcs12.PKCS12Certificate(certificate, f"root-{number}".encode()))
    protection = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(2048)
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .hmac_hash(hashes.SHA1())  # noqa: S303 - see above; it protects nothing that is secret
        .build(PASSWORD.encode())
    )
    return pkcs12.serialize_java_truststore(entries, protection)

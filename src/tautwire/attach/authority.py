"""The private certificate authority of an installation, and the files by which programs trust it.

A root limited to slack.com and localhost signs one intermediate with the same limits, and its key is never written: no
second intermediate can exist. The limits are in both, since Java applies those of intermediates and not those of a
trusted root. IP addresses are excluded, since limits of names say nothing about them. Nothing is added to the system.
Reasons and measurements: docs/adr/0030-private-authority.md.
"""

import ipaddress
import logging
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tautwire.attach.hosts import ZONE
from tautwire.protocol.errors import ConfigError
from tautwire.server.private_file import replace_private

log = logging.getLogger("tautwire.attach")

LIFE: Final = timedelta(days=3650)
"""Of root and intermediate."""
LEAF_LIFE: Final = timedelta(days=397)
"""Some stacks refuse certificates of a server that are valid for more than 398 days. Source: Apple (documented)."""
RENEWAL: Final = timedelta(days=60)
"""A certificate that ends sooner is replaced at the start, and while the front runs."""
_BEFORE: Final = timedelta(hours=1)
"""Certificates begin in the past, for programs whose clock is slow."""
NAMES: Final = (ZONE, f"*.{ZONE}", "localhost")

_CONSTRAINTS: Final = x509.NameConstraints(
    permitted_subtrees=[x509.DNSName(ZONE), x509.DNSName("localhost")],
    excluded_subtrees=[
        x509.IPAddress(ipaddress.ip_network("0.0.0.0/0")),
        x509.IPAddress(ipaddress.ip_network("::/0")),
    ],
)


class Authority:
    """The certificates in a directory; missing ones, and ones that end soon, are made.

    Args:
        directory: made if it is missing; only its owner can read it.

    Raises:
        ConfigError: a file cannot be read or written.
    """

    def __init__(self, directory: Path) -> None:
        self.root = directory / "root.pem"
        """The root certificate alone, for what adds it to the roots it knows."""
        self._intermediate = directory / "intermediate.pem"
        """Certificate and key."""
        self._leaf = directory / "front.pem"
        """Key, certificate, and that of the intermediate, as ``load_cert_chain`` takes them."""
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.chmod(0o700)
            self.renew()
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            """Of the front. It is kept when the certificate is renewed."""
            self.context.set_alpn_protocols(["http/1.1"])
            self.context.load_cert_chain(self._leaf)
        except (OSError, TypeError, ValueError) as error:
            raise ConfigError(
                f"the certificates in {directory} cannot be used: {error}; remove the directory to have new ones made"
            ) from None

    def renew(self) -> bool:
        """Make what is missing or ends soon; return whether the certificate of the front is another now.

        Raises:
            OSError: a file cannot be written.
            TypeError, ValueError: a file has something else in it.
        """
        now = datetime.now(UTC)
        if not (self._lasts(self.root, now) and self._lasts(self._intermediate, now)):
            self._make_authority(now)
        elif self._lasts(self._leaf, now):
            return False
        self._make_leaf(now)
        return True

    def refresh(self) -> None:
        """Renew the certificate of a running front; new connections get it.

        Raises:
            OSError: a file cannot be written.
            TypeError, ValueError: a file has something else in it.
        """
        if self.renew():
            self.context.load_cert_chain(self._leaf)
            log.info("the certificate of the front is new: programs that were started long ago need a restart")

    @staticmethod
    def _lasts(path: Path, now: datetime) -> bool:
        try:
            found = x509.load_pem_x509_certificate(path.read_bytes())
        except FileNotFoundError:
            return False
        return found.not_valid_before_utc <= now and found.not_valid_after_utc - now > RENEWAL

    def _make_authority(self, now: datetime) -> None:
        root_key, key = _new_key(), _new_key()
        root_name = _name("tautwire private root, slack.com only")
        root = _sign(root_name, root_key, root_name, root_key, now, path_length=1)
        made = _sign(_name("tautwire private intermediate, slack.com only"), key, root_name, root_key, now)
        # The key of the root is dropped here. The root comes last: without it, both are made again.
        self.root.unlink(missing_ok=True)
        replace_private(self._intermediate, _pem(made) + _key_pem(key))
        replace_private(self.root, _pem(root))

    def _make_leaf(self, now: datetime) -> None:
        pem = self._intermediate.read_bytes()
        issuer = x509.load_pem_x509_certificate(pem)
        issuer_key = serialization.load_pem_private_key(pem, None)
        if not isinstance(issuer_key, ec.EllipticCurvePrivateKey):
            raise TypeError(f"{self._intermediate.name} has a key of another kind")
        key = _new_key()
        builder = _begin(
            _name("tautwire front"), key, issuer.subject, now, min(now + LEAF_LIFE, issuer.not_valid_after_utc)
        )
        builder = (
            builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in NAMES]), critical=False)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        )
        leaf = builder.sign(issuer_key, hashes.SHA256())
        replace_private(self._leaf, _key_pem(key) + _pem(leaf) + _pem(issuer))


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _begin(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _sign(
    subject: x509.Name, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, issuer_key: ec.EllipticCurvePrivateKey,
    now: datetime, path_length: int = 0,
) -> x509.Certificate:  # fmt: skip
    """Return the certificate of an authority."""
    return (
        _begin(subject, key, issuer, now, now + LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(_CONSTRAINTS, critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
        .sign(issuer_key, hashes.SHA256())
    )  # fmt: skip


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

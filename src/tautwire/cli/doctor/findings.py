"""How the findings of a doctor are shown."""

from collections.abc import Iterable
from typing import Final

import msgspec
import typer

from tautwire.gateway.setup.doctor import Finding

MARKS: Final = {"ok": "ok     ", "warning": "warning", "failed": "FAILED "}


def ok(check: str, text: str) -> Finding:
    """Return what needs no change."""
    return Finding(check, "ok", text)


def warning(check: str, text: str) -> Finding:
    """Return what works and should be looked at."""
    return Finding(check, "warning", text)


def failed(check: str, text: str) -> Finding:
    """Return what has to be changed."""
    return Finding(check, "failed", text)


def show(findings: Iterable[Finding], *, as_json: bool) -> bool:
    """Print each finding as it comes, or all as one JSON object; return whether something has to be changed."""
    found = []
    for finding in findings:
        found.append(finding)
        if not as_json:
            typer.echo(f"{MARKS[finding.outcome]}  {finding.check}: {finding.text}")
    if as_json:
        typer.echo(msgspec.json.encode({"findings": found}).decode())
    return any(finding.outcome == "failed" for finding in found)

"""What docs/reference/wire says of apps can be used as it stands: signatures verify, payloads are of their kind."""

import hashlib
import hmac
import json
import re
from pathlib import Path
from typing import Any

import pytest
from slack_sdk.signature import Clock, SignatureVerifier

WIRE = Path(__file__).parents[2] / "docs" / "reference" / "wire"

SECRET = "7b1f0a9c3d5e4f60a1b2c3d4e5f60718"
TIMESTAMP = 1790000100
ROW = re.compile(r"^\| (S\d) \| (?:`(.*?)`.*?|empty) \| `(v0=[0-9a-f]{64})` \|$", re.MULTILINE)
BLOCK = re.compile(r"^## V(\d+): (?:(?!^#).)*?^```json\n(.*?)^```", re.MULTILINE | re.DOTALL)
SIGNED = {name: (body, signature) for name, body, signature in ROW.findall((WIRE / "events-api.md").read_text())}

PAYLOADS: dict[str, dict[str, Any]] = {
    number: json.loads(block) for number, block in BLOCK.findall((WIRE / "interactivity-vectors.md").read_text())
}
KINDS = {
    "1": None,
    "2": "block_actions",
    "3": "view_submission",
    "4": "view_closed",
    "5": "block_suggestion",
    "6": "shortcut",
    "7": "message_action",
    "8": "interactive_message",
    "9": "dialog_submission",
    "11": "block_actions",
}


class Frozen(Clock):
    def now(self) -> float:
        return TIMESTAMP


def test_all_signatures_were_found_and_the_page_names_their_secret_and_time() -> None:
    assert list(SIGNED) == ["S1", "S2", "S3", "S4", "S5", "S6"]
    assert f"secret `{SECRET}` and the timestamp `{TIMESTAMP}`" in (WIRE / "events-api.md").read_text()


@pytest.mark.parametrize("name", SIGNED)
def test_a_signature_is_the_hmac_of_its_body(name: str) -> None:
    body, signature = SIGNED[name]

    digest = hmac.new(SECRET.encode(), f"v0:{TIMESTAMP}:{body}".encode(), hashlib.sha256).hexdigest()

    assert signature == f"v0={digest}"


@pytest.mark.parametrize("name", SIGNED)
def test_slack_sdk_verifies_a_signature_and_refuses_it_with_one_more_byte(name: str) -> None:
    body, signature = SIGNED[name]
    verifier = SignatureVerifier(SECRET, clock=Frozen())

    assert verifier.is_valid(body, str(TIMESTAMP), signature)
    assert not verifier.is_valid(f"{body}x", str(TIMESTAMP), signature)


def test_payloads_are_of_the_kinds_that_their_headings_name() -> None:
    assert {number: payload.get("type") for number, payload in PAYLOADS.items()} == KINDS


@pytest.mark.parametrize("number", PAYLOADS)
def test_a_payload_names_its_app_s_workspace_and_person(number: str) -> None:
    payload = PAYLOADS[number]

    team = payload["team_id"] if number == "1" else payload["team"]["id"]
    person = payload["user_id"] if number == "1" else payload["user"]["id"]
    assert (team, person) == ("T0TAUT001", "U0ANNA001")


def test_every_event_envelope_has_one_authorization_and_a_timed_event() -> None:
    blocks = re.findall(r"^```json\n(.*?)^```", (WIRE / "events-api.md").read_text(), re.MULTILINE | re.DOTALL)
    envelopes = [each for block in blocks if (each := json.loads(block))["type"] == "event_callback"]

    assert [each["event"]["type"] for each in envelopes] == [
        "app_mention",
        "assistant_thread_started",
        "app_home_opened",
    ]
    for each in envelopes:
        assert len(each["authorizations"]) == 1
        assert each["event_time"] == int(each["event"]["event_ts"].partition(".")[0])

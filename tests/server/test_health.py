"""The list of faults: what is reported, replaced and cleared."""

import logging

import pytest

from tautwire.server.health import Health


def test_a_server_without_faults_is_ready() -> None:
    assert Health().is_ready


def test_a_fault_is_listed_until_it_is_cleared() -> None:
    health = Health()
    health.fault("disk", "no space left")
    health.fault("writer", "the thread ended")
    assert not health.is_ready
    health.clear("disk")
    assert dict(health.faults) == {"writer": "the thread ended"}
    health.clear("writer")
    assert health.is_ready


def test_a_fault_that_lasts_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    health = Health()
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            health.fault("disk", "no space left")
        health.clear("disk")
        health.clear("disk")
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


def test_the_faults_that_were_read_do_not_change_later() -> None:
    health = Health()
    health.fault("disk", "no space left")
    faults = health.faults
    health.clear("disk")
    assert dict(faults) == {"disk": "no space left"}

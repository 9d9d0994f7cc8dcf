"""What users are handed besides events says by itself whether something is missing."""

from datetime import UTC, datetime

import pytest

from tautwire import Backfilled, Gap, Identity, Ready, Resume
from tautwire.client.errors import BackfillIncomplete
from tautwire.client.notices import SelfTeam, SelfUser
from tautwire.protocol.ids import ChannelId, TeamId, Ts, UserId

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ME = Identity(SelfUser(UserId("U1")), SelfTeam(TeamId("T1")))


@pytest.mark.parametrize(
    ("resume", "is_filled"), [(Resume.RESUMED, True), (Resume.RESYNC, False), (Resume.NEW, False), (None, False)]
)
def test_only_a_resumed_gap_is_filled(resume: Resume | None, is_filled: bool) -> None:
    gap = Gap(NOW, NOW, "dropped", resume)
    assert gap.is_filled is is_filled
    assert Ready(ME, False, resume, gap).may_miss_events is not is_filled


def test_without_a_gap_nothing_is_missing() -> None:
    assert not Ready(ME, True, None, None).may_miss_events


def test_a_filling_with_something_missing_is_not_complete() -> None:
    missing = BackfillIncomplete(ChannelId("C1"), Ts("1700000000.000001"), "no time is left")
    assert Backfilled((), NOW, {}).is_complete
    assert not Backfilled((), NOW, {}, (missing,)).is_complete

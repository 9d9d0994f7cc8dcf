"""The section of the changelog that a release gets, and the versions that are refused. ``make release`` runs in CI."""

import datetime

import pytest

from tools.release import ReleaseError, extras, set_version, with_section

DAY = datetime.date(2026, 12, 1)
BEFORE = "# Changelog\n\nText.\n\n"
CHANGES = "\n### Added\n\n- One thing.\n"


def test_the_unreleased_changes_become_those_of_the_version() -> None:
    old = "\n## [0.1.0] - 2026-01-01\n\n### Added\n\n- All.\n"
    made = with_section(f"{BEFORE}## [Unreleased]\n{CHANGES}{old}", "0.2.0", DAY)
    assert made == f"{BEFORE}## [Unreleased]\n\n## [0.2.0] - 2026-12-01\n{CHANGES}{old}"


@pytest.mark.parametrize(
    ("changelog", "why"),
    [
        (f"{BEFORE}## [0.2.0] - 2026-01-01\n{CHANGES}", "has the heading 0.2.0 already"),
        (f"{BEFORE}## [Unreleased]\n\n## [0.1.0] - 2026-01-01\n{CHANGES}", "nothing under Unreleased"),
        (BEFORE, "nothing under Unreleased"),
    ],
)
def test_a_release_without_changes_is_refused(changelog: str, why: str) -> None:
    with pytest.raises(ReleaseError, match=why):
        with_section(changelog, "0.2.0", DAY)


@pytest.mark.parametrize("version", ["1.2", "v1.2.3", "1.2.3rc1", ""])
def test_a_version_that_is_none_is_refused_before_a_file_is_touched(version: str) -> None:
    with pytest.raises(ReleaseError, match="is not a version"):
        set_version(version)


def test_the_bare_package_is_tried_out_too() -> None:
    assert set(extras()) >= {"", "server", "all"}

"""The dates of a query. Source: wire/search.md#query. Days begin in UTC, the time zone of every user here."""

import re
from calendar import month_abbr, month_name
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

_DAY: Final = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})", re.ASCII)
_AMERICAN_DAY: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_MONTH: Final = re.compile(r"(\d{4})-(\d{1,2})", re.ASCII)
_YEAR: Final = re.compile(r"\d{4}", re.ASCII)
_MONTHS: Final = {name.lower(): number for number in range(1, 13) for name in (month_name[number], month_abbr[number])}
_ONE: Final = timedelta(days=1)
_WEEK: Final = timedelta(days=7)


class Days(NamedTuple):
    """Some days: the first, and the one behind the last."""

    first: date
    end: date


def parse_days(text: str, today: date) -> Days | None:
    """Return the days that a text names, None if it names none.

    It may be a day, a month, a year, or a word: ``today``, ``yesterday``, ``week``, ``month``, ``year``, or the name of
    a month, which is the current or the last such month.
    """
    text = text.lower()
    try:
        return _named(text, today) or _numbered(text)
    except (ValueError, OverflowError):  # no such day, or a year that dates do not have
        return None


def _named(text: str, today: date) -> Days | None:
    if text == "today":
        return Days(today, today + _ONE)
    if text == "yesterday":
        return Days(today - _ONE, today)
    if text == "week":
        monday = today - timedelta(days=today.weekday())
        return Days(monday, monday + _WEEK)
    if text == "month":
        return _month(today.year, today.month)
    if text == "year":
        return _year(today.year)
    if text in _MONTHS:
        number = _MONTHS[text]
        return _month(today.year if number <= today.month else today.year - 1, number)
    return None


def _numbered(text: str) -> Days | None:
    if match := _DAY.fullmatch(text):
        first = date(int(match[1]), int(match[2]), int(match[3]))
        return Days(first, first + _ONE)
    if match := _AMERICAN_DAY.fullmatch(text):
        first = date(int(match[3]), int(match[1]), int(match[2]))
        return Days(first, first + _ONE)
    if match := _MONTH.fullmatch(text):
        return _month(int(match[1]), int(match[2]))
    if _YEAR.fullmatch(text):
        return _year(int(text))
    return None


def _month(year: int, month: int) -> Days:
    return Days(date(year, month, 1), date(year + month // 12, month % 12 + 1, 1))


def _year(year: int) -> Days:
    return Days(date(year, 1, 1), date(year + 1, 1, 1))


def ts_of(day: date) -> str:
    """Return the first timestamp of a day; days before 1970 and after 2286 are those of the first and last one."""
    seconds = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
    return f"{min(max(seconds, 0), 9_999_999_999):010d}.000000"

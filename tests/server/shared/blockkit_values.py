"""Values that fit the shapes of the table: the smallest, generated ones, and those at and above each limit."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tautwire.server.services.blockkit.shapes import Anything, Choice, Flag, Items, Kinds, Number, Object, Shape, Text

PATTERNS = {"[0-9]{4}-[0-9]{2}-[0-9]{2}": "2026-01-31", "[0-9]{2}:[0-9]{2}": "09:30"}


class Limit(NamedTuple):
    """A limit of a shape: a value at it, one just beyond it, and the fault of that, without ``/blocks/0`` in front."""

    at: Any
    beyond: Any
    message: str
    place: str


def smallest(shape: Shape, kind: str = "") -> Any:
    """Return the smallest valid value."""
    match shape:
        case Text():
            return PATTERNS[shape.pattern] if shape.pattern else "x" * shape.low
        case Number():
            return shape.low or 0
        case Flag():
            return True
        case Choice():
            return shape.values[0]
        case Anything():
            return {}
        case Items():
            return [smallest(shape.each)] * shape.low
        case Object():
            return {name: smallest(shape.required.get(name) or shape.optional[name]) for name in needed(shape)}
        case Kinds():
            kind = kind or next(iter(shape.kinds))
            return {"type": kind, **smallest(shape.kinds[kind])}


def needed(shape: Object) -> list[str]:
    return [*shape.required, *shape.exactly_one[:1], *shape.at_least_one[:1]]


def valid(shape: Shape, name: str = "") -> st.SearchStrategy[Any]:
    """Return a strategy for valid values of a member; ids are unique, no element asks for the focus."""
    if name in ("action_id", "block_id"):
        return st.uuids().map(str)
    if name == "focus_on_load":
        return st.just(value=False)
    match shape:
        case Text():
            high = shape.low + 20 if shape.high is None else min(shape.high, shape.low + 20)
            return (
                st.from_regex(shape.pattern, fullmatch=True)
                if shape.pattern
                else st.text(min_size=shape.low, max_size=high)
            )
        case Number():
            whole = st.integers(shape.low, shape.high)
            return whole if shape.is_integer else whole | st.floats(allow_nan=False)
        case Flag():
            return st.booleans()
        case Choice():
            return st.sampled_from(shape.values)
        case Anything():
            return st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
        case Items():
            high = shape.low + 2 if shape.high is None else min(shape.high, shape.low + 2)
            each = valid(shape.each) | st.none() if shape.has_null else valid(shape.each)
            return st.lists(each, min_size=shape.low, max_size=high)
        case Object():
            return valid_object(shape)
        case Kinds():
            return st.one_of([valid_kind(shape, kind) for kind in shape.kinds])


def valid_kind(shape: Kinds, kind: str) -> st.SearchStrategy[Any]:
    return valid_object(shape.kinds[kind]).map(lambda made: {"type": kind, **made})


def valid_object(shape: Object) -> st.SearchStrategy[Any]:
    must = {name: valid(shape.required.get(name) or shape.optional[name], name) for name in needed(shape)}
    may = {
        name: st.deferred(lambda inside=inside, name=name: valid(inside, name))
        for name, inside in shape.optional.items()
        if name not in must and name not in shape.exactly_one
    }
    return st.fixed_dictionaries(must, optional=may)


def limits(shape: Shape) -> Iterator[Limit]:
    """Yield every limit of a shape and of what is in it."""
    match shape:
        case Text():
            if shape.high is not None:
                message = f"must be less than {shape.high + 1} characters"
                yield Limit("x" * shape.high, "x" * (shape.high + 1), message, "")
            if shape.low:
                yield Limit("x" * shape.low, "x" * (shape.low - 1), f"must be more than {shape.low - 1} characters", "")
        case Number():
            if shape.low is not None:
                yield Limit(shape.low, shape.low - 1, f"must be greater than {shape.low - 1}", "")
            if shape.high is not None:
                yield Limit(shape.high, shape.high + 1, f"must be less than {shape.high + 1}", "")
        case Items():
            one = smallest(shape.each)
            if shape.high is not None:
                many = [numbered(one, index) for index in range(shape.high + 1)]
                yield Limit(many[:-1], many, f"no more than {shape.high} items allowed", "")
            if shape.low:
                least = [one] * shape.low
                yield Limit(least, least[:-1], f"must provide at least {shape.low} items", "")
            for inner in limits(shape.each):
                least = [one] * (shape.low - 1)
                yield Limit([inner.at, *least], [inner.beyond, *least], inner.message, f"/0{inner.place}")
        case Object():
            base = smallest(shape)
            for name, inside in (shape.required | shape.optional).items():
                rest = (
                    base
                    if name not in shape.exactly_one
                    else {k: v for k, v in base.items() if k not in shape.exactly_one}
                )
                for inner in limits(inside):
                    yield Limit(
                        {**rest, name: inner.at}, {**rest, name: inner.beyond}, inner.message, f"/{name}{inner.place}"
                    )
        case Kinds():
            for kind, inside in shape.kinds.items():
                for inner in limits(inside):
                    typed = {"type": kind}
                    yield Limit(typed | inner.at, typed | inner.beyond, inner.message, inner.place)
        case Flag() | Choice() | Anything():
            return


def numbered(value: Any, index: int) -> Any:
    """Return a copy of a value in which an id, if it has one, differs from the others."""
    return {**value, "action_id": str(index)} if isinstance(value, dict) and "action_id" in value else value

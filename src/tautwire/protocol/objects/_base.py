"""What all objects have in common."""

from msgspec import Struct


class WireObject(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A thing of a workspace as it travels inside events and answers.

    Only what names the thing is required: which other members come depends on the event, the caller's rights and the
    decade. An absent member is None, and so is a null. Members that no field names are ignored.
    """

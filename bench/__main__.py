"""``python -m bench [NAME …]``: run measurements; without a name all of them."""

import sys
from importlib import import_module

NAMES = (
    "decode",
    "dispatch",
    "client",
    "positions",
    "fanout",
    "sends",
    "taps",
    "memory",
    "crowd",
    "growth",
    "sandboxes",
    "workspace",
    "gateway",
    "bots",
    "page",
)


def main() -> int:
    names = sys.argv[1:] or NAMES
    unknown = set(names).difference(NAMES)
    if unknown:
        print(f"no such measurement: {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}", file=sys.stderr)
        return 2
    for name in names:
        import_module(f"bench.bench_{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main())

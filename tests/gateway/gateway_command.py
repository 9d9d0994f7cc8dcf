"""The command line, run to its end."""

import asyncio
import os
from typing import Any

from gateway_process import START_PATIENCE, TAUTWIRE


async def tautwire(*arguments: str, **variables: Any) -> tuple[int, str, str]:
    """Run ``tautwire`` with variables; return its exit code and what it prints."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith(("TAUTWIRE_", "SLACK_"))}
    process = await asyncio.create_subprocess_exec(
        TAUTWIRE, *arguments, env={**kept, **variables}, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), START_PATIENCE)
    return process.returncode or 0, out.decode(), err.decode()

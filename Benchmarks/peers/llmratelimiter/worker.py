"""Callers that ask llmratelimiter for a slot, one queue in Redis for all processes, and then call the upstream themselves."""

import asyncio
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "queue"))

import aiohttp  # noqa: E402
from calls import ATTEMPTS, FIRST_PAUSE, JITTER, LONGEST_PAUSE, Upstream, run, settings  # noqa: E402
from llmratelimiter import RateLimitConfig, RateLimiter  # noqa: E402


async def main() -> None:
    given = settings()
    limiter = RateLimiter(
        f"redis://127.0.0.1:{given['redis']}",
        "gemini-2.5-flash",
        RateLimitConfig(rpm=given["requests"], window_seconds=given["per"]),
        max_connections=100,
    )
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        upstream = Upstream(given["upstream"], session)

        async def complete(call: dict) -> None:
            # A refusal is tried again as google-genai would, each time with a slot of its own.
            for attempt in range(ATTEMPTS):
                await limiter.acquire(tokens=1)
                call["status"] = await upstream.call()
                if call["status"] == 200:
                    return
                call["refusals"] += 1
                await asyncio.sleep(min(LONGEST_PAUSE, FIRST_PAUSE * 2**attempt) + random.uniform(0, JITTER))

        await run(given, complete)


asyncio.run(main())

"""What the workers of the queue libraries share: closed loops of callers, the upstream's call, what is told in the end.

A worker's one argument is JSON: upstream and redis (ports), requests, per (seconds), seconds (to run), callers (a list of
{client, pause in seconds}), out (file). Each call becomes {client, sent, answered, status, refusals} there; times in
microseconds of the monotonic clock.
"""

import asyncio
import json
import random
import sys
import time

import aiohttp

PATH = "/v1beta/models/gemini-2.5-flash:generateContent"
BODY = b'{"contents":[{"role":"user","parts":[{"text":"Summarise these notes in three sentences."}]}]}'
# google-genai's retry options: attempts in all, then pauses of 1, 2, 4 … s and up to a second more.
ATTEMPTS, FIRST_PAUSE, LONGEST_PAUSE, JITTER = 5, 1.0, 60.0, 1.0


def settings() -> dict:
    return json.loads(sys.argv[1])


def now() -> int:
    return time.monotonic_ns() // 1000


class Upstream:
    def __init__(self, port: int, session: aiohttp.ClientSession):
        self._url = f"http://127.0.0.1:{port}{PATH}"
        self._session = session

    async def call(self) -> int:
        headers = {"Content-Type": "application/json", "x-goog-api-key": "upstream-key"}
        async with self._session.post(self._url, data=BODY, headers=headers) as answer:
            await answer.read()
            return answer.status


async def run(given: dict, complete) -> None:
    """Runs the callers; `complete(call)` does one call and fills in status and refusals. Writes the file."""
    calls: list[dict] = []

    async def caller(who: dict, index: int) -> None:
        dice = random.Random(f"{who['client']} {index}")
        while True:
            call = {"client": who["client"], "sent": now(), "answered": None, "status": None, "refusals": 0}
            calls.append(call)
            await complete(call)
            call["answered"] = now()
            if who["pause"]:
                await asyncio.sleep(dice.uniform(0.5, 1.5) * who["pause"])

    loops = [asyncio.create_task(caller(who, index)) for index, who in enumerate(given["callers"])]
    done, _ = await asyncio.wait(loops, timeout=given["seconds"], return_when=asyncio.FIRST_EXCEPTION)
    with open(given["out"], "w") as out:
        json.dump(calls, out)
    for loop in done:
        loop.result()
    for loop in loops:
        loop.cancel()
    await asyncio.gather(*loops, return_exceptions=True)

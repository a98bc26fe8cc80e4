"""Callers that put a job into a BullMQ queue and wait for its end; a worker in each process, with the queue's limiter."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "queue"))

import aiohttp  # noqa: E402
from bullmq import Queue, QueueEvents, Worker  # noqa: E402
from calls import ATTEMPTS, FIRST_PAUSE, Upstream, run, settings  # noqa: E402


class Refused(Exception):
    """The upstream answered 429; BullMQ tries the job again, with its own exponential backoff."""


async def main() -> None:
    given = settings()
    connection = {"host": "127.0.0.1", "port": given["redis"]}
    queue = Queue("calls", {"connection": connection})
    events = QueueEvents("calls", {"connection": connection})
    ended: dict[str, asyncio.Future] = {}
    refusals: dict[str, int] = {}

    def end(job: str, status: int) -> None:
        if (future := ended.pop(job, None)) and not future.done():
            future.set_result(status)

    events.on("completed", lambda event, *_: end(event["jobId"], 200))
    events.on("failed", lambda event, *_: end(event["jobId"], 429))
    await asyncio.sleep(0.5)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        upstream = Upstream(given["upstream"], session)

        async def process(job, _token):
            if await upstream.call() != 200:
                refusals[job.id] = refusals.get(job.id, 0) + 1
                raise Refused("429")
            return True

        worker = Worker(
            "calls",
            process,
            {
                "connection": connection,
                "concurrency": 50,
                # In seconds. The Python worker is not woken when the limit's time is over (taskforcesh/bullmq#3321): so often it
                # looks again. With the default of 5 it used a quarter of the quota here.
                "drainDelay": 0.1,
                "limiter": {"max": given["requests"], "duration": given["per"] * 1000},
            },
        )

        async def complete(call: dict) -> None:
            future = asyncio.get_running_loop().create_future()
            options = {
                "attempts": ATTEMPTS,
                "backoff": {"type": "exponential", "delay": int(FIRST_PAUSE * 1000)},
                "removeOnComplete": True,
            }
            job = await queue.add("call", {}, options)
            ended[job.id] = future
            call["status"] = await future
            call["refusals"] = refusals.get(job.id, 0)

        await run(given, complete)
        await asyncio.wait_for(worker.close(force=True), 3)


asyncio.run(main())

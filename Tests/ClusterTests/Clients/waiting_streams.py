"""Streams by the official SDKs that have to wait for their slots, where a heartbeat begins the answer.

waiting_streams.py ADDRESS KEY   Prints, by SDK, the text that came or the error that was raised, and the seconds it took.
"""
import asyncio
import json
import sys
import time

import openai
from google import genai

address, key = sys.argv[1:3]
model = "gemini-2.5-flash"
seen = {}
gemini = genai.Client(api_key=key, http_options={"base_url": address})
chat = openai.OpenAI(api_key=key, base_url=address + "/v1beta/openai/", max_retries=0)


def note(name, call):
    started = time.monotonic()
    try:
        text, error = call(), ""
    except Exception as raised:  # The type is what is asked for.
        text, error = "", f"{type(raised).__name__} {getattr(raised, 'code', '')} {getattr(raised, 'message', raised)}"
    seen[name] = {"text": text, "error": error, "seconds": time.monotonic() - started}


async def asynchronous():
    stream = await gemini.aio.models.generate_content_stream(model=model, contents="Wait")
    return "".join([chunk.text or "" async for chunk in stream])


def completions():
    messages = [{"role": "user", "content": "Wait"}]
    stream = chat.chat.completions.create(model=model, messages=messages, stream=True)
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


note("first", lambda: gemini.models.generate_content(model=model, contents="Takes the slot").text)
note("google-genai", lambda: "".join(
    chunk.text or "" for chunk in gemini.models.generate_content_stream(model=model, contents="Wait")
))
note("google-genai asynchronous", lambda: asyncio.run(asynchronous()))
note("openai", completions)
print(json.dumps(seen))

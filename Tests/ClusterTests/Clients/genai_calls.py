"""google-genai against a gateway: plain, asynchronous and streamed. Prints what it got as one line of JSON."""
import asyncio
import json
import sys

from google import genai

address, key = sys.argv[1:3]
client = genai.Client(api_key=key, http_options={"base_url": address})
model = "gemini-2.5-flash"

plain = client.models.generate_content(model=model, contents="Say hello")
stream = [chunk.text for chunk in client.models.generate_content_stream(model=model, contents="Count slowly")]
embedding = client.models.embed_content(model="gemini-embedding-001", contents="A text")


async def asynchronous():
    answer = await client.aio.models.generate_content(model=model, contents="Say hello again")
    chunks = []
    async for chunk in await client.aio.models.generate_content_stream(model=model, contents="Count again"):
        chunks.append(chunk.text)
    return answer.text, chunks


text, chunks = asyncio.run(asynchronous())
print(json.dumps({
    "plain": plain.text,
    "tokens": plain.usage_metadata.total_token_count,
    "stream": [piece or "" for piece in stream],
    "embedding": len(embedding.embeddings[0].values),
    "asyncPlain": text,
    "asyncStream": [piece or "" for piece in chunks],
}))

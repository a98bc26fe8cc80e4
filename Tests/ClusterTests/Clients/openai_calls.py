"""openai against a gateway's OpenAI-compatible Gemini paths. Prints what it got as one line of JSON."""
import json
import sys

from openai import OpenAI

address, key = sys.argv[1:3]
client = OpenAI(api_key=key, base_url=address + "/v1beta/openai/")
messages = [{"role": "user", "content": "Say hello"}]
plain = client.chat.completions.create(model="gemini-2.5-flash", messages=messages)
stream = client.chat.completions.create(model="gemini-2.5-flash", messages=messages, stream=True)
pieces = [chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices]
embedding = client.embeddings.create(model="gemini-embedding-001", input=["one", "two"])
print(json.dumps({
    "plain": plain.choices[0].message.content,
    "stream": pieces,
    "embeddings": len(embedding.data),
}))

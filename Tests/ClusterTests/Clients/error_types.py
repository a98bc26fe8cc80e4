"""Which typed error each official SDK raises for what the gateway refuses. Prints one line of JSON."""
import json
import sys

import openai
from google import genai
from google.genai import errors
from pinecone import Pinecone

address, good, bad = sys.argv[1:4]
seen = {}


def note(name, call):
    try:
        call()
        seen[name] = "no error"
    except Exception as error:  # The type is what is asked for.
        code = getattr(error, "code", None) or getattr(error, "status_code", None) or getattr(error, "status", None)
        seen[name] = f"{type(error).__name__} {code}"


gemini = genai.Client(api_key=bad, http_options={"base_url": address})
note("genai unknown key", lambda: gemini.models.generate_content(model="gemini-2.5-flash", contents="x"))
limited = genai.Client(api_key=good, http_options={"base_url": address})
note("genai over limit", lambda: [limited.models.generate_content(model="gemini-2.5-flash", contents="x") for _ in range(3)])
try:
    limited.models.generate_content(model="gemini-2.5-flash", contents="x")
except errors.ClientError as error:
    seen["genai status"] = error.status
    seen["genai details"] = [d.get("@type", "").rsplit(".", 1)[-1] for d in error.details["error"]["details"]]
chat = openai.OpenAI(api_key=bad, base_url=address + "/v1beta/openai/", max_retries=0)
messages = [{"role": "user", "content": "x"}]
note("openai unknown key", lambda: chat.chat.completions.create(model="gemini-2.5-flash", messages=messages))
full = openai.OpenAI(api_key=good, base_url=address + "/v1beta/openai/", max_retries=0)
note("openai over limit", lambda: full.chat.completions.create(model="gemini-2.5-flash", messages=messages))
index = Pinecone(api_key=bad).Index(host=address + "/pinecone")
note("pinecone unknown key", lambda: index.query(vector=[1.0, 0.0], top_k=1))
print(json.dumps(seen))

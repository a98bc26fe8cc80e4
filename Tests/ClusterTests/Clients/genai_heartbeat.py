"""google-genai reads a stream whose answer begins with the gateway's heartbeats. Prints one line of JSON."""
import json
import sys
import time

from google import genai

address, key = sys.argv[1:3]
client = genai.Client(api_key=key, http_options={"base_url": address})
started = time.monotonic()
pieces = [chunk.text or "" for chunk in client.models.generate_content_stream(model="gemini-2.5-flash", contents="Wait")]
print(json.dumps({"text": "".join(pieces), "seconds": time.monotonic() - started}))

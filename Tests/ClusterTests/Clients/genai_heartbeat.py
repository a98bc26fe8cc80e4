"""google-genai reads a stream whose answer begins with the gateway's heartbeats. Prints one line of JSON."""
import json
import sys
import time

from google import genai

address, key = sys.argv[1:3]
model = "gemini-2.5-flash"
client = genai.Client(api_key=key, http_options={"base_url": address})
# By itself: however long the start of this program took, the next one waits.
client.models.generate_content(model=model, contents="Takes the slot")
started = time.monotonic()
pieces = [chunk.text or "" for chunk in client.models.generate_content_stream(model=model, contents="Wait")]
print(json.dumps({"text": "".join(pieces), "seconds": time.monotonic() - started}))

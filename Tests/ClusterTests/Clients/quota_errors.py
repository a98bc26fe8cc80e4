"""Which typed error each SDK raises for an upstream's 429 that is passed on. Prints one line of JSON.

quota_errors.py ADDRESS KEY
"""
import json
import sys

import openai
from google import genai
from google.genai import errors

address, key = sys.argv[1:3]
seen = {}
gemini = genai.Client(api_key=key, http_options={"base_url": address})
try:
    gemini.models.generate_content(model="gemini-2.5-flash", contents="x")
    seen["genai"] = "no error"
except errors.ClientError as error:
    seen["genai"] = f"{type(error).__name__} {error.code} {error.status}"
    details = {d.get("@type", "").rsplit(".", 1)[-1]: d for d in error.details["error"]["details"]}
    seen["violation"] = details["QuotaFailure"]["violations"][0]["quotaId"]
    seen["retry"] = details["RetryInfo"]["retryDelay"]
chat = openai.OpenAI(api_key=key, base_url=address + "/v1beta/openai/", max_retries=0)
try:
    chat.chat.completions.create(model="gemini-2.5-flash", messages=[{"role": "user", "content": "x"}])
    seen["openai"] = "no error"
except openai.APIStatusError as error:
    seen["openai"] = f"{type(error).__name__} {error.status_code}"
print(json.dumps(seen))

"""What a team writes first: FastAPI in front of the API, slowapi for limits in Redis, httpx towards the upstream.

Started with uvicorn, one process, uvloop and httptools. httpx keeps its connections. The environment says the rest:
UPSTREAM (base URL), UPSTREAM_CA, REDIS (URL; empty: no limit), RATE (as slowapi reads it).
"""

import os
import ssl
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI, Request, Response
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address

UPSTREAM = os.environ["UPSTREAM"]
RATE = os.environ.get("RATE", "")
HOP_BY_HOP = {"host", "connection", "keep-alive", "transfer-encoding", "te", "upgrade", "content-length", "x-goog-api-key"}


@asynccontextmanager
async def lifespan(app: FastAPI):
    certificate = os.environ.get("UPSTREAM_CA")
    app.state.client = httpx.AsyncClient(
        base_url=UPSTREAM,
        timeout=60,
        verify=ssl.create_default_context(cafile=certificate) if certificate else False,
        limits=httpx.Limits(max_connections=512, max_keepalive_connections=512),
    )
    yield
    await app.state.client.aclose()


app = FastAPI(lifespan=lifespan)


async def forward(request: Request, path: str) -> Response:
    fields = [(name, value) for name, value in request.headers.items() if name not in HOP_BY_HOP]
    answer = await request.app.state.client.request(
        request.method,
        "/" + path,
        params=request.query_params,
        headers=[*fields, ("x-goog-api-key", "upstream-key")],
        content=await request.body(),
    )
    return Response(answer.content, answer.status_code, media_type=answer.headers.get("content-type"))


if RATE:
    limiter = Limiter(key_func=get_remote_address, storage_uri=os.environ["REDIS"], headers_enabled=True)
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)

    @app.post("/{path:path}")
    @limiter.limit(RATE)
    async def limited(request: Request, path: str) -> Response:
        return await forward(request, path)

else:

    @app.post("/{path:path}")
    async def plain(request: Request, path: str) -> Response:
        return await forward(request, path)

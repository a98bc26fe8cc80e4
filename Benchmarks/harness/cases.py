"""What is measured: the call, the peers that do the same work, and what the gateway must reach beside them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from . import peers
from .fleet import Server
from .load import Answer, Request

Start = Callable[[peers.Surroundings, str], Server]
GATEWAY = "gateway"


@dataclass(frozen=True)
class Peer:
    """One server of a case."""

    name: str
    start: Start
    needs: frozenset[str] = frozenset()
    # Where this peer serves the case's call, if not at the same path.
    path_prefix: str = ""
    # It answers so few requests a second that a run must last longer to count enough of them.
    is_slow: bool = False
    # What its answer must be, where it cannot show what the case's own check looks for.
    check: Callable[[Answer], bool] | None = None


@dataclass(frozen=True)
class Target:
    """The gateway's CPU time a request, at most so many times that of `peer`."""

    peer: str
    ratio: float


@dataclass(frozen=True)
class Case:
    """One table of the report. The first peer is what the ratios refer to."""

    key: str
    title: str
    request: Request
    peers: tuple[Peer, ...]
    targets: tuple[Target, ...]
    # What an answer must be for the figures to mean anything.
    check: Callable[[Answer], bool]
    upstream: str = "plain"
    needs_redis: bool = False
    # Answers are errors, every one of them.
    is_refusal: bool = False
    values: dict[str, object] = field(default_factory=dict)


_PROMPT = "Summarise the following notes for somebody who was not at the meeting, in three sentences and without names. "
_HEADERS = {
    "Content-Type": "application/json",
    "User-Agent": "google-genai-sdk/1.0 gl-python/3.11",
    "x-goog-api-client": "google-genai-sdk/1.0 gl-python/3.11",
    "x-goog-api-key": "caller-key",
}


def _body() -> bytes:
    """600 bytes, as google-genai would send a short prompt."""
    head = '{"contents": [{"parts": [{"text": "'
    tail = '"}], "role": "user"}], "generationConfig": {"temperature": 0.2, "maxOutputTokens": 256}}'
    room = 600 - len(head) - len(tail)
    return (head + (_PROMPT * 6)[:room] + tail).encode()


GENERATE = Request("/v1beta/models/gemini-2.5-flash:generateContent", _body(), _HEADERS)


def _nginx(source: str, name: str = "nginx", *needs: str) -> Peer:
    return Peer(name, partial(peers.start_nginx, source=f"nginx/{source}"), frozenset({"nginx", *needs}))


def _gateway(source: str) -> Peer:
    return Peer(GATEWAY, partial(peers.start_gateway, source=f"gateway/{source}"))


def _haproxy(source: str) -> Peer:
    return Peer("haproxy", partial(peers.start_haproxy, source=f"haproxy/{source}"), frozenset({"haproxy"}))


def _envoy(source: str) -> Peer:
    return Peer("envoy", partial(peers.start_envoy, source=f"envoy/{source}"), frozenset({"envoy"}))


def _fastapi(name: str = "fastapi") -> Peer:
    return Peer(name, partial(peers.start_fastapi, source="app:app"), frozenset({"fastapi"}), is_slow=True)


_LITELLM = Peer(
    "litellm",
    partial(peers.start_litellm, source="litellm/config.yaml"),
    frozenset({"litellm"}),
    path_prefix="/gemini",
    is_slow=True,
)
_LUA_REDIS = "nginx+Lua+Redis"


def _is_answer(answer: Answer) -> bool:
    return answer.status == 200 and len(answer.body) > 1200


def _was_counted(answer: Answer) -> bool:
    return _is_answer(answer) and any("ratelimit" in name for name in answer.headers)


def _is_refusal(answer: Answer) -> bool:
    return answer.status == 429


def _is_hit(answer: Answer) -> bool:
    return _is_answer(answer) and "hit" in answer.headers.get("cache-status", "").lower()


def all_cases(with_litellm: bool) -> tuple[Case, ...]:
    """The cases in the order of the report."""
    litellm = (_LITELLM,) if with_litellm else ()
    pass_targets = (Target("nginx", 2.2), Target("envoy", 0.5))
    litellm_target = (Target("litellm", 0.01),) if with_litellm else ()
    return (
        Case(
            key="pass",
            title="pass-through, plain upstream",
            request=GENERATE,
            peers=(_nginx("pass.conf"), _gateway("pass.conf"), _haproxy("pass.cfg"), _envoy("pass.yaml"), _fastapi(), *litellm),
            targets=(*pass_targets, *litellm_target),
            check=_is_answer,
        ),
        Case(
            key="tls",
            title="pass-through, TLS upstream that speaks HTTP/1.1",
            request=GENERATE,
            peers=(_nginx("tls.conf"), _gateway("pass.conf"), _haproxy("tls.cfg"), _envoy("tls.yaml")),
            targets=pass_targets,
            check=_is_answer,
            upstream="tls",
            values={"ALPN": "http/1.1", "ENVOY_PROTOCOL": "explicit_http_config: { http_protocol_options: {} }"},
        ),
        Case(
            key="tls-h2",
            title="pass-through, TLS upstream that offers HTTP/2 too (nginx takes HTTP/1.1, the others HTTP/2)",
            request=GENERATE,
            peers=(_nginx("tls.conf"), _gateway("pass.conf"), _haproxy("tls.cfg"), _envoy("tls.yaml")),
            targets=pass_targets,
            check=_is_answer,
            upstream="tls-h2",
            values={
                "ALPN": "h2,http/1.1",
                "ENVOY_PROTOCOL": "auto_config: { http_protocol_options: {}, http2_protocol_options: {} }",
            },
        ),
        Case(
            key="limit",
            title="allowed by a limit in Redis, then passed",
            request=GENERATE,
            peers=(
                _nginx("lua-limit.conf", _LUA_REDIS, "nginx-lua", "nginx-lua-module"),
                _gateway("limit.conf"),
                _fastapi("fastapi+slowapi"),
                replace(_nginx("limit-req.conf", "nginx limit_req"), check=_is_answer),
            ),
            targets=(Target(_LUA_REDIS, 1.1),),
            check=_was_counted,
            needs_redis=True,
            values={
                "RATE": "1000000/s",
                "BURST": 1000000,
                "INTERVAL_MICROS": 1,
                "WINDOW": 1,
                "SLOWAPI_RATE": "1000000/second",
                "NGINX_RATE": "1000000r/s",
                "NGINX_BURST": 1000000,
            },
        ),
        Case(
            key="refused",
            title="refused: over a limit in Redis",
            request=GENERATE,
            peers=(
                _nginx("lua-limit.conf", _LUA_REDIS, "nginx-lua", "nginx-lua-module"),
                _gateway("limit.conf"),
                _fastapi("fastapi+slowapi"),
                _nginx("limit-req.conf", "nginx limit_req"),
            ),
            targets=(Target(_LUA_REDIS, 0.7),),
            check=_is_refusal,
            needs_redis=True,
            is_refusal=True,
            values={
                "RATE": "1/h",
                "BURST": 1,
                "INTERVAL_MICROS": 3600 * 1000000,
                "WINDOW": 3600,
                "SLOWAPI_RATE": "1/hour",
                "NGINX_RATE": "1r/m",
                "NGINX_BURST": 1,
            },
        ),
        Case(
            key="hit",
            title="cached answer, from memory",
            request=GENERATE,
            peers=(
                _nginx("lua-cache.conf", _LUA_REDIS, "nginx-lua", "nginx-lua-module"),
                _gateway("cache.conf"),
                _nginx("proxy-cache.conf", "nginx proxy_cache"),
            ),
            targets=(Target(_LUA_REDIS, 0.7),),
            check=_is_hit,
            needs_redis=True,
        ),
    )

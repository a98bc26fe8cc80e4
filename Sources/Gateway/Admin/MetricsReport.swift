internal import Dialects
package import NIOCore
internal import Pacing

/// `GET /metrics`: this replica's own counters, for Prometheus to sum; names begin with `gateway_`.
extension StatsReport {
    package func metrics() async -> ByteBuffer {
        let snapshot = await cluster.own()
        var text = PrometheusText()
        requests(snapshot, into: &text)
        limits(snapshot, into: &text)
        cache(into: &text)
        QueueMetrics.write(await QueueMetrics.read(plan), into: &text)
        await upstreams(snapshot, into: &text)
        tokens(snapshot, into: &text)
        await redis(into: &text)
        text.family("gateway_build_info", "gauge", "The version that runs.")
        text.sample("gateway_build_info", [("version", GatewayVersion.text)], 1)
        return text.buffer
    }

    private func requests(_ snapshot: TelemetrySnapshot, into text: inout PrometheusText) {
        text.family(
            "gateway_requests_total",
            "counter",
            "Requests answered, by route and status; 499: the client left."
        )
        for (row, statuses) in snapshot.counters.byRouteAndStatus.enumerated() {
            let route = row < plan.routes.count ? plan.routes[row].name : ""
            for (column, count) in statuses.enumerated() where count > 0 {
                text.sample("gateway_requests_total", [("route", route), ("status", "\(column + 100)")], count)
            }
        }
        text.family("gateway_requests_in_flight", "gauge", "Requests that are not answered yet.")
        text.sample("gateway_requests_in_flight", [], snapshot.counters.inFlight)
        text.family(
            "gateway_duration_seconds",
            "histogram",
            "What the gateway itself took, waiting and upstream apart."
        )
        text.histogram("gateway_duration_seconds", [], snapshot.latencyOfAll.gateway)
        text.family("gateway_queue_wait_seconds", "histogram", "How long calls waited for their slots.")
        text.histogram("gateway_queue_wait_seconds", [], snapshot.latencyOfAll.queue)
        text.family("gateway_upstream_first_byte_seconds", "histogram", "From the slot to the upstream's first byte.")
        text.histogram("gateway_upstream_first_byte_seconds", [], snapshot.latencyOfAll.upstream)
    }

    private func limits(_ snapshot: TelemetrySnapshot, into text: inout PrometheusText) {
        text.family("gateway_limit_decisions_total", "counter", "Decisions of client rate limits.")
        for (index, limit) in plan.configuration.limits.enumerated() {
            let name = ("limit", limit.name)
            text.sample(
                "gateway_limit_decisions_total",
                [name, ("decision", "allowed")],
                snapshot.counters.limitAllowed[index]
            )
            text.sample(
                "gateway_limit_decisions_total",
                [name, ("decision", "denied")],
                snapshot.counters.limitDenied[index]
            )
        }
    }

    private func cache(into text: inout PrometheusText) {
        let counts = sources.cache()
        text.family("gateway_cache_lookups_total", "counter", "Look-ups of the answer cache, by outcome.")
        for (outcome, count) in [
            ("hit", counts.hits), ("miss", counts.misses), ("collapsed", counts.collapsed), ("stale", counts.stale),
        ] {
            text.sample("gateway_cache_lookups_total", [("outcome", outcome)], count)
        }
        text.family("gateway_cache_bytes", "gauge", "Bytes of the memory tier.")
        text.sample("gateway_cache_bytes", [], counts.bytes)
        text.family("gateway_cache_entries", "gauge", "Answers in the memory tier.")
        text.sample("gateway_cache_entries", [], counts.entries)
    }

    private func upstreams(_ snapshot: TelemetrySnapshot, into text: inout PrometheusText) async {
        let connections = await sources.connections()
        let counters = snapshot.counters
        let families: [(String, String, String, (UpstreamPlan) -> Int)] = [
            (
                "gateway_upstream_connections", "gauge", "Open connections to an upstream.",
                { connections.count > $0.index ? connections[$0.index] : 0 }
            ),
            (
                "gateway_upstream_errors_total", "counter", "Connect errors, time-outs, 500, 502, 503 and 504.",
                { counters.upstreamErrors[$0.index] }
            ),
            (
                "gateway_upstream_retries_total", "counter", "Calls that were made again.",
                { counters.upstreamRetries[$0.index] }
            ),
            (
                "gateway_upstream_429_total", "counter", "Refusals of an upstream for its quota.",
                { counters.upstream429s[$0.index] }
            ),
            (
                "gateway_upstream_breaker_open", "gauge", "1 while the breaker is not closed.",
                { $0.breaker.state(now: .now()) == .closed ? 0 : 1 }
            ),
        ]
        for (name, type, help, value) in families {
            text.family(name, type, help)
            for upstream in plan.upstreams { text.sample(name, [("upstream", upstream.name)], value(upstream)) }
        }
    }

    /// Names and attributes as OpenTelemetry's semantic conventions for GenAI have them, in Prometheus's spelling.
    private func tokens(_ snapshot: TelemetrySnapshot, into text: inout PrometheusText) {
        text.family("gateway_gen_ai_client_token_usage_total", "counter", "Tokens that upstreams counted.")
        let keys = snapshot.counters.tokens.keys.sorted { ($0.client, $0.model) < ($1.client, $1.model) }
        for key in keys {
            guard let usage = snapshot.counters.tokens[key] else { continue }
            let labels = [
                ("client", key.client), ("gen_ai_request_model", key.model.text),
                ("gen_ai_provider_name", "gcp.gemini"),
            ]
            text.sample(
                "gateway_gen_ai_client_token_usage_total",
                labels + [("gen_ai_token_type", "input")],
                usage.input
            )
            text.sample(
                "gateway_gen_ai_client_token_usage_total",
                labels + [("gen_ai_token_type", "output")],
                usage.output
            )
        }
    }

    private func redis(into text: inout PrometheusText) async {
        let state = await sources.redis()
        guard state.mode != "embedded" else { return }
        text.family("gateway_redis_up", "gauge", "1 while Redis answers.")
        text.sample("gateway_redis_up", [], state.mode == "redis" ? 1 : 0)
        text.family("gateway_redis_commands_total", "counter", "Commands sent to Redis.")
        text.sample("gateway_redis_commands_total", [], state.commands)
        text.family("gateway_redis_errors_total", "counter", "Commands that failed or were not answered in time.")
        text.sample("gateway_redis_errors_total", [], state.errors)
        text.family("gateway_redis_may_evict", "gauge", "1 where Redis may evict limits and queues: not noeviction.")
        let policy = state.evictionPolicy ?? "noeviction"
        text.sample("gateway_redis_may_evict", [], policy == "noeviction" ? 0 : 1)
        text.family("gateway_redis_latency_p99_seconds", "gauge", "99th percentile of Redis's answers.")
        text.sample("gateway_redis_latency_p99_seconds", [], state.latencyP99)
    }
}

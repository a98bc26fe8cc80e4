internal import HTTPTypes
internal import Hummingbird
internal import NIOCore
internal import PostgresClient
internal import Synchronization

/// Whether traffic is wanted. Not while the schema is not up to date, and not while draining.
package final class Readiness: Sendable {
    package enum State: Sendable { case starting, ready, draining }

    private let state = Mutex(State.starting)

    package init() {}

    package var current: State { state.withLock { $0 } }

    package func set(_ new: State) {
        state.withLock { $0 = new }
    }
}

/// `/health`, `/ready`, `/metrics` and the API's description. They need no identity: the gateway does not route them.
struct HealthRoutes: Sendable {
    let readiness: Readiness
    let pool: PostgresPool
    let metrics: BackendMetrics
    let running: RunningTurns

    func add(to router: Router<BackendContext>) {
        router.get("health") { _, _ in JSON.response(["status": "ok"]) }
        router.get("ready") { _, _ in try await ready() }
        router.get("metrics") { _, _ in
            Response(
                status: .ok,
                headers: [.contentType: "text/plain; version=0.0.4; charset=utf-8"],
                body: .init(
                    byteBuffer: ByteBuffer(string: metrics.text(pool: await pool.counts, runningTurns: running.count))
                )
            )
        }
        router.get("openapi.json") { _, _ in
            Response(
                status: .ok,
                headers: [.contentType: "application/json", .cacheControl: "public, max-age=300"],
                body: .init(byteBuffer: ByteBuffer(bytes: PackageResources.openapi_json))
            )
        }
    }

    private func ready() async throws -> Response {
        switch readiness.current {
        case .starting: throw Problem(.serviceUnavailable, "the schema is not up to date yet", retryAfter: 1)
        case .draining: throw Problem(.serviceUnavailable, "shutting down", retryAfter: 1)
        case .ready: break
        }
        try await pool.query("SELECT 1", retry: .idempotent)
        return JSON.response(["status": "ready"])
    }
}

/// Answers 503 until the tables are there.
struct ReadinessMiddleware: RouterMiddleware {
    let readiness: Readiness

    func handle(
        _ request: Request,
        context: BackendContext,
        next: (Request, BackendContext) async throws -> Response
    ) async throws -> Response {
        guard readiness.current != .starting else {
            throw Problem(.serviceUnavailable, "starting", retryAfter: 1)
        }
        return try await next(request, context)
    }
}

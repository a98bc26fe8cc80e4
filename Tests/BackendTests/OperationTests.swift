import Backend
import Foundation
import HTTPTypes
import PostgresClient
import TestSupport
import Testing

@Suite(.timeLimit(.minutes(2))) struct OperationTests {
    @Test("Metrics tell query times and the pool's state")
    func metrics() async throws {
        try await TestBackend.run { backend in
            try await backend.send(.post, "/chat", #"{"message": "Hm?"}"#)
            let text = try await backend.send(.get, "/metrics").text
            #expect(text.contains("# TYPE backend_postgres_query_seconds histogram"))
            #expect(text.contains("backend_postgres_query_seconds_bucket{le=\"+Inf\"}"))
            #expect(text.contains("backend_postgres_connections{state=\"in_use\"} 0"))
            #expect(text.contains("backend_postgres_connections{state=\"idle\"} "))
            #expect(text.contains("backend_postgres_waiting 0"))
            #expect(text.contains("backend_turns_total{outcome=\"stored\"} 1"))
            #expect(text.contains("backend_requests_total{status=\"200\"} 1"))
        }
    }

    /// Runs `body` while the only connection waits in the database for `GET /conversations`, which is answered after it.
    private func whileExhausted(_ body: @escaping @Sendable (TestBackend) async throws -> Void) async throws {
        var limits = PoolLimits(size: 1, overflow: 0)
        // The first connection has to be opened in that time.
        limits.maxWait = .seconds(3)
        try await TestBackend.run(pool: limits) { backend in
            var blocked: Task<TestBackend.Answer, any Error>?
            try await backend.whileLocked("conversation") {
                blocked = Task { try await backend.send(.get, "/conversations") }
                try await backend.untilBlocked()
                try await body(backend)
            }
            #expect(try await blocked?.value.status == 200)
        }
    }

    @Test("With all connections taken a request is 503 with Retry-After, in bounded time")
    func poolExhausted() async throws {
        try await whileExhausted { backend in
            let refused = try await backend.send(.get, "/conversations")
            #expect(refused.status == 503)
            #expect(refused.fields[.retryAfter] != nil)
        }
    }

    @Test("While nothing could be stored a question costs no model's time")
    func noModelInVain() async throws {
        try await whileExhausted { backend in
            let refused = try await backend.send(.post, "/chat", #"{"message": "Hm?"}"#)
            #expect(refused.status == 503)
            #expect(refused.fields[.retryAfter] == "2")
            #expect(backend.stub.calls().isEmpty)
        }
    }

    @Test(
        "A Postgres that hangs is waited for once, however many connections it leaves and statements a turn begins with"
    )
    func hanging() async throws {
        let database = try await TestDatabase.alone()
        var limits = PoolLimits(size: 8, overflow: 0)
        limits.probeAfter = .zero
        try await TestBackend.run(pool: limits, on: database) { [maxWait = limits.maxWait] backend in
            var callers: [Task<TestBackend.Answer, any Error>] = []
            try await backend.whileLocked("conversation") {
                callers = (0..<8).map { _ in Task { try await backend.send(.get, "/conversations") } }
                try await backend.untilBlocked(count: 8)
            }
            for caller in callers { #expect(try await caller.value.status == 200) }
            let key = [HTTPField.Name("idempotency-key")!: "a"] as HTTPFields
            database.server.freeze()
            let start = ContinuousClock.now
            let refused = try await backend.send(.post, "/chat", #"{"message": "Hm?"}"#, fields: key)
            #expect(start.duration(to: .now) < maxWait * 2)
            #expect(refused.status == 503)
            #expect(refused.fields[.retryAfter] == "2")
            #expect(backend.stub.calls().isEmpty)
            database.server.thaw()
            let answer = try await backend.send(.post, "/chat", #"{"message": "Hm?"}"#, fields: key)
            #expect(answer.status == 200)
        }
        try await database.server.stop()
    }

    @Test("Not ready while starting and draining; alive all the same")
    func readiness() async throws {
        try await TestBackend.run { backend in
            let ready = try await backend.send(.get, "/ready")
            backend.backend.readiness.set(.draining)
            let draining = try await backend.send(.get, "/ready")
            let served = try await backend.send(.get, "/conversations")
            backend.backend.readiness.set(.starting)
            let starting = try await backend.send(.get, "/conversations")
            let alive = try await backend.send(.get, "/health")
            #expect([ready, draining, served, starting, alive].map(\.status) == [200, 503, 200, 503, 200])
        }
    }

    @Test("An unknown path and an unknown method are problem documents")
    func unknown() async throws {
        try await TestBackend.run { backend in
            for (method, path) in [(HTTPRequest.Method.get, "/nothing"), (.put, "/conversations")] {
                let answer = try await backend.send(method, path)
                #expect([404, 405].contains(answer.status))
                #expect(answer.fields[.contentType] == "application/problem+json")
            }
        }
    }

    @Test("The API's description names every route")
    func description() async throws {
        try await TestBackend.run { backend in
            let answer = try await backend.send(.get, "/openapi.json")
            #expect(try answer.json("openapi") == "3.1.0")
            for path in [
                "/chat", "/conversations", "/conversations/{id}", "/conversations/{id}/messages", "/documents",
                "/health",
                "/ready", "/metrics", "/openapi.json",
            ] {
                #expect(try answer.json("paths", path) != nil, "\(path)")
            }
        }
    }
}

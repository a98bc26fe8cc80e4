import NIOCore
import ResponseCache
import TestSupport
import Testing

/// Several replicas on one Redis.
enum Replicas {
    /// Starts what a test needs, and stops it however the test ends.
    static func with(
        replicas: Int = 2,
        loops: Int = 1,
        subscribes: Bool = true,
        settings: CacheSettings = Replica.settings(),
        _ body: ([Replica], Witness) async throws -> Void
    ) async throws {
        let server = try await RedisServer.start()
        var started: [Replica] = []
        let result: Result<Void, any Error>
        do {
            for _ in 0..<replicas {
                started.append(
                    try await Replica.start(server, loops: loops, settings: settings, subscribes: subscribes)
                )
            }
            let probe = try await Replica.start(server, subscribes: false)
            started.append(probe)
            try await body(Array(started.dropLast()), Witness(server: server, probe: probe))
            result = .success(())
        } catch {
            result = .failure(error)
        }
        for replica in started { try await replica.stop() }
        try await server.kill()
        try result.get()
    }

    static func said(_ question: Question) async throws -> String { try await question.outcome.description }

    /// Fills a key through a replica and waits until Redis has it.
    static func fill(
        _ name: String,
        _ body: String,
        by replica: Replica,
        _ server: Witness,
        freshness: Freshness = Freshness(timeToLive: .seconds(300))
    ) async throws {
        try await replica.ask(name).lead().complete(body, freshness: freshness)
        let key = "test:c1:\(CacheKey.of(name))"
        try await eventually("stored in Redis") { try await server.command("HGET", key, "b") == body }
    }

    static func waiters(of name: String, _ server: Witness) async throws -> Int {
        let count = try await server.command("HLEN", "test:c1:\(CacheKey.of(name)):fill")
        return max(0, (Int(count) ?? 0) - 2)
    }
}

/// Sees what Redis holds.
struct Witness: Sendable {
    let server: RedisServer
    let probe: Replica

    func command(_ name: String, _ first: String, _ second: String? = nil) async throws -> String {
        if let second { try await probe.redis(name, first, second) } else { try await probe.redis(name, first) }
    }
}

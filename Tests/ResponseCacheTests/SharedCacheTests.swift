import NIOCore
import RedisClient
import ResponseCache
import TestSupport
import Testing

/// Several caches on one real Redis: what is stored, purged, and used when Redis fails.
@Suite(.serialized, .timeLimit(.minutes(2))) struct SharedCacheTests {
    @Test("A hit on one replica is a hit on all, and then in memory")
    func hitOnAll() async throws {
        try await Replicas.with { replicas, server in
            try await Replicas.fill("q", "answer", by: replicas[0], server)
            #expect(try await Replicas.said(replicas[1].ask("q")) == "hit answer")
            #expect(replicas[1].cache.statistics.redisHits == 1)
            #expect(try await Replicas.said(replicas[1].ask("q")) == "hit answer")
            #expect(replicas[1].cache.statistics.memoryHits == 1)
            #expect(replicas[0].cache.statistics.stored == 1)
        }
    }

    @Test("Status, fields, stream and tags come back from Redis as they were")
    func coding() async throws {
        try await Replicas.with { replicas, server in
            try await replicas[0].ask("q").lead().complete("event", isStream: true)
            try await eventually("found through Redis") {
                try await Replicas.said(replicas[1].ask("q", directives: "only-if-cached")) == "hit event"
            }
            let found = replicas[1].cache.memory.fresh(CacheKey.of("q"), now: .now())
            #expect(found?.isStream == true)
            #expect(found?.status == 200)
            #expect(found?.fields == ByteBuffer(string: "Content-Type: text/plain\r\n"))
            #expect(found?.tags == CacheTags(route: "gemini", client: "team"))
            #expect(found?.freshness == Freshness(timeToLive: .seconds(300)))
            let expiry = try await server.command("PTTL", "test:c1:\(CacheKey.of("q"))")
            #expect((1...300_000).contains(Int(expiry) ?? 0))
        }
    }

    @Test("A stale copy answers all where fetching fails")
    func staleOnError() async throws {
        try await Replicas.with { replicas, server in
            let freshness = Freshness(timeToLive: .zero, staleIfError: .seconds(60))
            try await Replicas.fill("q", "old", by: replicas[0], server, freshness: freshness)
            let lead = try await replicas[0].ask("q").lead()
            let near = try await replicas[0].ask("q")
            let far = try await replicas[1].ask("q")
            try await eventually("the other waits") { try await Replicas.waiters(of: "q", server) == 1 }
            try await lead.fail(503)
            #expect(try await Replicas.said(near) == "stale on 503 old")
            #expect(try await Replicas.said(far) == "stale on 503 old")
        }
    }

    @Test("A stale answer is served while one caller of all replicas fetches it anew")
    func staleWhileRevalidate() async throws {
        try await Replicas.with { replicas, server in
            let freshness = Freshness(timeToLive: .zero, staleWhileRevalidate: .seconds(60))
            try await Replicas.fill("q", "old", by: replicas[0], server, freshness: freshness)
            guard
                case .hit("old", true, let first?) = try await replicas[0].ask("q").outcome,
                case .hit("old", true, let second?) = try await replicas[1].ask("q").outcome
            else { throw Unexpected(outcome: "no stale hit") }
            let winner = try await first.acquire()
            let loser = try await second.acquire()
            #expect(winner != nil)
            #expect(loser == nil)
            #expect(try await Replicas.said(replicas[0].ask("q")) == "hit old stale")
            try await winner?.complete("new")
            #expect(try await Replicas.said(replicas[0].ask("q")) == "hit new")
        }
    }

    @Test("A purge reaches every replica's memory", arguments: [true, false])
    func purge(subscribes: Bool) async throws {
        try await Replicas.with(replicas: 3, subscribes: subscribes) { replicas, server in
            try await Replicas.fill("q", "answer", by: replicas[0], server)
            for replica in replicas { #expect(try await Replicas.said(replica.ask("q")) == "hit answer") }
            try await replicas[1].on { $0.lane.purge(.route("gemini")) }
            #expect(try await Replicas.said(replicas[1].ask("q", directives: "only-if-cached")) == "not cached")
            for replica in replicas {
                try await eventually("purged") {
                    try await Replicas.said(replica.ask("q", directives: "only-if-cached")) == "not cached"
                }
            }
        }
    }

    @Test("A purge of another route or client leaves it", arguments: [PurgeScope.route("other"), .client("other")])
    func otherPurge(scope: PurgeScope) async throws {
        try await Replicas.with { replicas, server in
            try await Replicas.fill("q", "answer", by: replicas[0], server)
            let loop = try await replicas[0].on { seat -> EventLoopFuture<Bool> in
                let promise = seat.lane.eventLoop.makePromise(of: Bool.self)
                seat.lane.purge(scope) { promise.succeed($0) }
                return promise.futureResult
            }
            #expect(try await loop.get())
            #expect(try await Replicas.said(replicas[1].ask("q")) == "hit answer")
        }
    }

    @Test("Without Redis each process caches for itself, and uses Redis again when it is back")
    func redisDown() async throws {
        try await Replicas.with { replicas, server in
            try await server.server.kill()
            for replica in replicas {
                try await eventually("noticed") { try await replica.on { $0.connection?.isUp == false } }
                let lead = try await replica.ask("q").lead()
                let waiting = try await replica.ask("q")
                try await lead.complete("own")
                #expect(try await Replicas.said(waiting) == "collapsed 200 own")
                #expect(try await Replicas.said(replica.ask("q")) == "hit own")
            }
            try await replicas[0].on { $0.lane.purge(.route("gemini")) }
            try await server.server.start()
            for replica in replicas { try await replica.waitUntilUp() }
            try await eventually("the purge got through") {
                try await Replicas.said(replicas[1].ask("q", directives: "only-if-cached")) == "not cached"
            }
            try await Replicas.fill("q", "shared", by: replicas[0], server)
            #expect(try await Replicas.said(replicas[1].ask("q")) == "hit shared")
        }
    }

    @Test("A Redis that hangs costs one timeout, not one a request")
    func redisHangs() async throws {
        var settings = Replica.settings()
        settings.redisTimeout = .milliseconds(50)
        settings.redisRest = .seconds(60)
        try await Replicas.with(replicas: 1, settings: settings) { replicas, server in
            server.server.pause()
            let first = try await replicas[0].ask("a").lead()
            let errors = replicas[0].cache.statistics.redisErrors
            let second = try await replicas[0].ask("b").lead()
            #expect(errors >= 1)
            #expect(replicas[0].cache.statistics.redisErrors == errors)
            server.server.resume()
            try await first.complete("a")
            try await second.complete("b")
        }
    }

    @Test("no-cache fetches and stores; max-age takes nothing older; no-store stores nothing")
    func directives() async throws {
        try await Replicas.with { replicas, server in
            try await Replicas.fill("q", "one", by: replicas[0], server)
            try await replicas[0].ask("q", directives: "no-cache").lead().complete("two")
            try await eventually("replaced") {
                try await server.command("HGET", "test:c1:\(CacheKey.of("q"))", "b") == "two"
            }
            #expect(try await Replicas.said(replicas[1].ask("q", directives: "no-store")) == "hit two")
            #expect(try await Replicas.said(replicas[1].ask("other", directives: "no-store")) == "uncached")
            #expect(try await Replicas.said(replicas[1].ask("q", directives: "max-age=3600")) == "hit two")
            try await eventually("older than a millisecond") {
                try await Replicas.said(replicas[1].ask("q", directives: "max-age=0")) == "lead"
            }
        }
    }
}

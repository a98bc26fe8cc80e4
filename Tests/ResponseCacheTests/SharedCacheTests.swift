import NIOCore
import RedisClient
import ResponseCache
import TestSupport
import Testing

/// Several caches on one real Redis.
@Suite(.serialized, .timeLimit(.minutes(2))) struct SharedCacheTests {
    /// Starts what a test needs, and stops it however the test ends.
    private static func with(
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

    private static func said(_ question: Question) async throws -> String { try await question.outcome.description }

    /// Fills a key through a replica and waits until Redis has it.
    private static func fill(
        _ name: String,
        _ body: String,
        by replica: Replica,
        _ server: Witness,
        freshness: Freshness = Freshness(timeToLive: .seconds(300))
    ) async throws {
        try await replica.ask(name).lead().complete(body, freshness: freshness)
        let key = "test:c1:\(MemoryTierTests.key(name))"
        try await eventually("stored in Redis") { try await server.command("HGET", key, "b") == body }
    }

    private static func waiters(of name: String, _ server: Witness) async throws -> Int {
        let count = try await server.command("HLEN", "test:c1:\(MemoryTierTests.key(name)):fill")
        return max(0, (Int(count) ?? 0) - 2)
    }

    @Test("A hit on one replica is a hit on all, and then in memory")
    func hitOnAll() async throws {
        try await Self.with { replicas, server in
            try await Self.fill("q", "answer", by: replicas[0], server)
            #expect(try await Self.said(replicas[1].ask("q")) == "hit answer")
            #expect(replicas[1].cache.statistics.redisHits == 1)
            #expect(try await Self.said(replicas[1].ask("q")) == "hit answer")
            #expect(replicas[1].cache.statistics.memoryHits == 1)
            #expect(replicas[0].cache.statistics.stored == 1)
        }
    }

    @Test("Status, fields, stream and tags come back from Redis as they were")
    func coding() async throws {
        try await Self.with { replicas, server in
            try await replicas[0].ask("q").lead().complete("event", isStream: true)
            try await eventually("found through Redis") {
                try await Self.said(replicas[1].ask("q", directives: "only-if-cached")) == "hit event"
            }
            let found = replicas[1].cache.memory.fresh(MemoryTierTests.key("q"), now: .now())
            #expect(found?.isStream == true)
            #expect(found?.status == 200)
            #expect(found?.fields == ByteBuffer(string: "Content-Type: text/plain\r\n"))
            #expect(found?.tags == CacheTags(route: "gemini", client: "team"))
            #expect(found?.freshness == Freshness(timeToLive: .seconds(300)))
            let expiry = try await server.command("PTTL", "test:c1:\(MemoryTierTests.key("q"))")
            #expect((1...300_000).contains(Int(expiry) ?? 0))
        }
    }

    @Test("Of 200 identical questions on 3 replicas with 2 loops each, one is fetched")
    func oneCall() async throws {
        try await Self.with(replicas: 3, loops: 2) { replicas, _ in
            var questions: [Question] = []
            for index in 0..<200 {
                questions.append(try await replicas[index % 3].ask("q", loop: index / 3 % 2))
            }
            let outcomes = try await withThrowingTaskGroup(of: Seen.self) { group in
                for question in questions {
                    group.addTask {
                        let seen = try await question.outcome
                        if case .lead(let lead) = seen { try await lead.complete("answer") }
                        return seen
                    }
                }
                return try await group.reduce(into: [String: Int]()) { $0[$1.description, default: 0] += 1 }
            }
            #expect(outcomes["lead"] == 1)
            #expect(outcomes["hit answer", default: 0] + outcomes["collapsed 200 answer", default: 0] == 199)
            let misses = replicas.map { $0.cache.statistics.misses }.reduce(0, +)
            #expect(misses == 1)
        }
    }

    @Test("A leader that dies is followed by one who waited")
    func takeover() async throws {
        try await Self.with(replicas: 3) { replicas, server in
            let dying = try await replicas[0].ask("q").lead()
            let second = try await replicas[1].ask("q")
            let third = try await replicas[2].ask("q")
            try await eventually("both wait") { try await Self.waiters(of: "q", server) == 2 }
            try await replicas[0].cutOff()
            let all = [second, third]
            let leads = try await withThrowingTaskGroup(of: Bool.self) { group in
                for question in all {
                    group.addTask {
                        guard case .lead(let lead) = try await question.outcome else { return false }
                        try await lead.complete("answer")
                        return true
                    }
                }
                return try await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(leads == 1)
            try await dying.dropToken()
        }
    }

    @Test("A leader that lives keeps its lock beyond the lock's expiry")
    func renewal() async throws {
        try await Self.with { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            let waiting = try await replicas[1].ask("q", within: .milliseconds(1_500))
            #expect(try await Self.said(waiting) == "deadline passed")
            try await eventually("its place among the waiting is gone") { try await Self.waiters(of: "q", server) == 0 }
            try await lead.complete("late")
            #expect(try await Self.said(replicas[0].ask("q")) == "hit late")
        }
    }

    @Test("After a failure one of those who wait fetches, the rest wait on", arguments: [1, 2])
    func nextLeader(replicaCount: Int) async throws {
        try await Self.with(replicas: replicaCount, loops: 2) { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            var questions: [Question] = []
            for index in 0..<6 {
                questions.append(try await replicas[index % replicaCount].ask("q", loop: index / 2 % 2))
            }
            if replicaCount == 2 {
                try await eventually("the other waits") { try await Self.waiters(of: "q", server) == 1 }
            }
            try await lead.fail(503)
            let outcomes = try await withThrowingTaskGroup(of: String.self) { group in
                for question in questions {
                    group.addTask {
                        let seen = try await question.outcome
                        if case .lead(let lead) = seen { try await lead.complete("second") }
                        return seen.description
                    }
                }
                return try await group.reduce(into: [String: Int]()) { $0[$1, default: 0] += 1 }
            }
            #expect(outcomes["lead"] == 1)
            #expect(outcomes["hit second", default: 0] + outcomes["collapsed 200 second", default: 0] == 5)
        }
    }

    @Test("A failure on the only caller of a replica wakes another replica")
    func failureWakesOthers() async throws {
        try await Self.with { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            let waiting = try await replicas[1].ask("q")
            try await eventually("it waits") { try await Self.waiters(of: "q", server) == 1 }
            try await lead.fail(500)
            try await waiting.lead().complete("second")
            #expect(try await Self.said(replicas[1].ask("q")) == "hit second")
        }
    }

    @Test("A token that is dropped counts as failed")
    func droppedToken() async throws {
        try await Self.with(replicas: 1) { replicas, _ in
            let lead = try await replicas[0].ask("q").lead()
            let waiting = try await replicas[0].ask("q")
            try await lead.dropToken()
            try await waiting.lead().complete("second")
        }
    }

    @Test("A 4xx answers all who waited, and nobody after them")
    func clientError() async throws {
        try await Self.with { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            let near = try await replicas[0].ask("q")
            let far = try await replicas[1].ask("q")
            try await eventually("the other waits") { try await Self.waiters(of: "q", server) == 1 }
            try await lead.failForAll(400, "bad")
            #expect(try await Self.said(near) == "collapsed 400 bad")
            #expect(try await Self.said(far) == "collapsed 400 bad")
            try await replicas[1].ask("q").lead().complete("good")
        }
    }

    @Test("An answer that is not to be shared lets each fetch for itself")
    func notShareable() async throws {
        try await Self.with { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            let near = try await replicas[0].ask("q")
            let far = try await replicas[1].ask("q")
            try await eventually("the other waits") { try await Self.waiters(of: "q", server) == 1 }
            try await lead.refuseToShare()
            #expect(try await Self.said(near) == "uncached")
            #expect(try await Self.said(far) == "uncached")
        }
    }

    @Test("A stale copy answers all where fetching fails")
    func staleOnError() async throws {
        try await Self.with { replicas, server in
            let freshness = Freshness(timeToLive: .zero, staleIfError: .seconds(60))
            try await Self.fill("q", "old", by: replicas[0], server, freshness: freshness)
            let lead = try await replicas[0].ask("q").lead()
            let near = try await replicas[0].ask("q")
            let far = try await replicas[1].ask("q")
            try await eventually("the other waits") { try await Self.waiters(of: "q", server) == 1 }
            try await lead.fail(503)
            #expect(try await Self.said(near) == "stale on 503 old")
            #expect(try await Self.said(far) == "stale on 503 old")
        }
    }

    @Test("A stale answer is served while one caller of all replicas fetches it anew")
    func staleWhileRevalidate() async throws {
        try await Self.with { replicas, server in
            let freshness = Freshness(timeToLive: .zero, staleWhileRevalidate: .seconds(60))
            try await Self.fill("q", "old", by: replicas[0], server, freshness: freshness)
            guard
                case .hit("old", true, let first?) = try await replicas[0].ask("q").outcome,
                case .hit("old", true, let second?) = try await replicas[1].ask("q").outcome
            else { throw Unexpected(outcome: "no stale hit") }
            let winner = try await first.acquire()
            let loser = try await second.acquire()
            #expect(winner != nil)
            #expect(loser == nil)
            #expect(try await Self.said(replicas[0].ask("q")) == "hit old stale")
            try await winner?.complete("new")
            #expect(try await Self.said(replicas[0].ask("q")) == "hit new")
        }
    }

    @Test("When the last caller of all replicas has left, the call is given up")
    func abandoned() async throws {
        try await Self.with { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            let near = try await replicas[0].ask("q")
            let far = try await replicas[1].ask("q")
            try await eventually("the other waits") { try await Self.waiters(of: "q", server) == 1 }
            try await lead.callerLeft()
            try await near.leave()
            // Asks Redis again and again, and goes on while the other replica waits.
            let commands = try await replicas[0].on { $0.connection?.counters.replies ?? 0 }
            try await eventually("Redis was asked") {
                try await replicas[0].on { ($0.connection?.counters.replies ?? 0) > commands + 3 }
            }
            #expect(replicas[0].cache.statistics.abandoned == 0)
            try await far.leave()
            try await lead.abandoned.get()
            #expect(replicas[0].cache.statistics.abandoned == 1)
            #expect(try await server.command("EXISTS", "test:c1:\(MemoryTierTests.key("q")):fill") == "0")
        }
    }

    @Test("A call without callers here still answers those of another replica")
    func headless() async throws {
        try await Self.with { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            let far = try await replicas[1].ask("q")
            try await eventually("the other waits") { try await Self.waiters(of: "q", server) == 1 }
            try await lead.callerLeft()
            try await lead.complete("answer")
            #expect(try await Self.said(far) == "hit answer")
        }
    }

    @Test("A replica that died while waiting does not keep a call alive")
    func deadWaiter() async throws {
        try await Self.with { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            let dead = try await replicas[1].ask("q")
            try await eventually("the other waits") { try await Self.waiters(of: "q", server) == 1 }
            try await replicas[1].cutOff()
            try await lead.callerLeft()
            try await lead.abandoned.get()
            #expect(replicas[0].cache.statistics.abandoned == 1)
            if case .lead(let alone) = try await dead.outcome { try await alone.complete("own") }
        }
    }

    @Test("A purge reaches every replica's memory", arguments: [true, false])
    func purge(subscribes: Bool) async throws {
        try await Self.with(replicas: 3, subscribes: subscribes) { replicas, server in
            try await Self.fill("q", "answer", by: replicas[0], server)
            for replica in replicas { #expect(try await Self.said(replica.ask("q")) == "hit answer") }
            try await replicas[1].on { $0.lane.purge(.route("gemini")) }
            #expect(try await Self.said(replicas[1].ask("q", directives: "only-if-cached")) == "not cached")
            for replica in replicas {
                try await eventually("purged") {
                    try await Self.said(replica.ask("q", directives: "only-if-cached")) == "not cached"
                }
            }
        }
    }

    @Test("A purge of another route or client leaves it", arguments: [PurgeScope.route("other"), .client("other")])
    func otherPurge(scope: PurgeScope) async throws {
        try await Self.with { replicas, server in
            try await Self.fill("q", "answer", by: replicas[0], server)
            let loop = try await replicas[0].on { seat -> EventLoopFuture<Bool> in
                let promise = seat.lane.eventLoop.makePromise(of: Bool.self)
                seat.lane.purge(scope) { promise.succeed($0) }
                return promise.futureResult
            }
            #expect(try await loop.get())
            #expect(try await Self.said(replicas[1].ask("q")) == "hit answer")
        }
    }

    @Test("What was asked for before a purge answers those who waited, and is not kept")
    func purgeDuringCall() async throws {
        try await Self.with { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            let far = try await replicas[1].ask("q")
            try await eventually("the other waits") { try await Self.waiters(of: "q", server) == 1 }
            try await replicas[1].on { $0.lane.purge(.all) }
            try await eventually("Redis has it") {
                try await !server.command("HGET", "test:c1:generations", "all").isEmpty
            }
            try await lead.complete("outdated")
            #expect(try await Self.said(far) == "collapsed 200 outdated")
            try await replicas[0].ask("q").lead().complete("new")
        }
    }

    @Test("Who asks after a purge does not get what was asked for before it", arguments: [0, 1])
    func askedAfterPurge(asker: Int) async throws {
        try await Self.with { replicas, server in
            let before = try await replicas[0].ask("q").lead()
            let waiting = try await replicas[1].ask("q")
            try await eventually("the other waits") { try await Self.waiters(of: "q", server) == 1 }
            let purged = try await replicas[asker].on { seat -> EventLoopFuture<Bool> in
                let promise = seat.lane.eventLoop.makePromise(of: Bool.self)
                seat.lane.purge(.route("gemini")) { promise.succeed($0) }
                return promise.futureResult
            }
            #expect(try await purged.get())
            let after = try await replicas[asker].ask("q").lead()
            try await before.complete("before")
            #expect(try await Self.said(waiting) == "collapsed 200 before")
            try await after.complete("after")
            for replica in replicas {
                try await eventually("found") { try await Self.said(replica.ask("q", within: .zero)) == "hit after" }
            }
        }
    }

    @Test("Without Redis each process caches for itself, and uses Redis again when it is back")
    func redisDown() async throws {
        try await Self.with { replicas, server in
            try await server.server.kill()
            for replica in replicas {
                try await eventually("noticed") { try await replica.on { $0.connection?.isUp == false } }
                let lead = try await replica.ask("q").lead()
                let waiting = try await replica.ask("q")
                try await lead.complete("own")
                #expect(try await Self.said(waiting) == "collapsed 200 own")
                #expect(try await Self.said(replica.ask("q")) == "hit own")
            }
            try await replicas[0].on { $0.lane.purge(.route("gemini")) }
            try await server.server.start()
            for replica in replicas { try await replica.waitUntilUp() }
            try await eventually("the purge got through") {
                try await Self.said(replicas[1].ask("q", directives: "only-if-cached")) == "not cached"
            }
            try await Self.fill("q", "shared", by: replicas[0], server)
            #expect(try await Self.said(replicas[1].ask("q")) == "hit shared")
        }
    }

    @Test("A Redis that hangs costs one timeout, not one a request")
    func redisHangs() async throws {
        var settings = Replica.settings()
        settings.redisTimeout = .milliseconds(50)
        settings.redisRest = .seconds(60)
        try await Self.with(replicas: 1, settings: settings) { replicas, server in
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
        try await Self.with { replicas, server in
            try await Self.fill("q", "one", by: replicas[0], server)
            try await replicas[0].ask("q", directives: "no-cache").lead().complete("two")
            try await eventually("replaced") {
                try await server.command("HGET", "test:c1:\(MemoryTierTests.key("q"))", "b") == "two"
            }
            #expect(try await Self.said(replicas[1].ask("q", directives: "no-store")) == "hit two")
            #expect(try await Self.said(replicas[1].ask("other", directives: "no-store")) == "uncached")
            #expect(try await Self.said(replicas[1].ask("q", directives: "max-age=3600")) == "hit two")
            try await eventually("older than a millisecond") {
                try await Self.said(replicas[1].ask("q", directives: "max-age=0")) == "lead"
            }
        }
    }
}

/// Sees what Redis holds.
private struct Witness: Sendable {
    let server: RedisServer
    let probe: Replica

    func command(_ name: String, _ first: String, _ second: String? = nil) async throws -> String {
        if let second { try await probe.redis(name, first, second) } else { try await probe.redis(name, first) }
    }
}

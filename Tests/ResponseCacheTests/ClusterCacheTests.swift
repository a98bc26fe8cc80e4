import NIOCore
import RedisClient
import ResponseCache
import TestSupport
import Testing

/// Several caches on one real cluster of three shards.
@Suite(.serialized, .timeLimit(.minutes(8))) struct ClusterCacheTests {
    private static let names = (0..<24).map { "question \($0)" }

    private func withReplicas(
        _ count: Int = 2,
        subscribes: Bool = true,
        _ body: ([Replica], RedisCluster) async throws -> Void
    ) async throws {
        let cluster = try await RedisCluster.start()
        var replicas: [Replica] = []
        for _ in 0..<count { replicas.append(try await Replica.start(url: cluster.url, subscribes: subscribes)) }
        for replica in replicas {
            for tag in KeySlot.evenTags(prefix: "", count: 16) {
                try await eventually("every master is reached") { (try? await replica.redis("GET", tag)) != nil }
            }
        }
        try await body(replicas, cluster)
        for replica in replicas { try await replica.stop() }
        try await cluster.stop()
    }

    /// Fills a key through a replica and waits until another finds it in Redis.
    private func fill(_ name: String, by replica: Replica, seenBy other: Replica) async throws {
        try await replica.ask(name).lead().complete(name)
        try await eventually("stored in Redis") {
            try await Replicas.said(other.ask(name, directives: "only-if-cached")) == "hit \(name)"
        }
    }

    private func isGone(_ name: String, _ replica: Replica) async throws -> Bool {
        try await Replicas.said(replica.ask(name, directives: "only-if-cached")) == "not cached"
    }

    private func entries(on master: RedisServer) async throws -> Int {
        let keys = try await master.command("KEYS", "test:{c1:*").split(whereSeparator: \.isNewline)
        return keys.count { !$0.hasSuffix(":generations") }
    }

    @Test("A hit on one replica is a hit on all, and entries spread over the shards")
    func hitOnAll() async throws {
        try await withReplicas { replicas, cluster in
            for name in Self.names { try await fill(name, by: replicas[0], seenBy: replicas[1]) }
            #expect(replicas[1].cache.statistics.redisHits == UInt64(Self.names.count))
            var counts: [Int] = []
            for master in cluster.masters { counts.append(try await entries(on: master)) }
            #expect(counts.reduce(0, +) == Self.names.count)
            #expect(counts.allSatisfy { $0 > 0 })
        }
    }

    @Test("Whoever asks for the same at once waits for one leader, whatever the shard")
    func oneFlight() async throws {
        try await withReplicas(3) { replicas, _ in
            for name in Self.names.prefix(8) {
                let lead = try await replicas[0].ask(name).lead()
                let near = try await replicas[0].ask(name)
                let far = [try await replicas[1].ask(name), try await replicas[2].ask(name)]
                try await lead.complete(name)
                #expect(try await Replicas.said(near) == "collapsed 200 \(name)")
                for question in far { #expect(try await Replicas.said(question) == "hit \(name)") }
            }
            let errors = replicas.map(\.cache.statistics.redisErrors)
            #expect(errors == [0, 0, 0])
        }
    }

    @Test("A purge reaches all parts of the cache and every replica's memory", arguments: [true, false])
    func purge(subscribes: Bool) async throws {
        try await withReplicas(3, subscribes: subscribes) { replicas, _ in
            for name in Self.names {
                try await fill(name, by: replicas[0], seenBy: replicas[1])
                #expect(try await Replicas.said(replicas[2].ask(name)) == "hit \(name)")
            }
            let confirmed = try await replicas[1].on { seat -> EventLoopFuture<Bool> in
                let promise = seat.lane.eventLoop.makePromise(of: Bool.self)
                seat.lane.purge(.route("gemini")) { promise.succeed($0) }
                return promise.futureResult
            }
            #expect(try await confirmed.get())
            for replica in replicas {
                for name in Self.names {
                    try await eventually("purged") { try await self.isGone(name, replica) }
                }
            }
        }
    }

    @Test("A shard that hangs keeps the others' answers shared, and gets a purge when it is back")
    func hangingShard() async throws {
        try await withReplicas { replicas, cluster in
            for name in Self.names { try await fill(name, by: replicas[0], seenBy: replicas[1]) }
            let before = try await entries(on: cluster.masters[0])
            #expect(before > 0)
            cluster.masters[0].pause()
            let refused = try await replicas[0].on { seat -> EventLoopFuture<Bool> in
                let promise = seat.lane.eventLoop.makePromise(of: Bool.self)
                seat.lane.purge(.route("gemini")) { promise.succeed($0) }
                return promise.futureResult
            }
            #expect(try await !refused.get())
            // What the living shards hold was outdated, and is shared anew.
            var shared = 0
            for name in Self.names {
                let lead = try await replicas[0].ask(name).lead()
                try await lead.complete("new")
                if try await Replicas.said(replicas[1].ask(name)) == "hit new" { shared += 1 }
            }
            #expect(shared >= Self.names.count - before - 2)
            cluster.masters[0].resume()
            try await cluster.waitUntilWell()
            let third = try await Replica.start(url: cluster.url)
            for name in Self.names {
                try await eventually("no answer from before the purge is found") {
                    let said = try await Replicas.said(third.ask(name, directives: "only-if-cached"))
                    return said == "not cached" || said == "hit new"
                }
            }
            try await third.stop()
        }
    }
}

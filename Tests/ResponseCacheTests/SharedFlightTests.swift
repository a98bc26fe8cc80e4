import NIOCore
import RedisClient
import ResponseCache
import TestSupport
import Testing

/// Several caches on one real Redis: identical questions become one call.
@Suite(.serialized, .timeLimit(.minutes(2))) struct SharedFlightTests {
    @Test("Of 200 identical questions on 3 replicas with 2 loops each, one is fetched")
    func oneCall() async throws {
        try await Replicas.with(replicas: 3, loops: 2) { replicas, _ in
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
        try await Replicas.with(replicas: 3) { replicas, server in
            let dying = try await replicas[0].ask("q").lead()
            let second = try await replicas[1].ask("q")
            let third = try await replicas[2].ask("q")
            try await eventually("both wait") { try await Replicas.waiters(of: "q", server) == 2 }
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
        try await Replicas.with { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            let waiting = try await replicas[1].ask("q", within: .milliseconds(1_500))
            #expect(try await Replicas.said(waiting) == "deadline passed")
            try await eventually("its place among the waiting is gone") {
                try await Replicas.waiters(of: "q", server) == 0
            }
            try await lead.complete("late")
            #expect(try await Replicas.said(replicas[0].ask("q")) == "hit late")
        }
    }

    @Test("After a failure one of those who wait fetches, the rest wait on", arguments: [1, 2])
    func nextLeader(replicaCount: Int) async throws {
        try await Replicas.with(replicas: replicaCount, loops: 2) { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            var questions: [Question] = []
            for index in 0..<6 {
                questions.append(try await replicas[index % replicaCount].ask("q", loop: index / 2 % 2))
            }
            if replicaCount == 2 {
                try await eventually("the other waits") { try await Replicas.waiters(of: "q", server) == 1 }
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
        try await Replicas.with { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            let waiting = try await replicas[1].ask("q")
            try await eventually("it waits") { try await Replicas.waiters(of: "q", server) == 1 }
            try await lead.fail(500)
            try await waiting.lead().complete("second")
            #expect(try await Replicas.said(replicas[1].ask("q")) == "hit second")
        }
    }

    @Test("A token that is dropped counts as failed")
    func droppedToken() async throws {
        try await Replicas.with(replicas: 1) { replicas, _ in
            let lead = try await replicas[0].ask("q").lead()
            let waiting = try await replicas[0].ask("q")
            try await lead.dropToken()
            try await waiting.lead().complete("second")
        }
    }

    @Test("A 4xx answers all who waited, and nobody after them")
    func clientError() async throws {
        try await Replicas.with { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            let near = try await replicas[0].ask("q")
            let far = try await replicas[1].ask("q")
            try await eventually("the other waits") { try await Replicas.waiters(of: "q", server) == 1 }
            try await lead.failForAll(400, "bad")
            #expect(try await Replicas.said(near) == "collapsed 400 bad")
            #expect(try await Replicas.said(far) == "collapsed 400 bad")
            try await replicas[1].ask("q").lead().complete("good")
        }
    }

    @Test("An answer that is not to be shared lets each fetch for itself")
    func notShareable() async throws {
        try await Replicas.with { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            let near = try await replicas[0].ask("q")
            let far = try await replicas[1].ask("q")
            try await eventually("the other waits") { try await Replicas.waiters(of: "q", server) == 1 }
            try await lead.refuseToShare()
            #expect(try await Replicas.said(near) == "uncached")
            #expect(try await Replicas.said(far) == "uncached")
        }
    }

    @Test("When the last caller of all replicas has left, the call is given up")
    func abandoned() async throws {
        try await Replicas.with { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            let near = try await replicas[0].ask("q")
            let far = try await replicas[1].ask("q")
            try await eventually("the other waits") { try await Replicas.waiters(of: "q", server) == 1 }
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
            #expect(try await server.command("EXISTS", "test:c1:\(CacheKey.of("q")):fill") == "0")
        }
    }

    @Test("A call without callers here still answers those of another replica")
    func headless() async throws {
        try await Replicas.with { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            let far = try await replicas[1].ask("q")
            try await eventually("the other waits") { try await Replicas.waiters(of: "q", server) == 1 }
            try await lead.callerLeft()
            try await lead.complete("answer")
            #expect(try await Replicas.said(far) == "hit answer")
        }
    }

    @Test("A replica that died while waiting does not keep a call alive")
    func deadWaiter() async throws {
        try await Replicas.with { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            let dead = try await replicas[1].ask("q")
            try await eventually("the other waits") { try await Replicas.waiters(of: "q", server) == 1 }
            try await replicas[1].cutOff()
            try await lead.callerLeft()
            try await lead.abandoned.get()
            #expect(replicas[0].cache.statistics.abandoned == 1)
            if case .lead(let alone) = try await dead.outcome { try await alone.complete("own") }
        }
    }

    @Test("What was asked for before a purge answers those who waited, and is not kept")
    func purgeDuringCall() async throws {
        try await Replicas.with { replicas, server in
            let lead = try await replicas[0].ask("q").lead()
            let far = try await replicas[1].ask("q")
            try await eventually("the other waits") { try await Replicas.waiters(of: "q", server) == 1 }
            let tags = CacheTags(route: "gemini", client: "team")
            let stamp = replicas[0].cache.memory.stamp(for: tags)
            try await replicas[1].on { $0.lane.purge(.all) }
            try await eventually("Redis has it") {
                try await !server.command("HGET", "test:c1:generations", "all").isEmpty
            }
            // Redis tells it a moment later.
            try await eventually("the other replica has heard of it") {
                replicas[0].cache.memory.stamp(for: tags) != stamp
            }
            try await lead.complete("outdated")
            #expect(try await Replicas.said(far) == "collapsed 200 outdated")
            try await replicas[0].ask("q").lead().complete("new")
        }
    }

    @Test("Who asks after a purge does not get what was asked for before it", arguments: [0, 1])
    func askedAfterPurge(asker: Int) async throws {
        try await Replicas.with { replicas, server in
            let before = try await replicas[0].ask("q").lead()
            let waiting = try await replicas[1].ask("q")
            try await eventually("the other waits") { try await Replicas.waiters(of: "q", server) == 1 }
            let purged = try await replicas[asker].on { seat -> EventLoopFuture<Bool> in
                let promise = seat.lane.eventLoop.makePromise(of: Bool.self)
                seat.lane.purge(.route("gemini")) { promise.succeed($0) }
                return promise.futureResult
            }
            #expect(try await purged.get())
            let after = try await replicas[asker].ask("q").lead()
            try await before.complete("before")
            #expect(try await Replicas.said(waiting) == "collapsed 200 before")
            try await after.complete("after")
            for replica in replicas {
                try await eventually("found") {
                    try await Replicas.said(replica.ask("q", within: .zero)) == "hit after"
                }
            }
        }
    }
}

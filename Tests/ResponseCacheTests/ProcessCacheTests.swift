import NIOCore
import ResponseCache
import TestSupport
import Testing

/// One process without Redis: its loops share memory and flights.
@Suite(.timeLimit(.minutes(1))) struct ProcessCacheTests {
    private static func with(loops: Int, _ body: (Replica) async throws -> Void) async throws {
        let replica = try await Replica.start(nil, loops: loops)
        let result: Result<Void, any Error>
        do {
            try await body(replica)
            result = .success(())
        } catch {
            result = .failure(error)
        }
        try await replica.stop()
        try result.get()
    }

    @Test("A miss leads at once, a hit answers at once")
    func synchronous() async throws {
        try await Self.with(loops: 1) { replica in
            let miss = try await replica.ask("q")
            #expect(!miss.isPending)
            try await miss.lead().complete("answer")
            let hit = try await replica.ask("q")
            #expect(!hit.isPending)
            #expect(try await hit.outcome.description == "hit answer")
        }
    }

    @Test("Callers on other loops are answered by one call")
    func loops() async throws {
        try await Self.with(loops: 4) { replica in
            let lead = try await replica.ask("q", loop: 1).lead()
            var waiting: [Question] = []
            for index in 0..<40 { waiting.append(try await replica.ask("q", loop: index % 4)) }
            try await lead.complete("answer")
            for question in waiting { #expect(try await question.outcome.description == "collapsed 200 answer") }
            #expect(replica.cache.statistics.collapsed == 40)
            #expect(replica.cache.statistics.misses == 1)
        }
    }

    @Test("The next leader may be on another loop, and the last to leave on any")
    func handOver() async throws {
        try await Self.with(loops: 3) { replica in
            let first = try await replica.ask("q", loop: 0).lead()
            let second = try await replica.ask("q", loop: 1)
            let third = try await replica.ask("q", loop: 2)
            try await first.fail(502)
            let lead = try await second.lead()
            try await lead.callerLeft()
            #expect(replica.cache.statistics.abandoned == 0)
            try await third.leave()
            try await lead.abandoned.get()
            #expect(replica.cache.statistics.abandoned == 1)
            try await replica.ask("q", loop: 2).lead().complete("anew")
        }
    }

    @Test("A caller that left is not made leader")
    func leftBefore() async throws {
        try await Self.with(loops: 2) { replica in
            let first = try await replica.ask("q", loop: 0).lead()
            let gone = try await replica.ask("q", loop: 1)
            let last = try await replica.ask("q", loop: 0)
            try await gone.leave()
            try await first.fail(500)
            try await last.lead().complete("answer")
        }
    }

    @Test("A deadline ends the waiting of one caller only")
    func deadline() async throws {
        try await Self.with(loops: 1) { replica in
            let lead = try await replica.ask("q").lead()
            let hurried = try await replica.ask("q", within: .milliseconds(1))
            let patient = try await replica.ask("q")
            #expect(try await hurried.outcome.description == "deadline passed")
            try await lead.complete("answer")
            #expect(try await patient.outcome.description == "collapsed 200 answer")
        }
    }

    @Test("An answer larger than max_entry is not kept, and those who wait fetch for themselves")
    func large() async throws {
        try await Self.with(loops: 1) { replica in
            let lead = try await replica.ask("q").lead()
            let waiting = try await replica.ask("q")
            try await lead.complete(String(repeating: "x", count: 65 << 10))
            #expect(try await waiting.outcome.description == "uncached")
            #expect(replica.cache.statistics.entries == 0)
        }
    }

    @Test("A stale answer lets one caller a second revalidate")
    func revalidation() async throws {
        try await Self.with(loops: 1) { replica in
            let freshness = Freshness(timeToLive: .zero, staleWhileRevalidate: .seconds(60))
            try await replica.ask("q").lead().complete("old", freshness: freshness)
            guard
                case .hit("old", true, let revalidation?) = try await replica.ask("q").outcome,
                case .hit("old", true, nil) = try await replica.ask("q").outcome
            else { throw Unexpected(outcome: "not one revalidation") }
            try await revalidation.acquire()?.complete("new")
            #expect(try await replica.ask("q").outcome.description == "hit new")
        }
    }

    @Test("Callers with a largest age of their own are not given what another's flight found")
    func maximumAge() async throws {
        try await Self.with(loops: 1) { replica in
            try await replica.ask("q").lead().complete("old")
            let lead = try await replica.ask("q", directives: "max-age=0").lead()
            try await lead.complete("new")
            #expect(try await replica.ask("q").outcome.description == "hit new")
        }
    }

    @Test("Whatever callers do, each gets one outcome and nothing is left behind", arguments: 0..<8)
    func random(seed: Int) async throws {
        try await Self.with(loops: 3) { replica in
            var random = SeededGenerator(seed: seed)
            var questions: [Question] = []
            for _ in 0..<150 {
                let name = "q\(Int.random(in: 0..<4, using: &random))"
                let loop = Int.random(in: 0..<3, using: &random)
                switch Int.random(in: 0..<10, using: &random) {
                case 0: try await questions.randomElement(using: &random)?.leave()
                case 1: try await replica.on(loop) { $0.lane.purge(.all) }
                case 2: questions.append(try await replica.ask(name, loop: loop, directives: "no-cache"))
                default: questions.append(try await replica.ask(name, loop: loop))
                }
                let action = Int.random(in: 0..<12, using: &random)
                guard let question = questions.randomElement(using: &random), let lead = question.leadNow else {
                    continue
                }
                try await Self.end(lead, by: action)
            }
            // Every call that still runs ends; so every caller must get its outcome.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for question in questions {
                    group.addTask {
                        if case .lead(let lead) = try await question.outcome { try await Self.end(lead, by: 0) }
                    }
                }
                try await group.waitForAll()
            }
            #expect(replica.cache.callsInFlight == 0)
        }
    }

    private static func end(_ lead: Lead, by action: Int) async throws {
        switch action {
        case 0...3: try await lead.complete("answer")
        case 4: try await lead.fail(503)
        case 5: try await lead.failForAll(404, "none")
        case 6: try await lead.refuseToShare()
        case 7: try await lead.callerLeft()
        case 8: try await lead.dropToken()
        default: break
        }
    }
}

import Pacing
import TestSupport
import Testing

/// The wait that a caller is told on entry, against the wait that it has.
@Suite struct EstimateTests {
    typealias Caller = EstimateLoad.Caller

    struct Load: Sendable, CustomTestStringConvertible {
        var name: String
        var limit = 60
        var seconds = 5
        /// How many calls each keeps waiting.
        var callers: [(Caller, count: Int)]
        var windows = 16
        var testDescription: String { name }
    }

    static let closed: [Load] = [
        Load(
            name: "three clients, weights 1 1 3",
            callers: [
                (Caller(client: "a"), 60), (Caller(client: "b"), 30), (Caller(client: "c", weight: 3), 60),
            ]
        ),
        Load(
            name: "twenty clients of 5 beside one of 200",
            callers: (0..<20).map { (Caller(client: "c\($0)"), 5) } + [(Caller(client: "h"), 200)],
            windows: 60
        ),
        Load(
            name: "one client of ten users beside one of 50 calls",
            callers: (0..<10).map { (Caller(client: "a", user: "u\($0)"), 10) } + [(Caller(client: "b"), 50)],
            windows: 20
        ),
        Load(
            name: "an urgent one beside",
            callers: [
                (Caller(client: "a"), 60), (Caller(client: "b"), 60), (Caller(client: "u", urgency: 1), 3),
            ],
            windows: 80
        ),
        Load(
            name: "ten clients of 30 at 360 a minute",
            limit: 360,
            seconds: 60,
            callers: (0..<10).map { (Caller(client: "c\($0)", weight: 1 + $0 % 2), 30) },
            windows: 8
        ),
        Load(
            name: "two hundred clients of 2",
            callers: (0..<200).map { (Caller(client: "c\($0)"), 2) },
            windows: 30
        ),
        Load(
            name: "calls of 1 to 9 units",
            limit: 300,
            callers: (0..<6).map { (Caller(client: "c\($0)", cost: 1 + $0 % 3 * 4), 20) },
            windows: 20
        ),
    ]

    private func load(_ limit: Int, _ seconds: Int, seed: Int = 1) -> EstimateLoad {
        EstimateLoad(QueueDriver.bucket("rpm", limit, perSeconds: seconds, burst: (limit + 1) / 2), seed: seed)
    }

    @Test("In a closed loop nine of ten are told right within a quarter or one slot", arguments: closed)
    func steady(_ load: Load) {
        var run = self.load(load.limit, load.seconds)
        for (caller, count) in load.callers {
            for _ in 0..<count { run.enter(caller, after: run.generator.int(0...300_000)) }
        }
        run.run(seconds: load.windows * load.seconds) { run, caller in
            run.enter(caller, after: run.generator.int(20_000...200_000))
        }
        let (share, ratios) = run.right(since: 2 + 2 * load.seconds)
        #expect(ratios.count > 100)
        #expect(share >= 0.9)
    }

    @Test("Where calls come by chance and are refused what they cannot wait for", arguments: [1.5, 3])
    func poisson(times: Double) {
        var run = load(60, 5, seed: 5)
        run.patience = 10 * EstimateLoad.second
        for client in 0..<8 {
            var at = 0.0
            while at < 100e6 {
                at += run.generator.exponential(1) * 1e6 / (12 * times / 8)
                run.enter(Caller(client: "c\(client)"), after: Micros(at))
            }
        }
        run.run(seconds: 110)
        let (share, ratios) = run.right(since: 20)
        #expect(ratios.count > 500)
        #expect(share >= 0.9)
    }

    static let draining: [Load] = [
        Load(
            name: "eight unequal backlogs",
            callers: [200, 100, 50, 20, 10, 5, 5, 5].enumerated().map { (Caller(client: "c\($0)"), $1) }
        ),
        Load(
            name: "unequal users of one client",
            callers: [200, 100, 50, 20, 10, 5, 5, 5].enumerated().map { (Caller(client: "c", user: "u\($0)"), $1) }
        ),
        Load(
            name: "forty unequal backlogs",
            callers: (0..<40).map { (Caller(client: "c\($0)", weight: 1 + $0 % 3), 1 + $0 * $0 % 37) }
        ),
    ]

    @Test("A call that comes while backlogs only drain is told right too", arguments: draining)
    func drains(_ load: Load) {
        var run = self.load(load.limit, load.seconds)
        for (caller, count) in load.callers {
            for _ in 0..<count { run.enter(caller, after: run.generator.int(0...300_000)) }
        }
        // One call more in a while, of those that still wait and of new ones.
        for at in 1..<40 {
            run.enter(run.generator.pick(load.callers).0, after: at * 500_000)
            run.enter(Caller(client: "new\(at)"), after: at * 500_000 + 200_000)
        }
        run.run(seconds: 120)
        let (share, ratios) = run.right(since: 1)
        #expect(run.told.allSatisfy { $0.waited != nil })
        #expect(share >= 0.8)
        #expect(ratios[ratios.count / 2] > 0.85 && ratios[ratios.count / 2] < 1.15)
    }
}

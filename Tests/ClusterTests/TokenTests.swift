import Foundation
import TestSupport
import Testing

/// Bursts are small where a test looks at windows: a crowd of new connections on a busy machine delays the first
/// arrivals by more than the guard allows for.
@Suite("Quotas of tokens, over replicas", .timeLimit(.minutes(4)))
struct TokenTests {
    static let other = "[[client]]\nname = \"other\"\nkey = \"other-key\"\n\n"

    /// A prompt of so many tokens, as the simulator counts them.
    static func prompt(tokens: Int) -> String {
        let text = String(repeating: "word", count: tokens)
        return #"{"contents":[{"role":"user","parts":[{"text":"\#(text)"}]}]}"#
    }

    static func path(_ model: String) -> String { "/v1beta/models/\(model):generateContent" }

    /// Of the arrivals: the most that any window held.
    static func largest(_ arrivals: [SimulatorProcess.Arrival], microseconds length: Int) -> Int {
        let sorted = arrivals.sorted { $0.at < $1.at }
        var first = 0
        var held = 0
        var largest = 0
        for arrival in sorted {
            held += arrival.tokens ?? 0
            while arrival.at - sorted[first].at >= length {
                held -= sorted[first].tokens ?? 0
                first += 1
            }
            largest = max(largest, held)
        }
        return largest
    }

    @Test("Three replicas share a quota of tokens: no window is exceeded, and 90 % of it is used")
    func shared() async throws {
        let deployment = try await Deployment.start(
            .init(
                replicas: 3,
                simulator: ["--tokens-per-minute", "4000", "--window", "5s"],
                configuration: Configurations.quotas(["name = \"tpm\"\ntokens = 4000\nper = \"5s\"\nburst = 400"])
            )
        )
        let groups = deployment.addresses.enumerated().map { index, address in
            Load.Group(
                name: "g\(index)",
                address: address,
                body: Self.prompt(tokens: [60, 150, 390][index]),
                workers: 12,
                seconds: 22
            )
        }
        let calls = try await Load.run(groups)
        #expect(calls.statuses.keys.sorted() == [200], "\(calls.complaints)")
        let arrivals = try await deployment.simulator.arrivals(call: "generateContent")
        #expect(arrivals.allSatisfy { $0.status == 200 })
        #expect(Self.largest(arrivals, microseconds: 5_000_000) <= 4_000)
        let first = try #require(arrivals.map(\.at).min())
        // Until then all workers wait for their next slot.
        let last = first + 20_000_000
        let counted = arrivals.filter { $0.at >= first + 5_000_000 && $0.at < last }.compactMap(\.tokens).reduce(0, +)
        let use = Double(counted) / (4_000.0 / 5_000_000 * Double(last - first - 5_000_000))
        #expect(use >= 0.9, "use \(use)")
        #expect(use <= 1.1, "use \(use)")
        try await deployment.stop()
    }

    @Test("Where texts have more tokens than the first estimate says, it is learned: then no call is refused for it")
    func estimatesLearned() async throws {
        let deployment = try await Deployment.start(
            .init(
                replicas: 2,
                simulator: ["--tokens-per-minute", "4000", "--window", "4s", "--bytes-per-token", "2.5"],
                configuration: Configurations.quotas(["name = \"tpm\"\ntokens = 4000\nper = \"4s\"\nburst = 400"])
            )
        )
        let groups = deployment.addresses.enumerated().map { index, address in
            Load.Group(
                name: "g\(index)",
                address: address,
                body: Self.prompt(tokens: [50, 110][index]),
                workers: 14,
                seconds: 22
            )
        }
        let calls = try await Load.run(groups)
        #expect(calls.statuses.keys.sorted() == [200], "\(calls.complaints)")
        let arrivals = try await deployment.simulator.arrivals(call: "generateContent")
        let first = try #require(arrivals.map(\.at).min())
        // By then each replica has had answers, and what was let go by the first estimate has left the window.
        let settled = first + 9_000_000
        let late = arrivals.filter { $0.at >= settled }
        #expect(late.allSatisfy { $0.status == 200 }, "\(late.count { $0.status != 200 }) of \(late.count) refused")
        #expect(Self.largest(late, microseconds: 4_000_000) <= 4_000)
        let last = first + 21_000_000
        let counted = late.filter { $0.at < last }.compactMap(\.tokens).reduce(0, +)
        let use = Double(counted) / (4_000.0 / 4_000_000 * Double(last - settled))
        #expect(use >= 0.85, "use \(use)")
        try await deployment.stop()
    }

    @Test("A call must fit requests and tokens together, of a short window and of a long one, or takes neither")
    func together() async throws {
        let deployment = try await Deployment.start(
            .init(
                replicas: 2,
                simulator: [
                    "--requests-per-minute", "20", "--tokens-per-minute", "900", "--requests-per-day", "70",
                    "--window", "4s", "--day", "1h",
                ],
                configuration: Configurations.quotas([
                    "name = \"rpm\"\nrequests = 20\nper = \"4s\"\nburst = 4",
                    "name = \"tpm\"\ntokens = 900\nper = \"4s\"\nburst = 180",
                    "name = \"rph\"\nrequests = 70\nper = \"1h\"",
                ])
            )
        )
        // 30 small ones are bound by requests, 30 large ones by tokens.
        let calls = try await Load.run([
            .init(name: "small", address: deployment.address(of: 0), body: Self.prompt(tokens: 5), count: 30),
            .init(name: "large", address: deployment.address(of: 1), body: Self.prompt(tokens: 90), count: 30),
        ])
        #expect(calls.statuses == [200: 60], "\(calls.complaints)")
        let arrivals = try await deployment.simulator.arrivals(call: "generateContent")
        #expect(arrivals.count == 60)
        #expect(Self.largest(arrivals, microseconds: 4_000_000) <= 900)
        #expect(largestWindow(arrivals.map(\.at), microseconds: 4_000_000) <= 20)
        try await eventually("all 60 count in the hour") {
            try await deployment.quota("rph")?["used"] as? Int == 60
        }
        try await deployment.stop()
    }

    @Test("A large call keeps its place among small ones, and those of another model pass it")
    func headOfLine() async throws {
        let deployment = try await Deployment.start(
            .init(
                replicas: 2,
                simulator: ["--tokens-per-minute", "2000", "--window", "5s"],
                configuration: Configurations.quotas(
                    ["name = \"tpm\"\ntokens = 2000\nper = \"5s\"\nburst = 200"],
                    clients: Self.other
                )
            )
        )
        let started = monotonicMicros()
        async let small = Load.run([
            .init(
                name: "small",
                address: deployment.address(of: 0),
                body: Self.prompt(tokens: 40),
                workers: 30,
                seconds: 14
            ),
            .init(
                name: "elsewhere",
                address: deployment.address(of: 1),
                path: Self.path("gemini-2.5-pro"),
                body: Self.prompt(tokens: 40),
                count: 20,
                every: 0.5
            ),
        ])
        try await eventually("the small ones wait", within: .seconds(20)) {
            try await deployment.waiting(of: 0) > 5
        }
        let large = try await Load.run([
            .init(
                name: "large",
                address: deployment.address(of: 1),
                key: "other-key",
                body: Self.prompt(tokens: 1_000),
                count: 1
            )
        ])
        let calls = try await small
        #expect(large.statuses == [200: 1], "\(large.complaints)")
        // Half of the bucket comes back within a window; one more for the calls that went before it was known.
        #expect(large.longest < 10, "\(large.longest) s")
        #expect(calls.of("small").statuses.keys.sorted() == [200], "\(calls.of("small").complaints)")
        #expect(calls.of("elsewhere").statuses == [200: 20])
        #expect(calls.of("elsewhere").longest < 2, "\(calls.of("elsewhere").longest) s")
        let largeBegan = try #require(large.first?.began)
        let passed = calls.of("small").count { $0.began > largeBegan && $0.ended < large[0].ended }
        #expect(largeBegan > started)
        // Newcomers of the other client: at most what the bucket had left beside what was kept for the large one.
        #expect(passed <= 50, "\(passed) passed it")
        let arrivals = try await deployment.simulator.arrivals(call: "generateContent")
            .filter { $0.model == "gemini-2.5-flash" }
        #expect(Self.largest(arrivals, microseconds: 5_000_000) <= 2_000)
        try await deployment.stop()
    }

    @Test("An estimate above the whole quota takes the whole quota, and is answered")
    func aboveTheQuota() async throws {
        let deployment = try await Deployment.start(
            .init(configuration: Configurations.quotas(["name = \"tpm\"\ntokens = 100\nper = \"3s\""]))
        )
        let first = try await deployment.generate(body: Self.prompt(tokens: 400))
        #expect(first.status == 200, "\(first.body)")
        try await eventually("it is settled by what the answer told") {
            try await deployment.quota("tpm")?["used"] as? Int == 400
        }
        // The window has to let go of what was used beyond it.
        let second = try await deployment.generate(body: Self.prompt(tokens: 10))
        #expect(second.status == 200)
        let arrivals = try await deployment.simulator.arrivals(call: "generateContent").map(\.at)
        #expect(arrivals.count == 2)
        #expect(arrivals[1] - arrivals[0] >= 3_000_000)
        try await deployment.stop()
    }

    @Test("A stricter upstream teaches its limit, and nobody who has time left sees a 429")
    func learned() async throws {
        let deployment = try await Deployment.start(
            .init(
                replicas: 2,
                simulator: ["--tokens-per-minute", "1000", "--window", "4s"],
                configuration: Configurations.quotas(["name = \"tpm\"\ntokens = 4000\nper = \"4s\""])
            )
        )
        let calls = try await Load.run([
            .init(name: "a", address: deployment.address(of: 0), body: Self.prompt(tokens: 50), count: 40),
            .init(name: "b", address: deployment.address(of: 1), body: Self.prompt(tokens: 50), count: 40),
        ])
        #expect(calls.statuses == [200: 80], "\(calls.complaints)")
        for replica in 0..<2 {
            let row = try #require(try await deployment.quota("tpm", of: replica))
            #expect(row["limit"] as? Int == 1_000)
            #expect(row["configured"] as? Int == 4_000)
            #expect(row["upstream_429s"] as? Int ?? 0 > 0)
        }
        // Those that were on their way when the first 429 came; after it the learned limit holds.
        let arrivals = try await deployment.simulator.arrivals(call: "generateContent")
        let refused = arrivals.filter { $0.status == 429 }
        let firstRefusal = try #require(refused.map(\.at).min())
        #expect(refused.allSatisfy { $0.at < firstRefusal + 1_000_000 }, "\(refused.map { $0.at - firstRefusal })")
        try await deployment.stop()
    }

    @Test("Use by others of the same project is noticed, shown and named in the log")
    func usedElsewhere() async throws {
        let deployment = try await Deployment.start(
            .init(
                replicas: 2,
                simulator: ["--requests-per-minute", "40", "--window", "6s"],
                configuration: Configurations.quotas(["name = \"rpm\"\nrequests = 40\nper = \"6s\"\nburst = 40"])
            )
        )
        // Past the gateway, with the same project's quota.
        let others = try await Load.run([
            .init(name: "others", address: deployment.simulator.address, body: Bodies.generate, count: 30)
        ])
        #expect(others.statuses == [200: 30])
        let calls = try await Load.run([.init(name: "own", address: deployment.address(of: 0), count: 20)])
        #expect(calls.statuses == [200: 20], "\(calls.complaints)")
        for replica in 0..<2 {
            try await eventually("replica \(replica) shows use elsewhere") {
                let units = try await deployment.quota("rpm", of: replica)?["used_elsewhere"] as? Int ?? 0
                return (1...39).contains(units)
            }
        }
        let log = deployment.gateways[0].log
        #expect(log.contains("the quota has room"), "\(log)")
        #expect(log.contains("headroom"))
        try await eventually("it is forgotten a window later", within: .seconds(20)) {
            try await deployment.quota("rpm")?["used_elsewhere"] as? Int == 0
        }
        try await deployment.stop()
    }
}

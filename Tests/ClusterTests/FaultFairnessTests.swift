import Foundation
import TestSupport
import Testing

@Suite("Fair whichever replica a caller comes through", .timeLimit(.minutes(2)))
struct FaultFairnessTests {
    private static let clients = """
        [[client]]
        name = "light"
        key = "light-key"
        weight = 1

        [[client]]
        name = "heavy"
        key = "heavy-key"
        weight = 10

        [[client]]
        name = "urgent"
        key = "urgent-key"
        priority = 0

        [[client]]
        name = "app"
        key = "app-key"
        may_name_users = true


        """

    private func start(_ limit: Int, scope: String = "upstream") async throws -> Deployment {
        let quota = Configurations.paced(limit, per: "3s", burst: limit / 2)
            .replacingOccurrences(of: "requests = ", with: "scope = \"\(scope)\"\nrequests = ")
        return try await Deployment.start(
            .init(
                replicas: 2,
                simulator: ["--requests-per-minute", "\(limit)", "--window", "3s"],
                configuration: Self.clients + quota
            )
        )
    }

    private static func batch(_ items: Int) -> String {
        let item = #"{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"hello"}]}}"#
        return #"{"requests":["# + Array(repeating: item, count: items).joined(separator: ",") + "]}"
    }

    @Test(
        "Weights 1 and 10 through different replicas, batches of 3 and of 2: shares of the quota are 1 to 10 over three windows"
    )
    func weights() async throws {
        let limit = 120
        let deployment = try await start(limit)
        var light = Load.Group(name: "light", address: deployment.address(of: 0), key: "light-key")
        light.path = "/v1beta/models/gemini-embedding-001:batchEmbedContents"
        light.body = Self.batch(3)
        light.workers = 12
        light.seconds = 12.2
        var heavy = light
        heavy.name = "heavy"
        heavy.address = deployment.address(of: 1)
        heavy.key = "heavy-key"
        heavy.body = Self.batch(2)
        heavy.workers = 64
        let calls = try await Load.run([light, heavy])
        let arrivals = try await deployment.simulator.arrivals(call: "batchEmbedContents").sorted { $0.at < $1.at }
        let began = try #require(arrivals.first?.at)
        // After the first window, while both have callers that wait.
        let counted = arrivals.filter { $0.at >= began + 3_000_000 && $0.at < began + 12_000_000 }
        let lightUnits = 3 * counted.count { $0.requestID?.hasPrefix("light") == true }
        let heavyUnits = 2 * counted.count { $0.requestID?.hasPrefix("heavy") == true }
        let fair = Double(lightUnits + heavyUnits) / 11
        tell("weights 1 and 10: \(lightUnits) and \(heavyUnits) of \(3 * limit) units, fair \(fair)")
        #expect(calls.allSatisfy { $0.status == 200 }, "\(calls.complaints)")
        #expect(lightUnits + heavyUnits >= 3 * limit * 95 / 100)
        // Two calls, one at each end.
        #expect(abs(Double(lightUnits) - fair) <= 6)
        var times: [Int] = []
        for arrival in arrivals {
            let units = arrival.requestID?.hasPrefix("light") == true ? 3 : 2
            times += Array(repeating: arrival.at, count: units)
        }
        #expect(largestWindow(times, microseconds: 3_000_000) <= limit)
        try await deployment.stop()
    }

    @Test("One user's backlog on one replica does not starve another user of the same client on another")
    func users() async throws {
        let deployment = try await start(30)
        var busy = Load.Group(name: "busy", address: deployment.address(of: 0), key: "app-key")
        busy.fields = ["x-user-id: busy"]
        busy.count = 60
        var calm = Load.Group(name: "calm", address: deployment.address(of: 1), key: "app-key")
        calm.fields = ["x-user-id: calm"]
        calm.workers = 1
        calm.seconds = 4.5
        let calls = try await Load.run([busy, calm])
        let arrivals = try await deployment.simulator.arrivals(call: "generateContent")
        let busyTimes = arrivals.filter { $0.requestID?.hasPrefix("busy") == true }.map(\.at)
        let sent = Dictionary(arrivals.map { ($0.requestID ?? "", $0.at) }) { first, _ in first }
        // The first burst goes as it comes: nobody has to wait.
        let burst = arrivals.map(\.at).sorted()[14]
        let before = calls.of("calm").filter { $0.began > burst }.map { call in
            let slot = sent[call.id] ?? .max
            return busyTimes.count { $0 > slot - call.queued && $0 < slot }
        }
        let most = try #require(before.max())
        tell("\(before.count) calls of the calm user: at most \(most) calls of the busy one between entry and slot")
        #expect(calls.allSatisfy { $0.status == 200 }, "\(calls.complaints)")
        // One that is ahead, and one granted while the call is on its way to Redis. It gets half where it keeps asking.
        #expect(most <= 2)
        #expect(before.count >= 8)
        #expect(largestWindow(arrivals.map(\.at), microseconds: 3_000_000) <= 30)
        try await deployment.stop()
    }

    @Test("Urgent calls on one replica go first, and the others on another still get a twentieth")
    func urgency() async throws {
        let deployment = try await start(60)
        var urgent = Load.Group(name: "urgent", address: deployment.address(of: 0), key: "urgent-key")
        urgent.count = 140
        var patient = Load.Group(name: "patient", address: deployment.address(of: 1))
        patient.fields = ["Priority: u=5"]
        patient.count = 60
        let calls = try await Load.run([patient, urgent])
        let arrivals = try await deployment.simulator.arrivals(call: "generateContent").sorted { $0.at < $1.at }
        let last = try #require(arrivals.lastIndex { $0.requestID?.hasPrefix("urgent") == true })
        // The first burst went before anybody had to wait.
        let contended = arrivals[30...last]
        let others = contended.count { $0.requestID?.hasPrefix("patient") == true }
        let share = Double(others) / Double(contended.count)
        tell("of \(contended.count) slots while urgent calls waited the others got \(others), \(share)")
        #expect(calls.allSatisfy { $0.status == 200 }, "\(calls.complaints)")
        #expect(share >= 0.04)
        #expect(share <= 0.15)
        #expect(largestWindow(arrivals.map(\.at), microseconds: 3_000_000) <= 60)
        try await deployment.stop()
    }
}

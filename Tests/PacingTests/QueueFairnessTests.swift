import Pacing
import Testing

/// Who is served how often, and how soon.
@Suite struct QueueFairnessTests {
    private static let second = 1_000_000

    private struct Contender {
        var name: String
        var weight = 1
        var urgency = 3
    }

    /// Keeps 20 calls of each client waiting, and counts the units that each is served after the first ten seconds.
    private func serve(
        _ clients: [Contender],
        bucket: BucketFigures,
        seconds: Int,
        costs: [String: Int] = [:]
    ) -> [String: Int] {
        var driver = QueueDriver()
        var units: [String: Int] = [:]
        func enter(_ client: Contender, _ driver: inout QueueDriver) {
            driver.enter(
                [bucket],
                costs: [costs[client.name] ?? 1],
                client: client.name,
                urgency: client.urgency,
                weight: client.weight
            )
        }
        let settled = driver.now + 10 * Self.second
        driver.run(until: driver.now + 1)
        for client in clients { for _ in 0..<20 { enter(client, &driver) } }
        driver.run(until: driver.now + seconds * Self.second) { driver, grant in
            if grant.at > settled { units[grant.ticket.client, default: 0] += grant.ticket.costs[0] }
            if let client = clients.first(where: { $0.name == grant.ticket.client }) { enter(client, &driver) }
        }
        return units
    }

    @Test("Clients share a contended quota by weight")
    func byWeight() {
        let clients = [
            Contender(name: "a", weight: 1, urgency: 3), Contender(name: "b", weight: 1, urgency: 3),
            Contender(name: "c", weight: 3, urgency: 3), Contender(name: "d", weight: 5, urgency: 3),
        ]
        let served = serve(clients, bucket: QueueDriver.bucket("rpm", 60, perSeconds: 5, burst: 6), seconds: 60)
        let total = served.values.reduce(0, +)
        for client in clients {
            let ideal = Double(total) * Double(client.weight) / 10
            let got = Double(served[client.name] ?? 0)
            #expect(abs(got - ideal) <= 0.04 * ideal + 1, "\(client.name) got \(got) of \(ideal)")
        }
    }

    @Test("The share is one of units, not of calls, where costs differ")
    func byCost() {
        let clients = [
            Contender(name: "large", weight: 1, urgency: 3), Contender(name: "small", weight: 1, urgency: 3),
        ]
        let served = serve(
            clients,
            bucket: QueueDriver.bucket("tpm", 6000, perSeconds: 5, burst: 600),
            seconds: 60,
            costs: ["large": 400, "small": 100]
        )
        let ratio = Double(served["large"] ?? 0) / Double(served["small"] ?? 1)
        #expect(abs(ratio - 1) < 0.05, "\(served)")
    }

    @Test("An urgent client goes first; every waiting urgency still gets a twentieth")
    func urgencies() {
        let clients = [
            Contender(name: "now", weight: 1, urgency: 0), Contender(name: "usual", weight: 1, urgency: 3),
            Contender(name: "batch", weight: 1, urgency: 6),
        ]
        let served = serve(clients, bucket: QueueDriver.bucket("rpm", 60, perSeconds: 5, burst: 6), seconds: 120)
        let total = Double(served.values.reduce(0, +))
        #expect(Double(served["now"] ?? 0) / total > 0.87)
        #expect(Double(served["usual"] ?? 0) / total >= 0.045)
        #expect(Double(served["batch"] ?? 0) / total >= 0.045)
    }

    @Test("A newcomer is delayed by at most one call of each client")
    func newcomer() {
        let buckets = [QueueDriver.bucket("rpm", 60, perSeconds: 5, burst: 1)]
        let clients = [
            Contender(name: "a", weight: 1, urgency: 3), Contender(name: "b", weight: 2, urgency: 3),
            Contender(name: "c", weight: 10, urgency: 3),
        ]
        var driver = QueueDriver()
        for client in clients {
            for _ in 0..<200 { driver.enter(buckets, client: client.name, weight: client.weight) }
        }
        driver.run(until: driver.now + 10 * Self.second)
        for round in 0..<20 {
            let before = driver.grants.count
            let newcomer = driver.enter(buckets, client: "new\(round)").ticket
            while !driver.grants.contains(where: { $0.ticket == newcomer }) {
                driver.run(until: driver.now + 50_000)
            }
            let ahead = driver.grants[before...].prefix { $0.ticket != newcomer }.map(\.ticket.client)
            for client in clients {
                let count = ahead.count { $0 == client.name }
                #expect(count <= 1, "\(count) of \(client.name) before newcomer \(round)")
            }
        }
    }

    @Test("One busy user of a client does not starve the others")
    func users() {
        let buckets = [QueueDriver.bucket("rpm", 60, perSeconds: 5, burst: 1)]
        var driver = QueueDriver()
        for _ in 0..<300 { driver.enter(buckets, client: "bot", user: "busy") }
        for user in ["x", "y"] { for _ in 0..<20 { driver.enter(buckets, client: "bot", user: user) } }
        driver.run(until: driver.now + 4 * Self.second)
        let counts = Dictionary(grouping: driver.grants, by: \.ticket.user).mapValues(\.count)
        let fewest = counts.values.min() ?? 0
        let most = counts.values.max() ?? 0
        #expect(counts.count == 3)
        // The busy one was alone when it came.
        #expect(most - fewest <= 2, "\(counts)")
    }

    @Test("Two clients of weights 1 and 10, in lanes that share a bucket, keep their shares")
    func acrossLanes() {
        let up = QueueDriver.bucket("up", 60, perSeconds: 5, burst: 6)
        var driver = QueueDriver()
        var units: [String: Int] = [:]
        func enter(_ client: String, _ driver: inout QueueDriver) {
            let own = QueueDriver.bucket("rpm/\(client)", 1000, perSeconds: 5)
            driver.enter([own, up], costs: [1, 1], client: client, weight: client == "a" ? 1 : 10)
        }
        let settled = driver.now + 10 * Self.second
        for client in ["a", "b"] { for _ in 0..<20 { enter(client, &driver) } }
        driver.run(until: driver.now + 60 * Self.second) { driver, grant in
            if grant.at > settled { units[grant.ticket.client, default: 0] += 1 }
            enter(grant.ticket.client, &driver)
        }
        let ratio = Double(units["b"] ?? 0) / Double(units["a"] ?? 1)
        #expect(ratio > 9 && ratio < 11, "\(units)")
    }

    @Test("A call of half a token bucket is served among small ones, which go on meanwhile")
    func headOfLine() {
        let tokens = QueueDriver.bucket("tpm", 10_000, perSeconds: 5, burst: 5000)
        let requests = QueueDriver.bucket("rpm", 60, perSeconds: 5, burst: 30)
        var driver = QueueDriver()
        for _ in 0..<40 { driver.enter([tokens], costs: [200], client: "small") }
        driver.run(until: driver.now + 12 * Self.second) { driver, _ in
            driver.enter([tokens], costs: [200], client: "small")
        }
        let came = driver.now
        let large = driver.enter([requests, tokens], costs: [1, 5000], client: "large").ticket
        var small = 0
        var served: Micros?
        driver.run(until: came + 20 * Self.second) { driver, grant in
            if grant.ticket == large {
                served = grant.at - came
            } else {
                if served == nil { small += 1 }
                driver.enter([tokens], costs: [200], client: "small")
            }
        }
        #expect((served ?? .max) <= 7 * Self.second)
        #expect(small > 0)
    }
}

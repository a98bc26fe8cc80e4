import Foundation
import TestSupport
import Testing

@Suite("The network between a replica and Redis is cut, and heals", .timeLimit(.minutes(3)))
struct FaultPartitionTests {
    private typealias Cluster = FaultCluster

    @Test(
        "Under local who is cut off goes on with its part, beside the others; after healing all is one exact queue again"
    )
    func local() async throws {
        let cluster = try await Cluster.start(links: true)
        let links = try #require(cluster.deployment.links)
        async let load = Load.run(cluster.backlog([40, 40, 40]))
        try await cluster.waitForArrivals(32)
        let cut = monotonicMicros()
        try await links.cut(0)
        try await cluster.waitForArrivals(72)
        let healed = monotonicMicros()
        try await links.heal(0)
        let name = try await cluster.id(of: 0)
        try await eventually("its waiters stand with the others", within: .seconds(Cluster.moves + Cluster.slack)) {
            try await cluster.waitersInRedis(of: name) > 0
        }
        let calls = try await load
        let arrivals = try await cluster.arrivals()
        let times = arrivals.map(\.at)
        let own = arrivals.filter { $0.requestID?.hasPrefix("r0") == true }.map(\.at)
        let others = arrivals.filter { $0.requestID?.hasPrefix("r0") == false }.map(\.at)
        let last = try #require(times.max())
        let ownPause = longestPause(own, from: cut, to: healed)
        let worst = largestWindow(times, microseconds: Cluster.per)
        tell("cut off for \(Double(healed - cut) / 1e6) s: its longest pause \(ownPause) s, largest window \(worst)")
        #expect(calls.statuses == [200: 120], "\(calls.complaints)")
        #expect(ownPause <= Cluster.moves + Cluster.slack)
        #expect(longestPause(others, from: cut, to: healed) <= Cluster.moves + Cluster.slack)
        #expect(longestPause(times, from: healed, to: last) <= Cluster.moves + Cluster.slack)
        // Of those that are not cut off nobody knows that one is: by its part the quota can be exceeded.
        #expect(worst <= Cluster.limit + Cluster.limit / 3)
        let after = times.filter { $0 > healed + Cluster.per + 200_000 }
        #expect(after.count > 5)
        #expect(largestWindow(after, microseconds: Cluster.per) <= Cluster.limit)
        try await cluster.deployment.stop()
    }

    @Test("Under closed who is cut off answers 503 and sends nothing, and no window is exceeded before or after")
    func closed() async throws {
        let cluster = try await Cluster.start(links: true, policy: "closed")
        let links = try #require(cluster.deployment.links)
        async let load = Load.run(cluster.backlog([20, 36, 36]))
        try await cluster.waitForArrivals(32)
        let cut = monotonicMicros()
        try await links.cut(0)
        try await eventually("it is not ready") {
            try await HTTP.get(cluster.deployment.address(of: 0) + "/ready").status == 503
        }
        // A call of half a second has to run out before it knows.
        let refused = try await Load.run(
            [
                Load.Group(name: "refused", address: cluster.deployment.address(of: 0), count: 3)
            ]
        )
        try await cluster.waitForArrivals(62)
        let healed = monotonicMicros()
        try await links.heal(0)
        try await eventually("it is ready again", within: .seconds(Cluster.moves + Cluster.slack)) {
            try await HTTP.get(cluster.deployment.address(of: 0) + "/ready").status == 200
        }
        let served = try await Load.run(
            [
                Load.Group(name: "served", address: cluster.deployment.address(of: 0), count: 3)
            ]
        )
        let calls = try await load
        let arrivals = try await cluster.arrivals()
        let meanwhile = arrivals.filter { $0.at > cut + 100_000 && $0.at < healed }
        #expect(refused.statuses == [503: 3], "\(refused.complaints)")
        #expect(served.statuses == [200: 3], "\(served.complaints)")
        #expect(calls.of("r1").statuses == [200: 36], "\(calls.of("r1").complaints)")
        #expect(calls.of("r2").statuses == [200: 36], "\(calls.of("r2").complaints)")
        #expect(calls.of("r0").allSatisfy { $0.status == 200 || $0.status == 503 }, "\(calls.of("r0").complaints)")
        #expect(meanwhile.count > 10)
        #expect(meanwhile.allSatisfy { $0.requestID?.hasPrefix("r0") == false })
        #expect(largestWindow(arrivals.map(\.at), microseconds: Cluster.per) <= Cluster.limit)
        #expect(arrivals.allSatisfy { $0.status != 429 })
        try await cluster.deployment.stop()
    }
}

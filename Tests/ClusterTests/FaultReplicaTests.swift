import Foundation
import TestSupport
import Testing

@Suite("Replicas die, hang and are replaced", .timeLimit(.minutes(3)))
struct FaultReplicaTests {
    private typealias Cluster = FaultCluster

    @Test(
        "A replica killed with waiters and slots holds up nobody: its waiters are dropped within 3 s, no window is exceeded"
    )
    func killed() async throws {
        let cluster = try await Cluster.start()
        let victim = try await cluster.id(of: 2)
        async let load = Load.run(cluster.backlog([34, 34, 34]))
        try await cluster.waitForArrivals(32)
        let waited = try await cluster.waitersInRedis(of: victim)
        let killed = monotonicMicros()
        try await cluster.deployment.gateways[2].kill()
        try await eventually("its waiters are dropped", within: .seconds(Cluster.moves + Cluster.slack)) {
            try await cluster.waitersInRedis(of: victim) == 0
        }
        let dropped = Double(monotonicMicros() - killed) / 1e6
        let calls = try await load
        let arrivals = try await cluster.arrivals()
        let times = arrivals.map(\.at)
        let last = try #require(times.max())
        let pause = longestPause(times, from: killed, to: last)
        tell("killed with \(waited) waiters: dropped after \(dropped) s, longest pause \(pause) s")
        #expect(waited > 10)
        #expect(calls.of("r0").statuses == [200: 34], "\(calls.of("r0").complaints)")
        #expect(calls.of("r1").statuses == [200: 34], "\(calls.of("r1").complaints)")
        #expect(pause <= Cluster.moves + Cluster.slack)
        #expect(largestWindow(times, microseconds: Cluster.per) <= Cluster.limit)
        #expect(arrivals.allSatisfy { $0.status != 429 })
        try await cluster.deployment.stop()
    }

    @Test("A replica paused for 4 s holds up nobody, and sends nothing on a slot of before when it comes back")
    func paused() async throws {
        let cluster = try await Cluster.start()
        var urgent = Load.Group(name: "urgent", address: cluster.deployment.address(of: 2))
        urgent.key = "urgent-key"
        // Shorter than the pause: who waited when it began is out of time when it ends.
        urgent.fields = ["Prefer: wait=3"]
        urgent.count = 15
        urgent.every = 0.2
        let groups = cluster.backlog([32, 32, 32]) + [urgent]
        async let load = Load.run(groups)
        try await cluster.waitForArrivals(35)
        let replica = cluster.deployment.gateways[2]
        let stopped = monotonicMicros()
        replica.pause()
        // The pause is what is tested: no event ends it.
        try await Task.sleep(for: .seconds(4))
        let resumed = monotonicMicros()
        replica.resume()
        let calls = try await load
        let arrivals = try await cluster.arrivals()
        let times = arrivals.map(\.at)
        let last = try #require(times.max())
        let pause = longestPause(times, from: stopped, to: last)
        tell("paused for 4 s: longest pause of the queue \(pause) s")
        let meanwhile = arrivals.filter { $0.at > stopped + 50_000 && $0.at < resumed }
        #expect(meanwhile.count > 10)
        #expect(meanwhile.allSatisfy { $0.requestID?.hasPrefix("r2") == false })
        #expect(pause <= Cluster.moves + Cluster.slack)
        #expect(largestWindow(times, microseconds: Cluster.per) <= Cluster.limit)
        #expect(arrivals.allSatisfy { $0.status != 429 })
        for group in ["r0", "r1", "r2"] {
            #expect(calls.of(group).statuses == [200: 32], "\(calls.of(group).complaints)")
        }
        expectInTime(calls.of("urgent"), arrivals, wait: 3, answeredBy: resumed)
        try await cluster.deployment.stop()
    }

    /// Nobody is sent after the deadline of its slot, and nobody left without an answer after it.
    private func expectInTime(
        _ calls: [Load.Call],
        _ arrivals: [SimulatorProcess.Arrival],
        wait: Int,
        answeredBy resumed: Int
    ) {
        let sent = Dictionary(arrivals.map { ($0.requestID ?? "", $0.at) }) { first, _ in first }
        for call in calls {
            let deadline = call.began + wait * 1_000_000
            #expect([200, 503, 504].contains(call.status), "\(call.id) \(call.text)")
            if let arrival = sent[call.id] { #expect(arrival <= deadline + 100_000, "\(call.id)") }
            #expect(call.ended <= max(deadline, resumed) + Int(Cluster.slack * 1e6), "\(call.id)")
        }
    }

    @Test(
        "Replicas replaced one after the other under load: no caller sees an error, no window is exceeded, and the quota stays in use"
    )
    func replaced() async throws {
        let cluster = try await Cluster.start(balancer: true)
        let deployment = cluster.deployment
        var callers = Load.Group(name: "all", address: deployment.address)
        callers.workers = 25
        callers.seconds = 12
        let groups = [callers]
        async let load = Load.run(groups)
        try await cluster.waitForArrivals(20)
        for replica in 0..<3 {
            let old = deployment.gateways[replica]
            old.send(signal: SIGTERM)
            try await eventually("its listener is closed") { !accepts(port: deployment.ports[replica]) }
            try await deployment.restart(replica)
            try await eventually("it is called") { try await deployment.served(by: replica) > 0 }
            #expect(try await old.waitForExit(within: .seconds(20)) == 0)
        }
        let calls = try await load
        let arrivals = try await cluster.arrivals()
        let times = arrivals.map(\.at).sorted()
        // Callers call again until the load ends: until then somebody waits.
        let first = try #require(times.first)
        let until = try #require(calls.map(\.began).max())
        let counted = times.count { $0 >= first + Cluster.per && $0 < until }
        let use = Double(counted) / (Double(Cluster.limit) / Double(Cluster.per) * Double(until - first - Cluster.per))
        tell("replaced under load: \(calls.count) calls, use \(use)")
        #expect(calls.allSatisfy { $0.status == 200 }, "\(calls.complaints)")
        #expect(largestWindow(times, microseconds: Cluster.per) <= Cluster.limit)
        #expect(arrivals.allSatisfy { $0.status != 429 })
        // 0.99 where the machine has time; slots that a process gets no core for in 20 ms are handed back. A second in
        // which nobody calls for the next slot costs a tenth.
        #expect(use >= 0.93)
        try await deployment.stop()
    }
}

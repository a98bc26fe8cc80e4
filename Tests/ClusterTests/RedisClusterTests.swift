import Foundation
import TestSupport
import Testing

@Suite("Three replicas on a Redis Cluster of three shards", .serialized, .timeLimit(.minutes(8)))
struct RedisClusterTests {
    private static let limit = 30
    private static let seconds = 3
    private static let per = seconds * 1_000_000
    private static let models = ["gemini-2.5-flash", "gemini-2.5-pro", "gemini-2.0-flash"]

    private struct System {
        let cluster: RedisCluster
        let deployment: Deployment
        /// On the first, second and third shard.
        let upstreams: [String]

        func stop() async throws {
            try await deployment.stop()
            try await cluster.stop()
        }

        /// What begins each path of a call to this upstream; each has a model of its own, to be told apart upstream.
        func path(_ index: Int) -> String {
            "/\(upstreams[index])/v1beta/models/\(models[index]):generateContent"
        }

        /// When calls arrived upstream.
        func times(_ index: Int) async throws -> [Int] {
            try await deployment.simulator.arrivals(call: "generateContent").filter { $0.model == models[index] }
                .map(\.at)
        }

        /// Calls at once to all upstreams through all replicas.
        func backlog(_ count: Int) -> [Load.Group] {
            upstreams.indices.flatMap { index in
                deployment.ports.indices.map { replica in
                    let name = "\(upstreams[index])-\(replica)-"
                    var group = Load.Group(name: name, address: deployment.address(of: replica))
                    group.path = path(index)
                    group.count = count / deployment.ports.count
                    return group
                }
            }
        }
    }

    private static func start(replicas: Int, simulator: [String] = []) async throws -> System {
        let cluster = try await RedisCluster.start(replicas: replicas)
        let upstreams = try await upstreams(cluster)
        let deployment = try await Deployment.start(
            .init(
                replicas: 3,
                redis: false,
                simulator: simulator,
                configuration: configuration(url: cluster.url, upstreams: upstreams)
            )
        )
        try await eventually("the replicas know of each other") { try await deployment.replicas(knownTo: 0) == 3 }
        return System(cluster: cluster, deployment: deployment, upstreams: upstreams)
    }

    /// Names whose queues lie on the first, second and third shard.
    private static func upstreams(_ cluster: RedisCluster) async throws -> [String] {
        var found: [Int: String] = [:]
        for number in 0..<64 where found.count < 3 {
            let shard = try await cluster.shard(of: "{q4:u\(number)}")
            found[shard] = found[shard] ?? "u\(number)"
        }
        return try (0..<3).map { try #require(found[$0]) }
    }

    private static func configuration(url: String, upstreams: [String]) -> String {
        var text = """
            [redis]
            url = "\(url)"
            timeout = "5s"
            on_failure = "closed"

            [[limit]]
            name = "per-client"
            by = "client"
            rate = "50/hour"
            burst = 50

            [[limit]]
            name = "per-ip"
            by = "ip"
            rate = "5000/hour"
            burst = 5000


            """
        text += Configurations.client + Configurations.gemini
        text += """

            [[route]]
            name = "limited"
            path = "/limited/**"
            strip_prefix = "/limited"
            limits = ["per-client", "per-ip"]
            upstream = "gemini"

            [[route]]
            name = "cached"
            path = "/v1beta/models/gemini-embedding-001:embedContent"
            cache = { ttl = "5m", methods = ["embedContent"] }
            upstream = "gemini"


            """
        for name in upstreams {
            text += Configurations.gemini.replacingOccurrences(of: "\"gemini\"\ndialect", with: "\"\(name)\"\ndialect")
            text += """

                [[upstream.quota]]
                name = "\(name)-rpm"
                requests = \(limit)
                per = "\(seconds)s"
                burst = \(limit / 2)

                [[route]]
                path = "/\(name)/**"
                strip_prefix = "/\(name)"
                upstream = "\(name)"


                """
        }
        return text
    }

    @Test("Exactly the burst passes, 200 same calls make one, each queue lies on its shard, and no window is exceeded")
    func shared() async throws {
        let system = try await Self.start(replicas: 0, simulator: ["--latency", "300ms"])
        let addresses = system.deployment.addresses
        let limited = try await system.deployment.burst(300, path: "/limited" + Paths.generate, over: addresses)
        #expect(limited.statuses == ["200": 50, "429": 250])

        let cached = try await system.deployment.burst(200, path: Paths.embed, body: Bodies.embed, over: addresses)
        #expect(cached.statuses == ["200": 200])
        #expect(try await system.deployment.simulator.arrivals(call: "embedContent").count == 1)

        try await system.deployment.simulator.forget()
        let calls = try await Load.run(system.backlog(60))
        #expect(calls.statuses == [200: 180], "\(calls.complaints)")
        for (index, upstream) in system.upstreams.enumerated() {
            let times = try await system.times(index)
            #expect(times.count == 60)
            #expect(largestWindow(times, microseconds: Self.per) <= Self.limit)
            let queues = try await system.cluster.masters[index].command("KEYS", "gw:{q*}:G")
            #expect(queues.hasPrefix("gw:{q") && queues.hasSuffix(":\(upstream)}:G"), "\(queues)")
        }
        try await system.stop()
    }

    @Test(
        "A shard's master dies: the other queues go on, its own moves within 3 s of the promotion, no window is exceeded"
    )
    func failover() async throws {
        let system = try await Self.start(
            replicas: 1,
            simulator: ["--requests-per-minute", "\(Self.limit)", "--window", "\(Self.seconds)s"]
        )
        async let load = Load.run(system.backlog(120))
        for index in 0..<3 {
            try await eventually("calls went through every queue", within: .seconds(30)) {
                try await system.times(index).count >= 35
            }
        }
        let killed = monotonicMicros()
        try await system.cluster.masters[0].kill()
        try await system.cluster.waitUntilMaster(system.cluster.replicas[0][0])
        let promoted = monotonicMicros()
        let calls = try await load
        #expect(calls.statuses == [200: 360], "\(calls.complaints)")
        for index in 0..<3 {
            let times = try await system.times(index)
            let worst = largestWindow(times, microseconds: Self.per)
            #expect(times.count == 120)
            #expect(worst <= Self.limit)
            let last = try #require(times.max())
            if index == 0 {
                let moved = try #require(times.filter { $0 > promoted }.min())
                let wait = Double(moved - promoted) / 1e6
                print(
                    "    promoted \(Double(promoted - killed) / 1e6) s after the loss; moves \(wait) s later; worst \(worst)"
                )
                #expect(wait <= 3)
            } else {
                let pause = longestPause(times, from: killed, to: min(last, promoted))
                print("    another shard's queue: longest pause \(pause) s, worst \(worst)")
                #expect(pause <= 1.5)
            }
        }
        try await system.stop()
    }
}

import Foundation
import TestSupport
import Testing

/// Three replicas, one Redis, an upstream that counts strictly: what every fault is tried on.
struct FaultCluster: Sendable {
    static let limit = 30
    static let seconds = 3
    static let per = seconds * 1_000_000
    /// How soon the queue has to move where a slot is due, and replicas that are gone have to be known as such.
    static let moves = 3.0
    /// What a busy machine may add to a wait: processes that get no core, programs that have to start.
    static let slack = 1.0

    let deployment: Deployment

    static func start(
        links: Bool = false,
        balancer: Bool = false,
        policy: String = "local",
        redisArguments: [String] = [],
        redisEnvironment: [String: String] = [:]
    ) async throws -> FaultCluster {
        let configuration = urgentClient + Configurations.paced(limit, per: "\(seconds)s", burst: limit / 2)
        let deployment = try await Deployment.start(
            .init(
                replicas: 3,
                links: links,
                redisArguments: redisArguments,
                redisEnvironment: redisEnvironment,
                balancer: balancer,
                simulator: ["--requests-per-minute", "\(limit)", "--window", "\(seconds)s"],
                configuration: configuration,
                environment: ["REDIS_MORE": "on_failure = \"\(policy)\""]
            )
        )
        try await eventually("the replicas know of each other") {
            try await deployment.replicas(knownTo: 0) == 3
        }
        return FaultCluster(deployment: deployment)
    }

    private static let urgentClient = """
        [[client]]
        name = "urgent"
        key = "urgent-key"
        priority = 0


        """

    // MARK: Load

    /// So many calls at once at each replica: groups `r0`, `r1`, `r2`.
    func backlog(_ counts: [Int], wait: Int = 60) -> [Load.Group] {
        counts.enumerated().filter { $0.element > 0 }.map { replica, count in
            var group = Load.Group(name: "r\(replica)", address: deployment.address(of: replica))
            group.count = count
            group.fields = ["Prefer: wait=\(wait)"]
            return group
        }
    }

    // MARK: What the upstream saw

    func arrivals() async throws -> [SimulatorProcess.Arrival] {
        try await deployment.simulator.arrivals(call: "generateContent")
    }

    func waitForArrivals(_ count: Int) async throws {
        try await eventually("\(count) calls arrived", within: .seconds(30), every: .milliseconds(20)) {
            try await arrivals().count >= count
        }
    }

    // MARK: What Redis holds

    /// How many waiters Redis holds of a replica; nil: of all.
    func waitersInRedis(of replica: String? = nil) async throws -> Int {
        let redis = try #require(deployment.redis)
        let keys = try await redis.command("--scan", "--pattern", "gw:{q*:gemini}:R")
        guard let key = keys.split(separator: "\n").first else { return 0 }
        let count = try await redis.command("EVAL", Self.waiters, "1", String(key), replica ?? "")
        return try #require(Int(count), "\(count)")
    }

    /// Sums up what the script keeps of each replica.
    private static let waiters = """
        local sum, replicas = 0, redis.call('HGETALL', KEYS[1])
        for i = 1, #replicas, 2 do
          if ARGV[1] == '' or replicas[i] == ARGV[1] then sum = sum + cmsgpack.unpack(replicas[i + 1]).waiting end
        end
        return sum
        """

    /// The name by which a replica's waiters stand in Redis.
    func id(of replica: Int) async throws -> String {
        let own = try await deployment.stats(of: replica)["replica"] as? [String: Any]
        return try #require(own?["id"] as? String)
    }
}

/// The longest time without an arrival between two moments, in seconds: it stands still for no longer than that.
func longestPause(_ times: [Int], from: Int, to: Int) -> Double {
    let within = [from] + times.sorted().filter { $0 > from && $0 < to } + [to]
    return Double(zip(within, within.dropFirst()).map { $1 - $0 }.max() ?? 0) / 1e6
}

/// Tells a figure of the run.
func tell(_ text: String) { print("    " + text) }

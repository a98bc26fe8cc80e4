/// A Redis Cluster of one test: masters that share the slots evenly, each with so many replicas, on free loopback ports.
///
/// A shard that is away fails its own slots only (`cluster-require-full-coverage no`).
package final class RedisCluster: Sendable {
    private static let slotCount = 16_384

    /// The masters at the start, in the order of their slots.
    package let masters: [RedisServer]
    /// `replicas[i]` follow `masters[i]` at the start.
    package let replicas: [[RedisServer]]
    /// `nil`: shared by tests that do not load it.
    private let turn: Turn?

    /// Starts, and waits until every node says that all is well and every replica has its master's data.
    /// - Parameter replicas: of each master.
    /// - Parameter nodeTimeout: a node that is silent for so long is failed over; that takes a second more.
    /// - Parameter arguments: more of redis-server's, for each node.
    /// - Parameter isShared: it may run beside other tests' clusters; else one test at a time has one.
    package static func start(
        masters: Int = 3,
        replicas: Int = 0,
        nodeTimeout: Duration = .seconds(1),
        password: String? = nil,
        arguments: [String] = [],
        isShared: Bool = false
    ) async throws -> RedisCluster {
        let turn = isShared ? nil : await Turn.take()
        let count = masters * (1 + replicas)
        let buses = (0..<count).map { _ in freePort() }
        let nodes = try await withThrowingTaskGroup(of: (Int, RedisServer).self) { group in
            for (index, bus) in buses.enumerated() {
                let settings = Self.settings(bus: bus, nodeTimeout: nodeTimeout, password: password) + arguments
                group.addTask { (index, try await RedisServer.start(password: password, arguments: settings)) }
            }
            return try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
        }
        let ordered = (0..<count).compactMap { nodes[$0] }
        let cluster = RedisCluster(
            masters: Array(ordered[..<masters]),
            replicas: (0..<masters).map { master in
                (0..<replicas).map { ordered[masters + master * replicas + $0] }
            },
            turn: turn
        )
        try await cluster.join(buses: Dictionary(uniqueKeysWithValues: zip(ordered.map(\.port), buses)))
        return cluster
    }

    private init(masters: [RedisServer], replicas: [[RedisServer]], turn: Turn?) {
        self.masters = masters
        self.replicas = replicas
        self.turn = turn
    }

    private static func settings(bus: Int, nodeTimeout: Duration, password: String?) -> [String] {
        [
            "--cluster-enabled", "yes", "--cluster-port", String(bus), "--cluster-announce-ip", "127.0.0.1",
            "--cluster-node-timeout", String(nodeTimeout / .milliseconds(1)).prefix { $0 != "." }.description,
            "--cluster-require-full-coverage", "no", "--cluster-replica-validity-factor", "0",
            "--repl-diskless-sync-delay", "0",
        ] + (password.map { ["--masterauth", $0] } ?? [])
    }

    package var nodes: [RedisServer] { masters + replicas.joined() }

    /// Names all nodes that were masters at the start.
    package var url: String { url(credentials: "") }

    /// - Parameter credentials: such as `":secret@"`.
    package func url(credentials: String) -> String {
        "redis+cluster://\(credentials)\(masters.map { "127.0.0.1:\($0.port)" }.joined(separator: ","))"
    }

    /// Which of the masters at the start holds a key's slot, as long as slots stay where they were.
    package func shard(of key: String) async throws -> Int {
        let slot = Int(try await masters[0].command("CLUSTER", "KEYSLOT", key)) ?? 0
        return (0..<masters.count).first { range(of: $0).contains(slot) } ?? 0
    }

    /// Waits until a node says of itself that it is a master: of a replica, that it was promoted.
    package func waitUntilMaster(_ node: RedisServer, within limit: Duration = .seconds(20)) async throws {
        try await eventually("the replica is promoted", within: limit, every: .milliseconds(20)) {
            try await node.command("ROLE").hasPrefix("master")
        }
    }

    /// Waits until every running node says that all slots are served.
    package func waitUntilWell(within limit: Duration = .seconds(20)) async throws {
        for node in nodes where node.process.isRunning {
            try await eventually("the cluster is well", within: limit, every: .milliseconds(100)) {
                let information = try await node.command("CLUSTER", "INFO")
                return information.contains("cluster_state:ok")
                    && information.contains("cluster_slots_ok:\(Self.slotCount)")
            }
        }
    }

    package func stop() async throws {
        for node in nodes {
            node.resume()
            try await node.kill()
        }
    }

    private func range(of master: Int) -> ClosedRange<Int> {
        let count = masters.count
        return (master * Self.slotCount / count)...((master + 1) * Self.slotCount / count - 1)
    }

    private func join(buses: [Int: Int]) async throws {
        for (index, node) in nodes.enumerated() {
            try await accepted(node, "CLUSTER", "SET-CONFIG-EPOCH", String(index + 1))
        }
        for (index, master) in masters.enumerated() {
            let slots = range(of: index)
            try await accepted(
                master,
                "CLUSTER",
                "ADDSLOTSRANGE",
                String(slots.lowerBound),
                String(slots.upperBound)
            )
        }
        for node in nodes.dropFirst() {
            let bus = String(buses[node.port] ?? 0)
            try await accepted(masters[0], "CLUSTER", "MEET", "127.0.0.1", String(node.port), bus)
        }
        for node in nodes {
            try await eventually("every node knows all", within: .seconds(30), every: .milliseconds(100)) {
                // Swift takes CR LF for one character.
                try await node.command("CLUSTER", "INFO").split(whereSeparator: \.isNewline)
                    .contains("cluster_known_nodes:\(self.nodes.count)")
            }
        }
        for (master, followers) in zip(masters, replicas) {
            let id = try await master.command("CLUSTER", "MYID")
            for follower in followers {
                try await eventually("the replica knows its master", within: .seconds(20), every: .milliseconds(100)) {
                    try await follower.command("CLUSTER", "REPLICATE", id) == "OK"
                }
            }
        }
        for follower in replicas.joined() {
            try await eventually("the replica has its master's data", within: .seconds(30), every: .milliseconds(100)) {
                try await follower.command("INFO", "replication").contains("master_link_status:up")
            }
        }
        try await waitUntilWell(within: .seconds(30))
        try await waitUntilAllKnowReplicas()
    }

    /// Votes for a replica need masters that know whose replica it is.
    private func waitUntilAllKnowReplicas() async throws {
        let expected = replicas.joined().count
        for node in nodes {
            try await eventually("every node knows the replicas", within: .seconds(30), every: .milliseconds(100)) {
                let lines = try await node.command("CLUSTER", "NODES").split(whereSeparator: \.isNewline)
                return lines.count { $0.contains("slave") } == expected
            }
        }
    }

    private func accepted(_ node: RedisServer, _ arguments: String...) async throws {
        let reply = try await node.command(arguments)
        guard reply == "OK" else { throw ServerFailed(name: "redis-server", log: "\(arguments): \(reply)") }
    }
}

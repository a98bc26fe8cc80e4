/// A Redis with a replica and three sentinels that watch them, of one test, on free loopback ports.
package final class RedisSentinels: Sendable {
    package static let name = "primary"
    /// The master at the start.
    package let master: RedisServer
    package let replica: RedisServer
    package let ports: [Int]
    private let directory: TemporaryDirectory
    private let sentinels: [ServerProcess]
    private let turn: Turn

    /// Starts, and waits until the sentinels know each other and the replica.
    /// - Parameter downAfter: a master that is silent for so long is failed over.
    /// One test at a time has sentinels, or a cluster.
    /// - Parameter password: of Redis; the sentinels ask for none.
    package static func start(
        downAfter: Duration = .milliseconds(500),
        password: String? = nil
    ) async throws -> RedisSentinels {
        let turn = await Turn.take()
        let own = ["--repl-diskless-sync-delay", "0"] + (password.map { ["--masterauth", $0] } ?? [])
        let master = try await RedisServer.start(password: password, arguments: own)
        let replica = try await RedisServer.start(
            password: password,
            arguments: own + ["--replicaof", "127.0.0.1 \(master.port)"]
        )
        try await eventually("the replica has its master's data", within: .seconds(30), every: .milliseconds(100)) {
            try await replica.command("INFO", "replication").contains("master_link_status:up")
        }
        let sentinels = try RedisSentinels(
            master: master,
            replica: replica,
            downAfter: downAfter,
            password: password,
            turn: turn
        )
        try await sentinels.waitUntilWatching()
        return sentinels
    }

    private init(
        master: RedisServer,
        replica: RedisServer,
        downAfter: Duration,
        password: String?,
        turn: Turn
    ) throws {
        self.turn = turn
        self.master = master
        self.replica = replica
        let directory = try TemporaryDirectory()
        self.directory = directory
        let ports = (0..<3).map { _ in freePort() }
        self.ports = ports
        let milliseconds = Int(downAfter / .milliseconds(1))
        sentinels = try ports.map { port in
            var text = """
                port \(port)
                bind 127.0.0.1
                sentinel monitor \(Self.name) 127.0.0.1 \(master.port) 2
                sentinel down-after-milliseconds \(Self.name) \(milliseconds)
                sentinel failover-timeout \(Self.name) 3000

                """
            if let password { text += "sentinel auth-pass \(Self.name) \(password)\n" }
            let file = try directory.write(text, to: "sentinel-\(port).conf")
            return try ServerProcess(["redis-server", file, "--sentinel"])
        }
    }

    package var url: String { url(credentials: "") }

    /// - Parameter credentials: such as `":secret@"`.
    package func url(credentials: String) -> String {
        "redis+sentinel://\(credentials)\(ports.map { "127.0.0.1:\($0)" }.joined(separator: ","))/\(Self.name)"
    }

    /// Runs a command by redis-cli on one of the sentinels.
    @discardableResult
    package func command(of sentinel: Int = 0, _ arguments: String...) async throws -> String {
        try await run(["redis-cli", "-p", String(ports[sentinel])] + arguments).output
    }

    /// Moves the master's part to the replica while both live.
    package func failOver() async throws {
        try await eventually("the sentinels begin a failover", every: .milliseconds(50)) {
            try await self.command("SENTINEL", "FAILOVER", Self.name).hasPrefix("OK")
        }
    }

    package func stop() async throws {
        for sentinel in sentinels { try await sentinel.kill() }
        for server in [master, replica] {
            server.resume()
            try await server.kill()
        }
    }

    private func waitUntilWatching() async throws {
        for (index, port) in ports.enumerated() {
            try await sentinels[index].waitUntilAccepting(port: port)
        }
        for index in ports.indices {
            try await eventually(
                "the sentinels know each other and the replica",
                within: .seconds(30),
                every: .milliseconds(100)
            ) {
                let answer = try await self.command(of: index, "INFO", "sentinel")
                return answer.contains("status=ok") && answer.contains("slaves=1,sentinels=3")
            }
        }
    }
}

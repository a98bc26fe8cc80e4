internal import Foundation
internal import Synchronization

/// A Redis of one test, on a free loopback port, in a directory of its own, writing nothing by itself.
package final class RedisServer: Sendable {
    package let port: Int
    /// Also listens here.
    package let unixSocketPath: String
    private let directory: TemporaryDirectory
    private let arguments: [String]
    private let environment: [String: String]
    private let credentials: [String]
    private let current: Mutex<ServerProcess>

    /// Starts and waits until it answers.
    /// - Parameter password: of the default user; `nil`: none.
    /// - Parameter arguments: more of redis-server's, such as `["--maxmemory", "10mb"]`.
    /// - Parameter environment: added to the test's own.
    package static func start(
        port: Int = freePort(),
        password: String? = nil,
        arguments: [String] = [],
        environment: [String: String] = [:]
    ) async throws -> RedisServer {
        let server = try RedisServer(port: port, password: password, arguments: arguments, environment: environment)
        try await server.waitUntilReady()
        return server
    }

    private init(port: Int, password: String?, arguments: [String], environment: [String: String]) throws {
        self.port = port
        self.environment = environment
        directory = try TemporaryDirectory()
        unixSocketPath = directory.path("socket")
        self.arguments =
            [
                "redis-server", "--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
                "--dir", directory.url.path, "--unixsocket", unixSocketPath,
            ] + (password.map { ["--requirepass", $0] } ?? []) + arguments
        credentials = password.map { ["-a", $0, "--no-auth-warning"] } ?? []
        current = Mutex(try ServerProcess(self.arguments, environment: environment))
    }

    package var url: String { "redis://127.0.0.1:\(port)/0" }

    /// The process that runs now.
    package var process: ServerProcess { current.withLock { $0 } }

    /// Runs a command by redis-cli, as given; returns its output without the last newline.
    @discardableResult
    package func command(_ arguments: String...) async throws -> String { try await command(arguments) }

    @discardableResult
    package func command(_ arguments: [String]) async throws -> String {
        let result = try await run(["redis-cli", "-p", String(port)] + credentials + arguments)
        return result.output.hasSuffix("\n") ? String(result.output.dropLast()) : result.output
    }

    /// Ends in order. What `save` did not write is gone.
    package func stop() async throws { try await process.terminate() }

    /// Ends as by a crash.
    package func kill() async throws { try await process.kill() }

    /// Starts again on the same port, with the data of the last `save`.
    package func start() async throws {
        let process = try ServerProcess(arguments, environment: environment)
        current.withLock { $0 = process }
        try await waitUntilReady()
    }

    /// Stops and starts: with all data, or empty.
    package func restart(keepingData: Bool) async throws {
        if keepingData {
            try await save()
        } else {
            try forgetData()
        }
        try await kill()
        try await start()
    }

    /// Writes the data to disk, which a later start loads: to come back with what was true now.
    package func save() async throws {
        let reply = try await command("SAVE")
        guard reply == "OK" else { throw ServerFailed(name: "redis-server", log: reply) }
    }

    /// The next start comes up empty.
    package func forgetData() throws {
        for name in ["dump.rdb", "appendonlydir"] where FileManager.default.fileExists(atPath: directory.path(name)) {
            try FileManager.default.removeItem(atPath: directory.path(name))
        }
    }

    /// Stops answering, connections open, until `resume`.
    package func pause() { process.pause() }

    package func resume() { process.resume() }

    private func waitUntilReady() async throws {
        if arguments.contains("--tls-port") {
            try await process.waitUntilLogged("Ready to accept connections")
        } else {
            try await process.waitUntilAccepting(port: port)
            try await eventually("redis-server answers") { try await self.command("PING") == "PONG" }
        }
    }
}

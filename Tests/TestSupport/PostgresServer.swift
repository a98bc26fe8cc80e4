internal import Foundation
internal import Synchronization

/// A Postgres of one test, on a free loopback port, in a directory of its own. Everybody may log in as `postgres`.
///
/// Postgres refuses root: a test that runs as root runs it as user `postgres`.
package final class PostgresServer: Sendable {
    package let port: Int
    private let directory: TemporaryDirectory
    private let arguments: [String]
    private let current: Mutex<ServerProcess>

    /// Makes a cluster of databases, starts it and waits until it answers.
    /// - Parameter settings: of postgresql.conf, such as `["max_connections": "5"]`.
    package static func start(port: Int = freePort(), settings: [String: String] = [:]) async throws -> PostgresServer {
        let directory = try TemporaryDirectory()
        let binaries = try binariesDirectory()
        if getuid() == 0 { try await check(["chown", "postgres", directory.url.path]) }
        let data = directory.path("data")
        try await check(
            asPostgres([
                "\(binaries)/initdb", "--pgdata", data, "--username", "postgres", "--auth", "trust", "--no-sync",
                "--encoding", "UTF8", "--locale", "C.UTF-8",
            ])
        )
        var arguments = asPostgres([
            "\(binaries)/postgres", "-D", data, "-p", String(port), "-h", "127.0.0.1", "-k", directory.url.path,
            "-c", "fsync=off", "-c", "log_min_messages=warning",
        ])
        for (name, value) in settings.sorted(by: { $0.key < $1.key }) { arguments += ["-c", "\(name)=\(value)"] }
        let server = try PostgresServer(port: port, directory: directory, arguments: arguments)
        try await server.waitUntilReady()
        return server
    }

    private init(port: Int, directory: TemporaryDirectory, arguments: [String]) throws {
        self.port = port
        self.directory = directory
        self.arguments = arguments
        current = Mutex(try ServerProcess(arguments, workingDirectory: "/"))
    }

    package var url: String { "postgresql://postgres@127.0.0.1:\(port)/postgres" }

    /// The process that runs now.
    package var process: ServerProcess { current.withLock { $0 } }

    /// Runs SQL by psql; returns what it prints, unaligned and without headings.
    /// - Throws: `ServerFailed` when psql fails.
    @discardableResult
    package func sql(_ statements: String, database: String = "postgres") async throws -> String {
        let result = try await run([
            "psql", "postgresql://postgres@127.0.0.1:\(port)/\(database)", "--no-psqlrc", "--quiet", "--tuples-only",
            "--no-align", "-v", "ON_ERROR_STOP=1", "-c",
            statements,
        ])
        guard result.status == 0 else { throw ServerFailed(name: "psql", log: result.output) }
        return result.output.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Ends in order, cutting off whoever is connected.
    package func stop() async throws {
        process.send(signal: SIGINT)
        do {
            try await process.waitForExit(within: .seconds(10))
        } catch is DeadlinePassed {
            try await kill()
        }
    }

    /// Ends as by a crash: the server and all its sessions at once.
    package func kill() async throws {
        sendToAll(SIGKILL)
        try await process.waitForExit(within: .seconds(10))
    }

    private func sendToAll(_ signal: Int32) {
        let process = process
        let children = "/proc/\(process.processIdentifier)/task/\(process.processIdentifier)/children"
        let sessions = (try? String(contentsOfFile: children, encoding: .utf8)) ?? ""
        process.send(signal: signal)
        for identifier in sessions.split(separator: " ").compactMap({ Int32($0) }) {
            _ = Foundation.kill(identifier, signal)
        }
    }

    /// Starts again on the same port with the same data, waiting for what a crash left to be recovered.
    package func start() async throws {
        let process = try ServerProcess(arguments, workingDirectory: "/")
        current.withLock { $0 = process }
        try await waitUntilReady()
    }

    /// Stops answering, connections open, until `resume`. Sessions that are open go on.
    package func pause() { process.pause() }

    package func resume() { process.resume() }

    /// Hangs with all its sessions, connections open, until `thaw`.
    package func freeze() { sendToAll(SIGSTOP) }

    package func thaw() { sendToAll(SIGCONT) }

    private func waitUntilReady() async throws {
        try await process.waitUntilAccepting(port: port)
        try await eventually("postgres answers") {
            guard process.isRunning else { throw ServerFailed(name: "postgres", log: process.log) }
            return try await run(["psql", url, "--no-psqlrc", "-c", "SELECT 1"]).status == 0
        }
    }
}

/// Makes a server that refuses root run as user `postgres` where the test runs as root. The process stays the same one.
package func asPostgres(_ command: [String]) -> [String] {
    guard getuid() == 0 else { return command }
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"] + command
}

/// The newest installed release; Debian keeps them out of PATH.
private func binariesDirectory() throws -> String {
    let root = "/usr/lib/postgresql"
    let releases = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
    guard let newest = releases.compactMap({ Int($0) }).max() else {
        throw ServerFailed(name: "postgres", log: "nothing in \(root): install postgresql")
    }
    return "\(root)/\(newest)/bin"
}

private func check(_ command: [String]) async throws {
    let result = try await run(command, workingDirectory: "/")
    guard result.status == 0 else { throw ServerFailed(name: command[0], log: result.output) }
}

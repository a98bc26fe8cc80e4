internal import Foundation

/// A child process of a test, with its output in a file. It never outlives the test process, however that ends.
///
/// A shell stands between: it holds a pipe from the test process and kills the child when that closes.
package final class ServerProcess: Sendable {
    /// The child itself, not the shell.
    package let processIdentifier: Int32
    package let logPath: String
    private let name: String
    private let shell: Shell
    private let directory: TemporaryDirectory

    /// `env` undoes what a shell does to a background job: ignoring SIGINT and SIGQUIT.
    private static let script = """
        log=$1; cd "$2" || exit; shift 2
        exec 3<&0 </dev/null
        env --default-signal=INT,QUIT "$@" 3<&- >>"$log" 2>&1 &
        child=$!
        echo "$child"
        exec >/dev/null 2>&1
        { read -r _ <&3; kill -KILL "$child"; } &
        watcher=$!
        exec 3<&-
        wait "$child"; status=$?
        kill "$watcher"
        exit "$status"
        """

    /// Starts the child; see `waitUntilAccepting`.
    /// - Parameter command: a path, or a name in PATH, then the arguments.
    /// - Parameter environment: added to the test's own.
    /// - Throws: `ServerFailed`, `POSIXError`.
    package init(
        _ command: [String],
        environment: [String: String] = [:],
        workingDirectory: String = "."
    ) throws {
        name = command[0]
        directory = try TemporaryDirectory()
        logPath = directory.path("log")
        try Data().write(to: URL(filePath: logPath))
        let assignments = environment.map { "\($0)=\($1)" }
        shell = try Shell(script: Self.script, arguments: [logPath, workingDirectory] + assignments + command)
        guard let child = Int32(shell.output.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw ServerFailed(name: command[0], log: "the shell named no process")
        }
        processIdentifier = child
    }

    package var isRunning: Bool { exitStatus == nil }

    /// Of the child, 128 + n for signal n; `nil` while it runs.
    package var exitStatus: Int32? { shell.exitStatus }

    /// All that the child wrote to stdout and stderr so far.
    package var log: String { (try? String(contentsOfFile: logPath, encoding: .utf8)) ?? "" }

    /// Waits until somebody listens on the loopback port.
    /// - Throws: `ServerFailed` with the log when the child ends before, `DeadlinePassed`.
    package func waitUntilAccepting(port: Int, within limit: Duration = .seconds(20)) async throws {
        try await eventually("\(name) accepts on port \(port)", within: limit) {
            guard isRunning else { throw ServerFailed(name: name, log: log) }
            return accepts(port: port)
        }
    }

    /// - Throws: `ServerFailed` with the log when the child ends before, `DeadlinePassed`.
    package func waitUntilLogged(_ text: String, within limit: Duration = .seconds(20)) async throws {
        try await eventually("\(name) logs \"\(text)\"", within: limit) {
            if log.contains(text) { return true }
            guard isRunning else { throw ServerFailed(name: name, log: log) }
            return false
        }
    }

    package func send(signal: Int32) {
        if isRunning { _ = Foundation.kill(processIdentifier, signal) }
    }

    /// Stops the child where it is, sockets open; `resume` lets it run on.
    package func pause() { send(signal: SIGSTOP) }

    package func resume() { send(signal: SIGCONT) }

    /// SIGTERM, and SIGKILL for who takes longer than `limit`.
    /// - Returns: the exit status.
    @discardableResult
    package func terminate(within limit: Duration = .seconds(10)) async throws -> Int32 {
        send(signal: SIGCONT)
        send(signal: SIGTERM)
        do {
            return try await waitForExit(within: limit)
        } catch is DeadlinePassed {
            return try await kill()
        }
    }

    /// SIGKILL: no chance to tidy up.
    @discardableResult
    package func kill() async throws -> Int32 {
        send(signal: SIGKILL)
        return try await waitForExit(within: .seconds(10))
    }

    /// - Returns: the exit status.
    @discardableResult
    package func waitForExit(within limit: Duration) async throws -> Int32 {
        try await eventualValue("\(name) ends", within: limit) { exitStatus }
    }
}

/// A child process ended before it was of use.
package struct ServerFailed: Error, CustomStringConvertible {
    package let name: String
    package let log: String
    package var description: String { "\(name) ended early:\n\(log)" }
}

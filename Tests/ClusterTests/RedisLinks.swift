import Foundation
import TestSupport

/// A network of its own for each replica, between it and Redis, that can be cut without closing anything.
final class RedisLinks: Sendable {
    private let process: ServerProcess
    private let control: Int
    /// Where each link listens.
    let ports: [Int]

    /// - Parameter target: the port that all lead to.
    static func start(count: Int, target: Int) async throws -> RedisLinks {
        let control = freePort()
        let ports = (0..<count).map { _ in freePort() }
        let script = Repository.path("Tests/ClusterTests/Clients/proxy.py")
        let process = try ServerProcess(
            [Python.interpreter, script, String(control)] + ports.map { "\($0):\(target)" }
        )
        for port in ports + [control] { try await process.waitUntilAccepting(port: port) }
        return RedisLinks(process: process, control: control, ports: ports)
    }

    private init(process: ServerProcess, control: Int, ports: [Int]) {
        self.process = process
        self.control = control
        self.ports = ports
    }

    /// Nothing arrives any more, in either direction.
    func cut(_ link: Int) async throws { try await tell("hold/\(link)") }

    /// What was sent meanwhile arrives now.
    func heal(_ link: Int) async throws { try await tell("go/\(link)") }

    /// Closes what is open; who connects again reaches another server.
    func lead(_ link: Int, to port: Int) async throws { try await tell("to/\(link)/\(port)") }

    func stop() async throws { try await process.kill() }

    private func tell(_ command: String) async throws {
        let answer = try await HTTP.get("http://127.0.0.1:\(control)/\(command)")
        guard answer.status == 200 else { throw ClientFailed(script: "proxy", output: process.log) }
    }
}

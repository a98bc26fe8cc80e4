import Foundation
import TestSupport

/// The simulator, and what it says that it saw.
final class SimulatorProcess: Sendable {
    struct Arrival: Decodable, Sendable {
        /// Microseconds of the simulator's monotonic clock.
        let at: Int
        let path: String
        let method: String
        let call: String?
        let model: String?
        let status: Int?
        let requestID: String?
        let tokens: Int?
        let outcome: String

        private enum CodingKeys: String, CodingKey {
            case at, path, method, call, model, status, tokens, outcome
            case requestID = "request_id"
        }
    }

    let port: Int
    let process: ServerProcess

    static func start(_ arguments: [String]) async throws -> SimulatorProcess {
        let port = freePort()
        let process = try ServerProcess([Binaries.path("simulator"), "--listen", "127.0.0.1:\(port)"] + arguments)
        try await process.waitUntilAccepting(port: port)
        return SimulatorProcess(port: port, process: process)
    }

    private init(port: Int, process: ServerProcess) {
        self.port = port
        self.process = process
    }

    var address: String { "http://127.0.0.1:\(port)" }

    /// Everything that arrived, in order.
    func arrivals(call: String? = nil) async throws -> [Arrival] {
        struct Log: Decodable { let arrivals: [Arrival] }
        let body = try await HTTP.get("\(address)/simulator/log").body
        let all = try JSONDecoder().decode(Log.self, from: Data(body.utf8)).arrivals
        return call.map { wanted in all.filter { $0.call == wanted } } ?? all
    }

    func forget() async throws { _ = try await HTTP.send("DELETE", "\(address)/simulator/log") }

    func configure(_ json: String) async throws {
        let answer = try await HTTP.send("POST", "\(address)/simulator/config", body: json)
        guard answer.status == 200 else { throw ClientFailed(script: "simulator/config", output: answer.body) }
    }
}

/// The most arrivals that any half-open window [t, t + length) held, as a strict upstream counts.
func largestWindow(_ times: [Int], microseconds length: Int) -> Int {
    let sorted = times.sorted()
    var first = 0
    var largest = 0
    for last in sorted.indices {
        while sorted[last] - sorted[first] >= length { first += 1 }
        largest = max(largest, last - first + 1)
    }
    return largest
}

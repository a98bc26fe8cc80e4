import Foundation
import TestSupport

/// Calls made at a running system, and when each began and ended.
enum Load {
    struct Group: Encodable, Sendable {
        /// Also the beginning of the calls' request ids.
        var name: String
        var address: String
        var key = Deployment.key
        var path = Paths.generate
        var body = Bodies.generate
        /// Header lines.
        var fields: [String] = []
        /// So many at once, or one each `every` seconds.
        var count: Int?
        var every: Double?
        /// So many callers that call again as soon as they are answered, for `seconds`.
        var workers: Int?
        var seconds: Double?
    }

    struct Call: Decodable, Sendable {
        let group: String
        let id: String
        /// Microseconds of the machine's monotonic clock, which the simulator's log uses too.
        let began: Int
        let ended: Int
        /// 0: no answer.
        let status: Int
        /// Microseconds that it waited for its slot, as the gateway says.
        let queued: Int
        /// Of an answer that is no 200: its head and the beginning of its body.
        let text: String
    }

    static func run(_ groups: [Group], within limit: Duration = .seconds(90)) async throws -> [Call] {
        struct Output: Decodable { let calls: [Call] }
        let spec = String(decoding: try JSONEncoder().encode(groups), as: UTF8.self)
        let output: Output = try await Python.run("load", [spec], within: limit)
        return output.calls
    }
}

extension [Load.Call] {
    func of(_ group: String) -> [Load.Call] { filter { $0.group == group } }

    var statuses: [Int: Int] { reduce(into: [:]) { $0[$1.status, default: 0] += 1 } }

    /// What those answers said that are no 200.
    var complaints: String {
        Set(filter { $0.status != 200 }.map { "\($0.status) \($0.text)" }).sorted().prefix(3).joined(separator: "\n")
    }

    /// How long the one that took longest took, in seconds.
    var longest: Double { Double(map { $0.ended - $0.began }.max() ?? 0) / 1e6 }
}

/// Microseconds of the machine's monotonic clock.
func monotonicMicros() -> Int {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}

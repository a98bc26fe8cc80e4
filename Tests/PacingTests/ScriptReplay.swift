import Foundation
import NIOCore
import Pacing
import RedisClient

/// Does in Redis what was done to the twin, and compares.
///
/// Commands leave in batches and pushes come on the same connection (RESP3), so that a step costs no round trip.
final class ScriptReplay {
    private enum Expected {
        case anything
        case reply(QueueReply, told: () -> String)
    }

    /// So few that schedules come to share buckets.
    static let crowded = QueueBounds(sets: 2, buckets: 6, idleLanes: 3)
    private static let crowdedScript = RedisScript(
        name: "crowded",
        source: Array(
            String(decoding: QueueScript.script.source, as: UTF8.self).replacingOccurrences(
                of: "SETS, BUCKETS, IDLE_LANES = 64, 512, 128",
                with: "SETS, BUCKETS, IDLE_LANES = 2, 6, 3"
            ).utf8
        )
    )
    private static let batch = 64
    private let connection: ReplayConnection
    private let keys = QueueScript.keys(prefix: "test", upstream: "sim")
    private let channel = QueueScript.channel(prefix: "test", upstream: "sim")
    private var expected: [Expected] = []
    private var pushes: [String] = []
    private var script = QueueScript.script
    private(set) var calls = 0

    /// - Parameter path: of the server's Unix socket. The server is this replay's alone.
    init(path: String) throws {
        connection = try ReplayConnection(path: path)
        precondition(Self.crowdedScript.sha1 != QueueScript.script.sha1)
        try connection.use(script: QueueScript.script.source)
        try connection.use(script: Self.crowdedScript.source)
    }

    func close() { connection.close() }

    /// - Returns: the first difference.
    func run(_ steps: [SimulatedStore.Step], isCrowded: Bool) throws -> String? {
        script = isCrowded ? Self.crowdedScript : QueueScript.script
        send("FLUSHALL")
        var listening: [String] = []
        pushes = []
        for (index, step) in steps.enumerated() {
            switch step {
            case .snapshot: copy(from: "", to: ":snapshot")
            case .restore: copy(from: ":snapshot", to: "")
            case .empty: send(["DEL"] + keys.map { .text($0) })
            case .call(let call, let now, let others, let outcome):
                listen(to: others, instead: &listening)
                evaluate(call, now: now, index: index, outcome)
            }
            if expected.count >= Self.batch, let difference = try exchange() { return difference }
        }
        listen(to: [], instead: &listening)
        if let difference = try exchange() { return difference }
        let told = connection.takePushes().compactMap { push in
            QueueScript.push(push.message).flatMap {
                Self.told($0, to: String(push.channel.split(separator: ":").last ?? ""))
            }
        }
        return told == pushes ? nil : "pushed \(told) instead of \(pushes)"
    }

    private func evaluate(_ call: QueueCall, now: Micros, index: Int, _ outcome: QueueState.Outcome) {
        calls += 1
        let arguments = QueueScript.arguments(call, channel: channel, now: now)
        let name: [RedisArgument] = ["EVALSHA", .text(script.sha1), .integer(keys.count)]
        connection.write(name + keys.map { .text($0) } + arguments)
        expected.append(.reply(outcome.reply) { "step \(index) at \(now): \(call)" })
        pushes += outcome.pushes.compactMap { Self.told($0.push, to: $0.replica) }
    }

    private static func told(_ push: QueuePush, to replica: String) -> String? {
        switch push {
        case .grant(let ticket, let stamp, let seq): "\(replica) \(ticket.id) \(stamp) \(seq)"
        case .relieved(let due, let at): "\(replica) relieved of \(due) at \(at)"
        case .rollCall: nil
        }
    }

    /// Sends what was written and compares what comes back.
    private func exchange() throws -> String? {
        let waited = expected
        expected = []
        try connection.flush()
        for expectation in waited {
            let reply = try connection.read()
            if case .error(let error) = reply { return "the script failed: \(error)" }
            guard case .reply(let twin, let told) = expectation else { continue }
            let script = try QueueScript.reply(reply)
            if script != twin {
                return """
                    \(told())
                    twin   \(twin)
                    script \(script)
                    """
            }
        }
        return nil
    }

    private func send(_ command: RedisArgument...) { send(command) }

    private func send(_ command: [RedisArgument]) {
        connection.write(command)
        expected.append(.anything)
    }

    private func copy(from source: String, to target: String) {
        for key in keys {
            send("DEL", .text(key + target))
            send("COPY", .text(key + source), .text(key + target))
        }
    }

    /// What is answered to these comes among the pushes.
    private func listen(to replicas: [String], instead before: inout [String]) {
        for id in before where !replicas.contains(id) { connection.write(["UNSUBSCRIBE", .text(channel + id)]) }
        for id in replicas where !before.contains(id) { connection.write(["SUBSCRIBE", .text(channel + id)]) }
        before = replicas
    }
}

import Logging
import NIOCore
import NIOPosix
import Pacing
import RedisClient
import Synchronization
import TestSupport

/// Does in Redis what was done to the twin, and compares.
struct ScriptReplay {
    private let redis: RedisHandle
    private let listener: Listener
    private let keys = QueueScript.keys(prefix: "test", upstream: "sim")
    private let channel = QueueScript.channel(prefix: "test", upstream: "sim")

    static func open(_ server: RedisServer) async throws -> ScriptReplay {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let endpoint = try RedisEndpoint(url: server.url)
        let redis = await RedisHandle.open(endpoint, on: loop, logger: Logger(label: "test"))
        try await eventually("connected") { await redis.read { $0.isUp } }
        return ScriptReplay(redis: redis, listener: await Listener.open(endpoint, on: loop))
    }

    func close() async {
        await redis.close()
        await listener.close()
    }

    /// - Returns: the first difference.
    func run(_ steps: [SimulatedStore.Step]) async throws -> String? {
        try await redis.send("FLUSHALL")
        var listening: [String] = []
        var expected: [String] = []
        _ = listener.takeMessages()
        for (index, step) in steps.enumerated() {
            switch step {
            case .snapshot: try await copy(from: "", to: ":snapshot")
            case .restore: try await copy(from: ":snapshot", to: "")
            case .empty:
                for key in keys { try await redis.send("DEL", .text(key)) }
            case .call(let call, let now, let others, let outcome):
                try await listen(to: others, instead: &listening, expecting: expected.count)
                let reply = try await redis.eval(
                    QueueScript.script,
                    keys: keys,
                    arguments: QueueScript.arguments(call, channel: channel, now: now)
                )
                let told = try QueueScript.reply(reply)
                if told != outcome.reply {
                    return """
                        step \(index) at \(now): \(call)
                        twin   \(outcome.reply)
                        script \(told)
                        """
                }
                for (replica, push) in outcome.pushes {
                    if case .grant(let ticket, let stamp, let seq) = push {
                        expected.append("\(replica) \(ticket.id) \(stamp.time) \(stamp.epoch) \(seq)")
                    }
                }
            }
        }
        let count = expected.count
        try await eventually("pushes arrive") { [listener] in listener.count >= count }
        let pushed = listener.takeMessages()
        return pushed == expected ? nil : "pushed \(pushed) instead of \(expected)"
    }

    private func copy(from source: String, to target: String) async throws {
        for key in keys {
            let copied = try await redis.send("COPY", .text(key + source), .text(key + target), "REPLACE")
            if copied.integer == 0 { try await redis.send("DEL", .text(key + target)) }
        }
    }

    private func listen(to replicas: [String], instead before: inout [String], expecting count: Int) async throws {
        guard replicas != before else { return }
        // What comes after the unsubscription is asked for is not taken any more.
        try await eventually("pushes arrive") { [listener] in listener.count >= count }
        for id in before where !replicas.contains(id) { await listener.unsubscribe(channel + id) }
        for id in replicas where !before.contains(id) { await listener.subscribe(channel + id, id) }
        let names = Set(before + replicas)
        for id in names {
            try await eventually("subscription changed") { [redis, channel] in
                let reply = try await redis.send("PUBSUB", "NUMSUB", .text(channel + id))
                return reply.array?.last?.integer == (replicas.contains(id) ? 1 : 0)
            }
        }
        before = replicas
    }
}

/// Subscribes to replicas' channels and keeps the grants that come.
private final class Listener: Sendable {
    private let loop: any EventLoop
    private let subscriber: NIOLoopBound<RedisSubscriber>
    private let messages: Mutex<[String]>

    private init(loop: any EventLoop, subscriber: NIOLoopBound<RedisSubscriber>) {
        self.loop = loop
        self.subscriber = subscriber
        messages = Mutex([])
    }

    static func open(_ endpoint: RedisEndpoint, on loop: any EventLoop) async -> Listener {
        await withCheckedContinuation { continuation in
            loop.execute {
                let subscriber = RedisSubscriber(endpoint: endpoint, eventLoop: loop, logger: Logger(label: "test"))
                continuation.resume(
                    returning: Listener(loop: loop, subscriber: NIOLoopBound(subscriber, eventLoop: loop))
                )
            }
        }
    }

    var count: Int { messages.withLock { $0.count } }

    func takeMessages() -> [String] {
        messages.withLock { messages in
            let taken = messages
            messages = []
            return taken
        }
    }

    func subscribe(_ channel: String, _ id: String) async {
        await perform { subscriber, listener in
            subscriber.subscribe(channel) { message in
                guard case .grant(let ticket, let stamp, let seq)? = QueueScript.push(message) else { return }
                listener.messages.withLock {
                    $0.append("\(id) \(ticket.id) \(stamp.time) \(stamp.epoch) \(seq)")
                }
            }
        }
    }

    func unsubscribe(_ channel: String) async { await perform { subscriber, _ in subscriber.unsubscribe(channel) } }

    func close() async { await perform { subscriber, _ in subscriber.close() } }

    private func perform(_ action: @escaping @Sendable (RedisSubscriber, Listener) -> Void) async {
        await withCheckedContinuation { continuation in
            loop.execute {
                action(self.subscriber.value, self)
                continuation.resume()
            }
        }
    }
}

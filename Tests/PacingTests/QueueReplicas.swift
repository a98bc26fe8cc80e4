import Logging
import NIOCore
import NIOPosix
import Pacing
import RedisClient
import Synchronization
import TestSupport

/// Agents as several processes would have them, on one real Redis.
struct QueueReplicas {
    static let prefix = "test"
    static let upstream = "gemini"

    let server: RedisServer
    let handles: [QueueHandle]

    static func start(_ count: Int, policy: QueueSettings.LossPolicy = .local) async throws -> QueueReplicas {
        let server = try await RedisServer.start()
        let endpoint = try RedisEndpoint(url: server.url)
        let handles = QueueHandle.replicas(count, on: endpoint, upstream: upstream, policy: policy)
        let replicas = QueueReplicas(server: server, handles: handles)
        try await replicas.until(.connected)
        return replicas
    }

    /// Whether all are in that mode, and a connected one ready.
    func until(_ mode: QueueStatistics.Mode) async throws {
        try await handles.until(mode)
    }

    func failures(_ reason: QueueFailure) async throws -> Int {
        var sum = 0
        for handle in handles { sum += try await handle.statistics().get().counters.failuresByReason[reason] ?? 0 }
        return sum
    }

    func stop() async throws {
        for handle in handles { handle.close() }
        try await server.stop()
    }
}

extension QueueHandle {
    /// Starts so many agents of one upstream, each with a connection of its own.
    static func replicas(
        _ count: Int,
        on endpoint: RedisEndpoint,
        upstream: String,
        policy: QueueSettings.LossPolicy
    ) -> [QueueHandle] {
        let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        return (0..<count).map { index in
            let agent = QueueAgent(
                id: "replica-\(index)",
                settings: QueueSettings(upstream: upstream, policy: policy),
                eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
                logger: quiet
            ) { loop in
                RedisQueueStore(
                    endpoint: endpoint,
                    prefix: QueueReplicas.prefix,
                    upstream: upstream,
                    replica: "replica-\(index)",
                    eventLoop: loop,
                    logger: quiet
                )
            }
            agent.start()
            return QueueHandle(agent)
        }
    }
}

extension [QueueHandle] {
    /// Whether all are in that mode, and a connected one ready.
    func until(_ mode: QueueStatistics.Mode) async throws {
        for handle in self {
            try await eventually("the queue is \(mode)", within: .seconds(20)) {
                let statistics = try await handle.statistics().get()
                return statistics.mode == mode && (mode != .connected || statistics.isReady)
            }
        }
    }

    /// How often they have called their store.
    func calls() async throws -> Int {
        var sum = 0
        for handle in self { sum += try await handle.statistics().get().counters.calls }
        return sum
    }
}

/// Grants and refusals, as they come.
final class QueueEndings: Sendable {
    private struct State {
        var seen: [NIODeadline] = []
        var deadlines: [NIODeadline] = []
        var refused: [QueueRefusal] = []
    }

    private let state = Mutex(State())

    func take(_ event: QueueEvent) {
        state.withLock { state in
            switch event {
            case .granted(let grant):
                state.seen.append(.now())
                state.deadlines.append(grant.deadline)
            case .refused(let refusal): state.refused.append(refusal)
            case .position: break
            }
        }
    }

    var granted: Int { state.withLock { $0.seen.count } }
    var refused: [QueueRefusal] { state.withLock { $0.refused } }

    /// When the grants were heard of, in order.
    var seen: [NIODeadline] { state.withLock { $0.seen.sorted() } }

    /// Until when calls could leave, in order: 20 ms after their grants, whatever the tests' threads did then.
    var deadlines: [NIODeadline] { state.withLock { $0.deadlines.sorted() } }

    /// The most that could leave in any half-open window.
    func most(in window: TimeAmount) -> Int {
        let times = deadlines
        var most = 0
        var first = 0
        for (index, time) in times.enumerated() {
            while times[first] + window <= time { first += 1 }
            most = max(most, index - first + 1)
        }
        return most
    }
}

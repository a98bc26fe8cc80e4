import Logging
import NIOCore
import NIOPosix
import Pacing
import RedisClient
import Synchronization
import TestSupport

/// Agents as several processes would have them, on one real Redis, and what became of their callers.
struct QueueReplicas {
    let server: RedisServer
    let handles: [QueueHandle]

    static func start(_ count: Int, policy: QueueSettings.LossPolicy = .local) async throws -> QueueReplicas {
        let server = try await RedisServer.start()
        let endpoint = try RedisEndpoint(url: server.url)
        let handles = (0..<count).map { index in
            let agent = QueueAgent(
                id: "replica-\(index)",
                settings: QueueSettings(upstream: "gemini", policy: policy),
                eventLoop: MultiThreadedEventLoopGroup.singleton.next(),
                logger: Logger(label: "replica") { _ in SwiftLogNoOpLogHandler() }
            ) { loop in
                RedisQueueStore(
                    endpoint: endpoint,
                    prefix: "test",
                    upstream: "gemini",
                    replica: "replica-\(index)",
                    eventLoop: loop,
                    logger: Logger(label: "store") { _ in SwiftLogNoOpLogHandler() }
                )
            }
            agent.start()
            return QueueHandle(agent)
        }
        let replicas = QueueReplicas(server: server, handles: handles)
        try await replicas.until(.connected)
        return replicas
    }

    /// Whether all are in that mode, and a connected one ready.
    func until(_ mode: QueueStatistics.Mode) async throws {
        for handle in handles {
            try await eventually("the queue is \(mode)", within: .seconds(20)) {
                let statistics = try await handle.statistics().get()
                return statistics.mode == mode && (mode != .connected || statistics.isReady)
            }
        }
    }

    func calls() async throws -> Int {
        var sum = 0
        for handle in handles { sum += try await handle.statistics().get().counters.calls }
        return sum
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

/// Grants and refusals, as they come.
final class QueueEndings: Sendable {
    private let state = Mutex<(granted: Int, refused: [QueueRefusal])>((0, []))

    func take(_ event: QueueEvent) {
        state.withLock { state in
            switch event {
            case .granted: state.granted += 1
            case .refused(let refusal): state.refused.append(refusal)
            case .position: break
            }
        }
    }

    var granted: Int { state.withLock { $0.granted } }
    var refused: [QueueRefusal] { state.withLock { $0.refused } }
}

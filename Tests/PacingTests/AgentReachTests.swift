import Logging
import NIOCore
import NIOPosix
import Pacing
import Synchronization
import Testing

@Suite("Whether a queue can grant, as it is told to others", .timeLimit(.minutes(1)))
struct AgentReachTests {
    /// Answers nothing.
    private final class FarStore: QueueStore {
        let told: (@escaping () -> Void) -> Void

        init(told: @escaping (@escaping () -> Void) -> Void) { self.told = told }

        func start(_ onEvent: @escaping (QueueStoreEvent) -> Void) { told { onEvent(.up(run: "run")) } }
        func call(_ call: QueueCall, _ done: @escaping (Result<QueueReply, QueueStoreError>) -> Void) {}
        func close() {}
    }

    @Test("From its start until it reaches its store for the first time a queue is cut off")
    func start() async throws {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let cuts = Mutex<[Bool]>([])
        let arrive = NIOLoopBoundBox<(() -> Void)?>.makeEmptyBox(valueType: (() -> Void).self, eventLoop: loop)
        let agent = QueueAgent(
            id: "replica",
            settings: QueueSettings(upstream: "test", maxWaiting: 10, policy: .closed),
            eventLoop: loop,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
            onCut: { cut in cuts.withLock { $0.append(cut) } }
        ) { _ in FarStore { arrive.value = $0 } }
        agent.start()
        try await loop.submit {}.get()
        #expect(cuts.withLock { $0 } == [true])
        try await loop.submit { arrive.value?() }.get()
        #expect(cuts.withLock { $0 } == [true, false])
        agent.close()
    }
}

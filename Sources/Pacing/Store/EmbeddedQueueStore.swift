internal import Foundation
package import NIOCore

/// The queue of a single replica, in its memory. Its clock is the monotonic one, set once by the wall clock.
package final class EmbeddedQueueStore: QueueStore {
    private static let run = "embedded"
    private var state = QueueState(run: EmbeddedQueueStore.run)
    private let clock: () -> NIODeadline
    private let epochStart: Micros

    /// - Parameter clock: the monotonic one.
    package init(clock: @escaping () -> NIODeadline = { .now() }) {
        self.clock = clock
        epochStart = Micros(Date().timeIntervalSince1970 * 1e6) - clock().micros
    }

    package func start(_ onEvent: @escaping (QueueStoreEvent) -> Void) { onEvent(.up(run: Self.run)) }

    package func call(_ call: QueueCall, _ done: @escaping (Result<QueueReply, QueueStoreError>) -> Void) {
        done(.success(state.call(call, now: clock().micros + epochStart).reply))
    }

    package func close() {}
}

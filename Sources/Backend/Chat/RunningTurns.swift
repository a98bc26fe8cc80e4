internal import ServiceLifecycle
internal import Synchronization

/// Counts the turns that run, so that none is lost when the process drains.
package final class RunningTurns: Service {
    private struct State {
        var count = 0
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    private let state = Mutex(State())

    package init() {}

    package var count: Int { state.withLock { $0.count } }

    func begin() {
        state.withLock { $0.count += 1 }
    }

    func end() {
        let waiting = state.withLock { state in
            state.count -= 1
            guard state.count == 0 else { return [CheckedContinuation<Void, Never>]() }
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }

    /// Waits for the moment in which none runs.
    package func drained() async {
        await withCheckedContinuation { continuation in
            let isIdle = state.withLock { state in
                guard state.count > 0 else { return true }
                state.waiting.append(continuation)
                return false
            }
            if isIdle { continuation.resume() }
        }
    }

    /// Ends, after graceful shutdown began, with the last turn.
    package func run() async throws {
        try await gracefulShutdown()
        await drained()
    }
}

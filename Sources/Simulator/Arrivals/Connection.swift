internal import DequeModule
internal import Synchronization

/// The client went away before its answer was complete.
struct ClientGone: Error {}

/// What the event loop saw of a connection, told to the task that answers its requests.
final class Connection: Sendable {
    private let state = Mutex(State())

    private struct State {
        var arrivals: Deque<Duration> = []
        var isGone = false
        var pause: Task<Void, any Error>?
    }

    /// A request's head came in. On the connection's event loop, before any task hears of it.
    func arrived(at instant: Duration) {
        state.withLock { $0.arrivals.append(instant) }
    }

    /// When the request came in that is answered next; requests of a connection are answered in their order.
    func takeArrival() -> Duration? {
        state.withLock { $0.arrivals.popFirst() }
    }

    /// The client closed its side. Ends the pause that is under way.
    func gone() {
        state.withLock { state in
            state.isGone = true
            state.pause?.cancel()
        }
    }

    /// Waits, unless the client goes away first.
    func pause(for duration: Duration) async throws(ClientGone) {
        guard duration > .zero else { return try check() }
        let pause = Task { try await Task.sleep(for: duration) }
        state.withLock { state in
            if state.isGone { pause.cancel() } else { state.pause = pause }
        }
        let result = await withTaskCancellationHandler {
            await pause.result
        } onCancel: {
            pause.cancel()
        }
        state.withLock { $0.pause = nil }
        guard case .success = result else { throw ClientGone() }
        try check()
    }

    private func check() throws(ClientGone) {
        if state.withLock(\.isGone) { throw ClientGone() }
    }
}

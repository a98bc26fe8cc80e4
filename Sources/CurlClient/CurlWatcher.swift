internal import CCurl
internal import Glibc
internal import Synchronization

/// The one thread of a process that waits on the sockets of all its curl clients.
///
/// Each client keeps its sockets in an epoll set of its own. This thread waits on those sets, each armed for one event
/// at a time, and tells the client's loop, which drains its set and arms it again. So transfers run on their loop
/// without locks, and under load one wake-up serves many. Close it after the last client.
package final class CurlWatcher: Sendable {
    private struct State {
        var wakes: [UInt64: @Sendable () -> Void] = [:]
        var nextKey: UInt64 = stopKey + 1
        var thread: pthread_t?
    }

    private static let stopKey: UInt64 = 0
    private let master: Int32
    private let stop: Int32
    private let state = Mutex(State())

    /// Starts the thread.
    package init() throws(CurlSetupError) {
        master = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard master >= 0 else { throw .system(call: "epoll_create1", errno: errno) }
        stop = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard stop >= 0 else {
            let reason = errno
            Glibc.close(master)
            throw .system(call: "eventfd", errno: reason)
        }
        guard sluice_epoll_control(master, EPOLL_CTL_ADD, stop, UInt32(sluice_epoll_in), Self.stopKey) == 0 else {
            throw failed("epoll_ctl", errno)
        }
        // The thread holds the watcher until it leaves.
        let context = Unmanaged.passRetained(self)
        var thread = pthread_t()
        let status = pthread_create(
            &thread,
            nil,
            { context in
                sluice_name_thread("curl-watcher")
                guard let context else { return nil }
                Unmanaged<CurlWatcher>.fromOpaque(context).takeRetainedValue().run()
                return nil
            },
            context.toOpaque()
        )
        guard status == 0 else {
            context.release()
            throw failed("pthread_create", status)
        }
        let started = thread
        state.withLock { $0.thread = started }
    }

    private func failed(_ call: String, _ reason: Int32) -> CurlSetupError {
        .system(call: call, errno: reason)
    }

    deinit {
        Glibc.close(stop)
        Glibc.close(master)
    }

    /// Ends the thread and waits for it, some microseconds. From any thread but the watcher's; once more: no effect.
    package func close() {
        let thread = state.withLock { state in
            state.wakes.removeAll()
            return state.thread.take()
        }
        guard let thread else { return }
        var one: UInt64 = 1
        // Fails only where the counter would overflow, and then the thread wakes too.
        _ = write(stop, &one, MemoryLayout<UInt64>.size)
        pthread_join(thread, nil)
    }

    /// Watches a set, armed for one event.
    /// - Parameter wake: called on the watcher's thread; must not block.
    /// - Returns: the key for `rearm` and `remove`.
    func add(_ set: Int32, wake: @escaping @Sendable () -> Void) throws(CurlSetupError) -> UInt64 {
        let key = state.withLock { state in
            let key = state.nextKey
            state.nextKey += 1
            state.wakes[key] = wake
            return key
        }
        let events = UInt32(sluice_epoll_in) | UInt32(sluice_epoll_one_shot)
        guard sluice_epoll_control(master, EPOLL_CTL_ADD, set, events, key) == 0 else {
            let reason = errno
            state.withLock { _ = $0.wakes.removeValue(forKey: key) }
            throw failed("epoll_ctl", reason)
        }
        return key
    }

    /// Arms the set for the next event, at once where one waits already.
    func rearm(_ set: Int32, key: UInt64) {
        let events = UInt32(sluice_epoll_in) | UInt32(sluice_epoll_one_shot)
        let status = sluice_epoll_control(master, EPOLL_CTL_MOD, set, events, key)
        precondition(status == 0, "a client's epoll set left the watcher: errno \(errno)")
    }

    /// No wake of this key begins after it, but one may be under way on its loop.
    func remove(_ set: Int32, key: UInt64) {
        state.withLock { _ = $0.wakes.removeValue(forKey: key) }
        let status = sluice_epoll_control(master, EPOLL_CTL_DEL, set, 0, 0)
        precondition(status == 0, "a client's epoll set left the watcher: errno \(errno)")
    }

    private func run() {
        let capacity = 64
        withUnsafeTemporaryAllocation(of: epoll_event.self, capacity: capacity) { events in
            while true {
                let count = epoll_wait(master, events.baseAddress, Int32(capacity), -1)
                precondition(count >= 0 || errno == EINTR, "epoll_wait failed: errno \(errno)")
                for index in 0..<max(0, Int(count)) {
                    let key = events[index].data.u64
                    guard key != Self.stopKey else { return }
                    state.withLock({ $0.wakes[key] })?()
                }
            }
        }
    }
}

package import NIOCore

/// Which of a connection's time-outs runs, and until when. Pure: time is a parameter.
///
/// Its handler keeps one scheduled callback and lets it come too early: it asks for `deadline` then and schedules anew.
/// So a connection in use schedules about once an idle time-out, however many requests it serves.
package struct ConnectionTimer {
    /// What the client is waited for.
    package enum Wait: Equatable {
        /// Nothing: the reply is being made.
        case none
        /// The rest of a head, or the first after connecting.
        case head
        /// The next request.
        case request
        /// Bytes of a body.
        case body
        /// The end of a connection whose last reply was sent.
        case linger
    }

    package enum Expiry: Equatable {
        /// Not due yet.
        case none
        case headTooSlow, idle, bodyTooSlow, lingered
        /// The client takes none of the bytes that are kept for it.
        case takesNothing
    }

    private struct WriteWatch {
        var taken: Int
        var since: NIODeadline
        var nextLook: NIODeadline
    }

    private let timeouts: WireTimeouts
    private(set) var wait = Wait.none
    private var since = NIODeadline.uptimeNanoseconds(0)
    private var writes: WriteWatch?

    package init(timeouts: WireTimeouts) {
        self.timeouts = timeouts
    }

    /// - Parameter now: only asked for where the wait begins anew.
    /// - Parameter progressed: whether a byte of a body came since the last call.
    package mutating func update(_ wait: Wait, progressed: Bool, now: @autoclosure () -> NIODeadline) {
        guard wait != self.wait || (progressed && wait == .body) else { return }
        self.wait = wait
        if wait != .none { since = now() }
    }

    /// What was waited for has come: the next `update` begins a wait anew, though it be of the same kind.
    package mutating func stopWaiting() {
        wait = .none
    }

    /// Bytes are kept because the client does not take them as fast as they come.
    /// - Parameter taken: a count of bytes that grows as the client takes some.
    package mutating func watchWrites(taken: Int, now: NIODeadline) {
        guard writes == nil else { return }
        writes = WriteWatch(taken: taken, since: now, nextLook: now + lookInterval)
    }

    package mutating func stopWatchingWrites() {
        writes = nil
    }

    /// When to call `check` at the latest.
    package var deadline: NIODeadline? {
        let waitDeadline: NIODeadline? =
            switch wait {
            case .none: nil
            case .head: since + timeouts.header
            case .request: since + timeouts.idle
            case .body: since + timeouts.client
            case .linger: since + timeouts.linger
            }
        guard let look = writes?.nextLook else { return waitDeadline }
        return waitDeadline.map { min($0, look) } ?? look
    }

    /// - Parameter taken: as in `watchWrites`; only asked for while writes are watched.
    package mutating func check(now: NIODeadline, taken: @autoclosure () -> Int) -> Expiry {
        if var watch = writes, now >= watch.nextLook {
            let taken = taken()
            if taken > watch.taken { watch.since = now }
            // Also down: with TLS what is kept can grow by more than what was written.
            watch.taken = taken
            watch.nextLook = now + lookInterval
            writes = watch
            if now - watch.since >= timeouts.client { return .takesNothing }
        }
        switch wait {
        case .none: return .none
        case .head: return now - since >= timeouts.header ? .headTooSlow : .none
        case .request: return now - since >= timeouts.idle ? .idle : .none
        case .body: return now - since >= timeouts.client ? .bodyTooSlow : .none
        case .linger: return now - since >= timeouts.linger ? .lingered : .none
        }
    }

    private var lookInterval: TimeAmount { .nanoseconds(max(timeouts.client.nanoseconds / 4, 1)) }
}

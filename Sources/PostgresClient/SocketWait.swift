internal import CPostgres

/// What a wait is for.
enum SocketInterest {
    case read, write, readOrWrite

    var events: UInt32 {
        switch self {
        case .read: sluice_epoll_in
        case .write: sluice_epoll_out
        case .readOrWrite: sluice_epoll_in | sluice_epoll_out
        }
    }
}

/// How a wait ended.
enum SocketOutcome: Sendable {
    case ready(readable: Bool, writable: Bool)
    case timedOut
    case cancelled
    case failed(errno: Int32)
}

/// One suspended wait.
struct Wait {
    let ticket: UInt64
    let deadline: ContinuousClock.Instant
    let continuation: CheckedContinuation<SocketOutcome, Never>
}

/// The waits of one reactor, by socket. Its thread owns it.
///
/// Deadlines are looked for by walking the table: it has at most one entry a connection, 60 in all by default.
struct WaitTable {
    private var waits: [Int32: Wait] = [:]
    private var lastTicket: UInt64 = 0

    mutating func nextTicket() -> UInt64 {
        lastTicket += 1
        return lastTicket
    }

    mutating func insert(_ wait: Wait, on descriptor: Int32) {
        let previous = waits.updateValue(wait, forKey: descriptor)
        precondition(previous == nil, "two waits for one Postgres socket")
    }

    mutating func fire(_ descriptor: Int32, readable: Bool, writable: Bool) {
        guard let wait = waits.removeValue(forKey: descriptor) else { return }
        wait.continuation.resume(returning: .ready(readable: readable, writable: writable))
    }

    mutating func cancel(_ ticket: UInt64) {
        guard let descriptor = waits.first(where: { $0.value.ticket == ticket })?.key else { return }
        waits.removeValue(forKey: descriptor)?.continuation.resume(returning: .cancelled)
    }

    mutating func expire(now: ContinuousClock.Instant) {
        for (descriptor, wait) in waits where wait.deadline <= now {
            waits[descriptor] = nil
            wait.continuation.resume(returning: .timedOut)
        }
    }

    /// For `epoll_wait`: rounded up, so that a deadline has passed when it returns; -1 when there is none.
    func millisecondsToNextDeadline(now: ContinuousClock.Instant) -> Int32 {
        guard let next = waits.values.lazy.map(\.deadline).min() else { return -1 }
        let left = now.duration(to: next)
        guard left > .zero else { return 0 }
        let milliseconds = left / .milliseconds(1)
        return Int32(min(milliseconds.rounded(.up), 60_000))
    }
}

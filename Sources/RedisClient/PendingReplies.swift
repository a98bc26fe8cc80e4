internal import DequeModule
internal import NIOCore

/// The commands of one connection that Redis has not answered, in the order of their replies. Pure.
///
/// A command whose time is over stays, without its caller, so that its late reply is told from the next one's.
struct PendingReplies {
    typealias Completion = (Result<RedisReply, RedisError>) -> Void

    struct Entry {
        /// `nil`: nobody waits any more.
        var done: Completion?
        var sentAt: NIODeadline
        let timeout: TimeAmount
        let byteCount: Int
        let script: ScriptCall?

        var deadline: NIODeadline { sentAt + timeout }

        /// Replies come in order: while they do come, this one is behind others and not lost. A Redis that is merely
        /// busy gets up to four times the time, one that says nothing only its own.
        func extendedDeadline(lastHeard: NIODeadline) -> NIODeadline {
            max(
                deadline,
                min(lastHeard + timeout, sentAt + .nanoseconds(timeout.nanoseconds * PendingReplies.busyTimeouts))
            )
        }
    }

    /// What a look at the clock gave.
    struct Expiry {
        var overdue: [Completion] = []
        /// When to look again; `nil`: nothing is outstanding.
        var next: NIODeadline?
        /// Redis has said nothing at all for several time-outs.
        var isSilent = false
    }

    /// Of the oldest command's time-out; then the connection is taken for dead.
    private static let silentTimeouts: Int64 = 4
    /// How much longer than its time a command may take where Redis answers others all the while.
    fileprivate static let busyTimeouts: Int64 = 4

    private var entries = Deque<Entry>()
    private(set) var byteCount = 0

    var count: Int { entries.count }
    var isEmpty: Bool { entries.isEmpty }

    /// The last so many left just now.
    mutating func markSent(last count: Int, at now: NIODeadline) {
        for index in entries.indices.suffix(count) { entries[index].sentAt = now }
    }

    mutating func append(_ entry: Entry) {
        entries.append(entry)
        byteCount += entry.byteCount
    }

    /// Whose reply just came; `nil`: nobody asked for it.
    mutating func popFirst() -> Entry? {
        guard let entry = entries.popFirst() else { return nil }
        byteCount -= entry.byteCount
        return entry
    }

    /// Takes out whom to tell that their time is over. Costs a pass over what is outstanding, once a time-out at most.
    /// - Parameter lastHeard: when Redis last sent anything.
    mutating func expire(now: NIODeadline, lastHeard: NIODeadline) -> Expiry {
        var expiry = Expiry()
        guard let oldest = entries.first else { return expiry }
        let silentFrom =
            max(lastHeard, oldest.sentAt) + .nanoseconds(oldest.timeout.nanoseconds * Self.silentTimeouts)
        expiry.isSilent = now >= silentFrom
        var next = max(silentFrom, now)
        for index in entries.indices where entries[index].done != nil {
            let deadline = entries[index].extendedDeadline(lastHeard: lastHeard)
            if deadline <= now {
                if let done = entries[index].done { expiry.overdue.append(done) }
                entries[index].done = nil
            } else if deadline < next {
                next = deadline
            }
        }
        expiry.next = next
        return expiry
    }

    /// Empties the queue; returns who still waits.
    mutating func drain() -> [Completion] {
        defer {
            entries.removeAll()
            byteCount = 0
        }
        return entries.compactMap(\.done)
    }
}

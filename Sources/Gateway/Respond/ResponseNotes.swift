package import Dialects

/// What the steps leave behind for the answer's own fields. Each step writes its part; `ReplyFieldsBuilder` reads them.
package struct ResponseNotes {
    package var requestID = RequestID.made(high: 0, low: 0)
    package var form = ErrorForm.problem
    /// Empty: the route has no limits.
    package var limits: [LimitNote] = []
    package var cacheStatus: CacheStatus?
    /// `Prefer: wait=` as it was honoured, seconds.
    package var preferredWait: Int?
    /// A cookie to set, whole.
    package var setCookie: String?

    package init() {}
}

/// One limit as `RateLimit-Policy` and `RateLimit` show it.
package struct LimitNote: Equatable {
    package var name: String
    package var burst: Int
    /// Whole seconds in which a full burst comes back.
    package var window: Int
    package var remaining: Int
    /// Seconds until `remaining` grows, rounded up.
    package var resetAfter: Int

    package init(name: String, burst: Int, window: Int, remaining: Int, resetAfter: Int) {
        self.name = name
        self.burst = burst
        self.window = window
        self.remaining = remaining
        self.resetAfter = resetAfter
    }

    /// As it stands once one call was given back. A full burst grows no more.
    package var afterRefund: LimitNote {
        var note = self
        note.remaining = min(burst, remaining + 1)
        if note.remaining == burst { note.resetAfter = 0 }
        return note
    }
}

/// RFC 9211, one member.
package enum CacheStatus: Equatable {
    case hit(ttl: Int)
    /// - Parameter stored: the answer will be kept, if it completes.
    case miss(stored: Bool)
    case collapsed
    case staleOnError(status: Int)
    case request
    case method
    case bypass
    case onlyIfCached
}

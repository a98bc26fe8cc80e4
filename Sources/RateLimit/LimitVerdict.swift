/// How one limit stands after a decision.
package struct LimitState: Equatable, Sendable {
    package var ruleIndex: Int
    /// How many calls would pass now: `r` of the RateLimit field.
    package var remaining: Int
    /// How long until `remaining` grows: `t`, rounded up to seconds. Zero: the burst is whole.
    package var resetAfter: Duration
    /// Set where this limit denied: who waits so long is let through unless others use the limit.
    package var retryAfter: Duration?
    /// A key shared with others was used: there are more identities than `maxKeys`.
    package var isShared: Bool

    package init(
        ruleIndex: Int,
        remaining: Int,
        resetAfter: Duration,
        retryAfter: Duration? = nil,
        isShared: Bool = false
    ) {
        self.ruleIndex = ruleIndex
        self.remaining = remaining
        self.resetAfter = resetAfter
        self.retryAfter = retryAfter
        self.isShared = isShared
    }
}

/// The decision on a request: all of its limits were charged, or none.
package struct LimitVerdict: Equatable, Sendable {
    /// Whose word it is.
    package enum Source: Equatable, Sendable {
        /// The store that all replicas share, or the only replica's own.
        case store
        /// A denial that the store gave before and that still holds.
        case memory
        /// This replica's own share, as the store is gone.
        case share
        /// Nobody's: limits let pass while the store is gone.
        case open
    }

    package var allowed: Bool
    /// In the order of the charges. From memory: only those that deny. Open: none.
    package var states: [LimitState]
    package var source: Source

    package init(allowed: Bool, states: [LimitState], source: Source = .store) {
        self.allowed = allowed
        self.states = states
        self.source = source
    }

    /// How long a denied caller has to wait: until the last of the limits that deny lets it through.
    package var retryAfter: Duration? { states.lazy.compactMap(\.retryAfter).max() }
}

extension Duration {
    /// Whole seconds, rounded up, as fields tell them.
    package var secondsRoundedUp: Int {
        let (seconds, attoseconds) = components
        return Int(seconds) + (attoseconds > 0 ? 1 : 0)
    }
}

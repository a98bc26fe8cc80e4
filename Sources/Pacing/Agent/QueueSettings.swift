/// What an upstream's queue is told once.
package struct QueueSettings: Sendable, Equatable {
    /// What a replica does while the store is out of reach.
    package enum LossPolicy: Sendable, Equatable {
        /// Goes on with its part of the quota.
        case local
        /// Refuses.
        case closed
    }

    /// The upstream's name; part of the keys.
    package var upstream: String
    /// How many may wait, over all replicas.
    package var maxWaiting: Int
    package var policy: LossPolicy

    package init(upstream: String, maxWaiting: Int = 10_000, policy: LossPolicy = .local) {
        self.upstream = upstream
        self.maxWaiting = maxWaiting
        self.policy = policy
    }
}

/// Counted since start.
package struct QueueCounters: Sendable, Equatable {
    package var entered = 0
    package var grants = 0
    package var handBacks = 0
    /// Grants that came too late to be used.
    package var stale = 0
    package var left = 0
    package var timedOut = 0
    package var queueFull = 0
    package var tooLong = 0
    package var unavailable = 0
    package var tooLarge = 0
    /// 429s of the upstream.
    package var refusals = 0
    /// Calls to the store, and those that failed.
    package var calls = 0
    package var failures = 0
    /// Times that pacing went local, that all waiters were entered again, that the store's clock jumped.
    package var losses = 0
    package var resyncs = 0
    package var jumps = 0

    mutating func count(_ reason: QueueRefusal.Reason) {
        switch reason {
        case .queueFull: queueFull += 1
        case .tooLong: tooLong += 1
        case .unavailable: unavailable += 1
        case .tooLargeForQuota: tooLarge += 1
        case .timedOut: timedOut += 1
        case .upstreamRefused: break
        }
    }
}

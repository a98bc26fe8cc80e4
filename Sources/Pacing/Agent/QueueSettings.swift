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
    /// As configured, by the name of the quota: what its buckets, one a model maybe, should be like.
    package var quotas: [BucketSpec]

    package init(
        upstream: String,
        maxWaiting: Int = 10_000,
        policy: LossPolicy = .local,
        quotas: [BucketSpec] = []
    ) {
        self.upstream = upstream
        self.maxWaiting = maxWaiting
        self.policy = policy
        self.quotas = quotas
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
    package var failuresByReason: [QueueFailure: Int] = [:]
    /// Times that pacing went local, that all waiters were entered again, that the store's clock jumped.
    package var losses = 0
    package var resyncs = 0
    package var jumps = 0

    mutating func count(_ error: QueueStoreError) {
        failuresByReason[QueueFailure(error), default: 0] += 1
    }

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

/// Why a call to the store failed, as operators tell failures apart.
package enum QueueFailure: String, Sendable, CaseIterable {
    case timedOut = "timed_out"
    case disconnected
    /// Redis is full, and evicts nothing.
    case outOfMemory = "out_of_memory"
    /// A replica that was a master, or a disk that is full.
    case readOnly = "read_only"
    /// Redis is still reading its data, lacks the replicas that it needs to write, or runs another script.
    case notReady = "not_ready"
    case other

    package init(_ error: QueueStoreError) {
        switch error {
        case .timedOut: self = .timedOut
        case .disconnected: self = .disconnected
        case .failed(let message):
            switch message.prefix(while: { $0 != " " }) {
            case "OOM": self = .outOfMemory
            case "READONLY", "MISCONF": self = .readOnly
            case "LOADING", "NOREPLICAS", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "BUSY": self = .notReady
            default: self = .other
            }
        }
    }
}

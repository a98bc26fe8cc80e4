package import NIOCore

/// One bucket of a quota, as the configuration has it.
package struct BucketSpec: Sendable, Hashable {
    /// Unique within the upstream: the quota's name, with `/model` behind it for scope model. The part behind the first
    /// `/` of a long one is its hash: callers choose models, and 256 sub-windows carry the name.
    package let name: String
    /// Where it counts while too many sets of buckets are known: the quota's name and `/*`. Nil: always by itself.
    package var overflow: String?
    /// Units a window, headroom taken off; ≥ 1.
    package var limit: Int
    package var per: Duration
    /// Units that an idle bucket lets go at once, 1…limit.
    package var burst: Int
    /// By how much the delay until arrival may vary.
    package var guardInterval: Duration
    /// A calendar window's next reset, from the store's epoch; nil: the window slides.
    package var reset: Duration?

    package init(
        name: String,
        limit: Int,
        per: Duration,
        burst: Int,
        guardInterval: Duration? = nil,
        reset: Duration? = nil,
        overflow: String? = nil
    ) {
        self.name = Self.storable(name)
        self.overflow = overflow
        self.limit = limit
        self.per = per
        self.burst = burst
        self.guardInterval = guardInterval ?? Self.guardInterval(for: per)
        self.reset = reset
    }

    private static func storable(_ name: String) -> String {
        guard name.utf8.count > 96 || name.utf8.contains(0) else { return name }
        let (quota, model) = BucketName.parts(of: name)
        // The model's alone: it is the same one in each quota.
        return model.map { "\(quota)/\(StorableName.hash($0))" } ?? StorableName.hash(name)
    }

    /// As the model was measured with: 20 ms up to a second, 50 ms at 5 s, 120 ms from a minute on.
    package static func guardInterval(for per: Duration) -> Duration {
        switch per {
        case ...Duration.seconds(1): .milliseconds(20)
        case ...Duration.seconds(5): .milliseconds(20) + (per - .seconds(1)) * 30 / 4000
        case ..<Duration.seconds(60): .milliseconds(50) + (per - .seconds(5)) * 70 / 55_000
        default: .milliseconds(120)
        }
    }

    var figures: BucketFigures {
        BucketFigures(
            name: name,
            limit: limit,
            per: per.micros,
            guardInterval: guardInterval.micros,
            burst: burst,
            reset: reset?.micros ?? 0
        )
    }
}

/// A request for a slot.
package struct QueueRequest: Sendable {
    package struct Cost: Sendable {
        package var bucket: BucketSpec
        /// Units of it that the call takes, ≥ 1.
        package var units: Int
        /// An estimate is clamped to the limit; a request count above it is refused.
        package var isEstimate: Bool

        package init(_ bucket: BucketSpec, units: Int = 1, isEstimate: Bool = false) {
            self.bucket = bucket
            self.units = units
            self.isEstimate = isEstimate
        }
    }

    /// All buckets that must have room; at least one.
    package var costs: [Cost]
    /// The client's name. All anonymous callers are one client.
    package var client: String
    /// Its share of a contended quota, ≥ 1.
    package var weight: Int
    /// The `fair_by` value; empty: none.
    package var user: String
    /// 0 is the most urgent, 7 the least.
    package var urgency: Int
    /// Until the slot must have come, from now. Nil: as long as it takes.
    package var patience: Duration?
    /// Send `.position` on entry and about once a second.
    package var wantsPosition: Bool
    /// How long after the grant the bytes may leave. Longer where a connection has to be made first; at most 2 s.
    package var allowance: Duration

    package init(
        costs: [Cost],
        client: String,
        weight: Int = 1,
        user: String = "",
        urgency: Int = 3,
        patience: Duration? = nil,
        wantsPosition: Bool = false,
        allowance: Duration = .milliseconds(20)
    ) {
        self.costs = costs
        self.client = client
        self.weight = weight
        self.user = user
        self.urgency = urgency
        self.patience = patience
        self.wantsPosition = wantsPosition
        self.allowance = allowance
    }
}

package enum QueueEvent: Sendable {
    case granted(Grant)
    case refused(QueueRefusal)
    /// About so many go before, for about so long.
    case position(Int, wait: Duration)
}

package struct QueueRefusal: Sendable, Equatable {
    package enum Reason: Sendable, Equatable {
        /// As many wait as may.
        case queueFull
        /// The expected wait is longer than the patience.
        case tooLong
        /// The store is out of reach and the policy, or never having reached it, leaves this replica no part.
        case unavailable
        /// The call takes more of that bucket than its whole quota.
        case tooLargeForQuota(bucket: String)
        /// It waited and its patience ran out.
        case timedOut
        /// The upstream's refusal holds longer than the patience, or taught a limit below the call: pass it on.
        case upstreamRefused
    }

    package var reason: Reason
    package var expectedWait: Duration
    /// After that a call of equal urgency gets in, if nobody else came meanwhile.
    package var retryAfter: Duration

    package init(reason: Reason, expectedWait: Duration = .zero, retryAfter: Duration = .seconds(1)) {
        self.reason = reason
        self.expectedWait = expectedWait
        self.retryAfter = retryAfter
    }
}

/// A slot, booked in all buckets of the call.
package struct Grant: Sendable {
    /// The last moment, by this process's monotonic clock, at which the call's first byte may leave. Later: hand it back.
    package let deadline: NIODeadline
    /// From entry to the grant.
    package let waited: Duration
    package let waiter: QueueWaiter
    let ticket: QueueTicket
    let stamp: GrantStamp
    /// Of the local pacing that granted it; 0: the store did.
    let localLife: Int
}

/// Names a waiter to its agent.
package struct WaiterID: Sendable, Hashable {
    package let value: Int

    package init(value: Int) { self.value = value }
}

extension Duration {
    /// Whole microseconds, rounded down.
    package var micros: Micros {
        let (seconds, attoseconds) = components
        return Micros(seconds) * 1_000_000 + Micros(attoseconds / 1_000_000_000_000)
    }
}

extension NIODeadline {
    package var micros: Micros { Micros(uptimeNanoseconds / 1000) }

    package init(micros: Micros) { self = .uptimeNanoseconds(UInt64(max(0, micros)) * 1000) }
}

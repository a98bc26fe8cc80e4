package import Dialects

/// What an upstream's 429 means for the queue: which buckets pause for how long, what their limits are, and whether the
/// call may wait on. Pure.
package struct RefusalLesson: Equatable {
    package struct Bucket: Equatable {
        package var named: RefusedBuckets.Named
        /// `nil`: one emission interval, doubling.
        package var hold: Duration?

        package var name: String { named.bucket }
    }

    /// A day's quota is tried again so often, in case that it was raised, or that its day ends elsewhere.
    private static let longestDayHold = Duration.seconds(3_600)
    /// What is sent so close to a reset counts on both of its sides.
    private static let resetMargin = Duration.seconds(2)

    /// Empty: none that is known here.
    package let buckets: [Bucket]
    /// Of all request buckets of the call, where none is named.
    package let hold: Duration?
    /// The call may wait for its next slot; else the 429 is its answer.
    package let requeue: Bool

    /// - Parameters:
    ///   - now: seconds since 1970.
    ///   - canRepeat: all of its body is kept.
    package init(
        _ refusal: UpstreamRefusal,
        charges: [QuotaCharge],
        plan: QuotaPlan,
        now: Int,
        canRepeat: Bool
    ) {
        let refused = RefusedBuckets(refusal, charges: charges, quotas: plan.quotas)
        var hasEnd = true
        buckets = refused.named.map { named in
            guard named.isPerDay else { return Bucket(named: named, hold: refusal.retryAfter) }
            guard let reset = plan.untilReset(of: named.quota, now: now) else {
                // Nobody knows when the upstream's day ends.
                hasEnd = false
                return Bucket(named: named, hold: refusal.retryAfter)
            }
            return Bucket(
                named: named,
                hold: max(refusal.retryAfter ?? .zero, min(reset + Self.resetMargin, Self.longestDayHold))
            )
        }
        // A pause would let callers wait for nothing but the same answer.
        hold = refused.isUnknownDay ? .zero : refusal.retryAfter
        requeue = canRepeat && hasEnd && !refused.isUnknownDay
    }
}

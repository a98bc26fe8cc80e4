package import Dialects
internal import Pacing

/// Which buckets of a call an upstream's 429 names, and the limits that it states for them: `quotaId` tells requests
/// from tokens and a minute from a day. Pure.
package struct RefusedBuckets: Equatable {
    package struct Named: Equatable {
        package let bucket: String
        /// Index into `QuotaPlan.quotas`.
        package let quota: Int
        /// What is left of the stated limit for callers through here; `nil`: none stated that bounds its window.
        package let limit: Int?
        /// As stated, for all who use the quota.
        package let stated: Int?
        /// It is spent until its day ends, whatever the answer says of seconds.
        package let isPerDay: Bool

        package init(bucket: String, quota: Int, limit: Int?, stated: Int?, isPerDay: Bool) {
            self.bucket = bucket
            self.quota = quota
            self.limit = limit
            self.stated = stated
            self.isPerDay = isPerDay
        }
    }

    /// Days first; empty: none that is known here.
    package let named: [Named]
    /// A day's quota is spent that no bucket of the call counts.
    package let isUnknownDay: Bool

    /// - Parameter charges: of the call, so that its own buckets are meant: those of its model and method.
    package init(_ refusal: UpstreamRefusal, charges: [QuotaCharge], quotas: [Configuration.Quota]) {
        var named: [Named] = []
        var isUnknownDay = false
        for violation in refusal.violations {
            let fitting = charges.filter { Self.fits(quotas[$0.quota], violation) }
            let best = fitting.min { left, right in
                Self.distance(quotas[left.quota], violation) < Self.distance(quotas[right.quota], violation)
            }
            guard let best else {
                if violation.isPerDay { isUnknownDay = true }
                continue
            }
            guard !named.contains(where: { $0.bucket == best.cost.bucket.name }) else { continue }
            // What a minute holds bounds what a second may, and says nothing of five minutes: such a bucket only pauses.
            let isBound = violation.window.map { quotas[best.quota].per <= $0 } ?? false
            let limit = violation.quotaValue.flatMap {
                $0 > 0 && isBound ? quotas[best.quota].withoutHeadroom($0) : nil
            }
            named.append(
                Named(
                    bucket: best.cost.bucket.name,
                    quota: best.quota,
                    limit: limit,
                    stated: limit == nil ? nil : violation.quotaValue,
                    isPerDay: violation.isPerDay
                )
            )
        }
        self.named = named.filter(\.isPerDay) + named.filter { !$0.isPerDay }
        self.isUnknownDay = isUnknownDay
    }

    private static func fits(_ quota: Configuration.Quota, _ violation: UpstreamRefusal.Violation) -> Bool {
        switch quota.unit {
        case .requests: if violation.countsTokens { return false }
        case .tokens(let count):
            if !violation.countsTokens { return false }
            if violation.quotaID.contains("OutputTokens"), count == .input { return false }
            if violation.quotaID.contains("InputTokens"), count == .output { return false }
        }
        guard let window = violation.window else { return false }
        return (quota.per >= .seconds(86_400)) == (window >= .seconds(86_400))
    }

    /// Of several that fit: the nearest window, then the bucket of a model where the answer names one.
    private static func distance(_ quota: Configuration.Quota, _ violation: UpstreamRefusal.Violation) -> Double {
        let window = violation.window ?? .seconds(60)
        let ratio = quota.per / window
        let other = (quota.scope == .model) == (violation.model != nil) ? 0 : 0.01
        return max(ratio, 1 / ratio) + other
    }
}

extension UpstreamRefusal.Violation {
    fileprivate var window: Duration? {
        if isPerDay { return .seconds(86_400) }
        if isPerMinute { return .seconds(60) }
        if quotaID.contains("PerSecond") { return .seconds(1) }
        return quotaID.contains("PerHour") ? .seconds(3_600) : nil
    }
}

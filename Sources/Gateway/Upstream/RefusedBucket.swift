internal import Dialects
internal import Pacing

/// Which bucket of a call an upstream's 429 names, and the limit that it states for it: `quotaId` tells minute from
/// day. Pure.
struct RefusedBucket: Equatable {
    /// `nil`: none that is known here; all of the call are meant.
    let bucket: String?
    /// `nil`: none stated, or stated for a bucket that is not known here.
    let limit: Int?

    init(_ refusal: UpstreamRefusal, costs: [QueueRequest.Cost]) {
        for violation in refusal.violations where !violation.countsTokens {
            let matches = costs.first { cost in
                if violation.isPerDay { return cost.bucket.per >= .seconds(86_400) }
                if violation.isPerMinute { return cost.bucket.per < .seconds(3_600) }
                return false
            }
            if let matches {
                bucket = matches.bucket.name
                limit = violation.quotaValue
                return
            }
        }
        bucket = nil
        limit = nil
    }
}

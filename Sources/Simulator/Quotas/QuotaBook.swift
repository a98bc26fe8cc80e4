internal import Synchronization

/// Holds a sliding window for each quota and model, and decides at arrival time.
package final class QuotaBook: Sendable {
    private let buckets = Mutex<[Bucket: SlidingWindow]>([:])

    package init() {}

    /// Decides a call that arrived at `instant`: it passes if it fits all its quotas.
    /// - Parameter instant: the monotonic clock.
    /// - Returns: the quotas it does not fit; empty: it passed.
    package func charge(_ demand: Demand, at instant: Duration, rules: QuotaRules) -> [Violation] {
        buckets.withLock { buckets in
            var violations: [Violation] = []
            var weights: [(bucket: Bucket, weight: Int)] = []
            for quota in Quota.allCases {
                guard let weight = demand.weight(in: quota), rules.watches(quota) else { continue }
                let bucket = Self.bucket(quota, demand.model, among: buckets)
                let limit = rules.limits[quota] ?? .max
                let length = rules.length(of: quota)
                var window = buckets[bucket] ?? SlidingWindow(limit: limit, length: length)
                window.limit = limit
                window.length = length
                if !window.fits(weight, at: instant) {
                    let wait = window.wait(for: weight, at: instant) ?? length
                    violations.append(Violation(quota: quota, limit: limit, wait: wait))
                }
                buckets[bucket] = window
                weights.append((bucket, weight))
            }
            if violations.isEmpty || rules.countsRefused {
                for (bucket, weight) in weights { buckets[bucket]?.record(weight, at: instant) }
            }
            return violations
        }
    }

    /// What each bucket holds now and held at most in any window.
    package func usage(at instant: Duration) -> [BucketUsage] {
        buckets.withLock { buckets in
            buckets.map { bucket, window in
                BucketUsage(
                    quota: bucket.quota.rawValue,
                    model: bucket.model,
                    limit: window.limit == .max ? nil : window.limit,
                    window: window.length.text,
                    used: window.sum(at: instant),
                    largest: window.peak
                )
            }
        }
        .sorted { ($0.quota, $0.model) < ($1.quota, $1.model) }
    }

    /// Forgets every arrival.
    package func reset() {
        buckets.withLock { $0.removeAll() }
    }

    private struct Bucket: Hashable {
        let quota: Quota
        let model: String
    }

    /// Callers choose model names, so the number of buckets must have an end: later names share one.
    private static let maximumBuckets = 10_000

    private static func bucket(_ quota: Quota, _ model: String, among known: [Bucket: SlidingWindow]) -> Bucket {
        let bucket = Bucket(quota: quota, model: model)
        return known.count < maximumBuckets || known[bucket] != nil ? bucket : Bucket(quota: quota, model: "*")
    }
}

/// A bucket's line in `GET /simulator/stats`.
package struct BucketUsage: Encodable, Sendable, Equatable {
    package let quota: String
    package let model: String
    package let limit: Int?
    package let window: String
    package let used: Int
    /// The largest sum that any window held, refused arrivals included where they count.
    package let largest: Int
}

/// Which quotas are enforced.
package struct QuotaRules: Sendable, Equatable {
    /// A quota without a limit is only watched, the daily one not even that: it would have to keep a day's arrivals.
    package var limits: [Quota: Int] = [:]
    /// The window of the quotas named after a minute.
    package var window = Duration.seconds(60)
    /// The window of the quotas named after a day.
    package var day = Duration.seconds(86_400)
    /// Whether a refused arrival takes room in the windows.
    package var countsRefused = true

    package init() {}

    func watches(_ quota: Quota) -> Bool {
        quota != .requestsPerDay || limits[quota] != nil
    }

    func length(of quota: Quota) -> Duration {
        quota == .requestsPerDay ? day : window
    }
}

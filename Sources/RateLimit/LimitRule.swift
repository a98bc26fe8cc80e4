/// A limit as configured: so many calls in a window, so many at once.
package struct LimitRule: Sendable, Equatable {
    package let name: String
    /// Calls in a window.
    package let count: Int
    package let window: Duration
    /// How many may come at once.
    package let burst: Int
    /// Above so many identities with a key, over all replicas, new ones share keys.
    package let maxKeys: Int

    /// The longest time in which a burst may come back: sums with the time of day stay whole in Lua's numbers.
    package static let longestFullBurst = Duration.seconds(100 * 365 * 86_400)

    /// - Parameter count: at least 1.
    /// - Parameter window: at least a microsecond; what is below one is cut off.
    /// - Parameter burst: at least 1; `burst × window ÷ count` at most `longestFullBurst`.
    /// - Parameter maxKeys: at least 1.
    package init(name: String, count: Int, window: Duration, burst: Int, maxKeys: Int = 1_000_000) {
        precondition(count >= 1 && burst >= 1 && maxKeys >= 1 && window >= .microseconds(1))
        self.name = name
        self.count = count
        self.window = window
        self.burst = burst
        self.maxKeys = maxKeys
        precondition(pace().fullBurstMicros <= Self.longestFullBurst.wholeMicroseconds)
    }

    /// Whole seconds in which a full burst comes back: `w` of RateLimit-Policy.
    package var fullBurstSeconds: Int { (pace().fullBurstMicros + 999_999) / 1_000_000 }

    /// The rule as arithmetic.
    /// - Parameter replicas: each has an equal part of rate and burst, of the burst at least 1.
    package func pace(replicas: Int = 1) -> LimitPace {
        LimitPace(
            count: count,
            windowMicros: window.wholeMicroseconds * max(1, replicas),
            burst: max(1, burst / max(1, replicas))
        )
    }
}

extension Duration {
    /// Rounded down.
    var wholeMicroseconds: Int {
        let (seconds, attoseconds) = components
        return Int(seconds) * 1_000_000 + Int(attoseconds / 1_000_000_000_000)
    }
}

internal import NIOCore

extension TimeAmount {
    /// Rounded up, at least 1: a `Retry-After` of 0 would be no wait.
    var wholeSecondsUp: Int { max(1, Int((nanoseconds + 999_999_999) / 1_000_000_000)) }

    /// Rounded down, below zero too: `Age` and `ttl` of RFC 9211.
    var wholeSecondsDown: Int { Int((Double(nanoseconds) / 1_000_000_000).rounded(.down)) }
}

internal import CurlClient
internal import HTTPWire
package import NIOCore

/// Which failures of an upstream are tried again, and after how long.
package struct RetryPolicy {
    package enum Failure: Equatable {
        /// No connection; no byte of the request was sent.
        case unreachable
        /// The connection broke, or nothing came in time, after bytes were sent.
        case broken
        case status(Int)
    }

    private let attempts: Int
    private let isIdempotent: Bool

    /// - Parameters:
    ///   - retries: how often a call is tried again at most.
    ///   - isIdempotent: GET, HEAD, PUT or DELETE, or the caller sent an Idempotency-Key.
    package init(retries: Int, isIdempotent: Bool) {
        self.attempts = retries
        self.isIdempotent = isIdempotent
    }

    /// Whether the failure may be tried again after so many tries before it.
    package func allows(_ failure: Failure, after tries: Int) -> Bool {
        guard tries < attempts else { return false }
        switch failure {
        case .unreachable, .status(503): return true
        case .broken, .status(502), .status(504): return isIdempotent
        case .status: return false
        }
    }

    /// What the upstream asked for; else 0.5 s · 2ⁿ ± 25 %.
    package static func pause(
        after tries: Int,
        asked: TimeAmount?,
        random: inout some RandomNumberGenerator
    ) -> TimeAmount {
        if let asked { return asked }
        let base = 500_000_000.0 * Double(1 << min(tries, 10))
        return .nanoseconds(Int64(base * Double.random(in: 0.75...1.25, using: &random)))
    }
}

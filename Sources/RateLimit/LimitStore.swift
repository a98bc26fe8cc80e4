package import RedisClient

/// Decides whether a request may pass. Implemented over Redis and in the process.
package protocol LimitStore: AnyObject {
    typealias Completion = (Result<LimitVerdict, LimitError>) -> Void

    var rules: [LimitRule] { get }

    /// Charges all or none.
    /// - Parameter now: microseconds on any clock, for tests; `nil`: the store's own clock.
    /// - Parameter done: called once, on the caller's loop, maybe before this returns.
    func charge(_ charges: [LimitCharge], at now: Int?, _ done: @escaping Completion)

    /// Gives back what `verdict` charged. Nothing is told; a refund that gets lost frees itself with time.
    func refund(_ charges: [LimitCharge], _ verdict: LimitVerdict, at now: Int?)
}

extension LimitStore {
    package func charge(_ charges: [LimitCharge], _ done: @escaping Completion) { charge(charges, at: nil, done) }

    package func refund(_ charges: [LimitCharge], _ verdict: LimitVerdict) { refund(charges, verdict, at: nil) }
}

/// Why there is no verdict.
package enum LimitError: Error, Equatable {
    /// Redis did not decide in time, or refused.
    case unavailable(RedisError)
}

extension LimitPace {
    /// How a limit stands.
    func state(
        ruleIndex: Int,
        arrival: TheoreticalArrival,
        now: Int,
        isDenied: Bool,
        isShared: Bool
    ) -> LimitState {
        let (remaining, micros) = outlook(arrival, now: now)
        let wait = Duration.microseconds(micros)
        return LimitState(
            ruleIndex: ruleIndex,
            remaining: remaining,
            resetAfter: wait,
            retryAfter: isDenied ? wait : nil,
            isShared: isShared
        )
    }
}

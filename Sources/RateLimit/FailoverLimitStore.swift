/// Asks Redis, and does what the configuration's `on_failure` says while Redis does not answer. Each call asks Redis
/// first, so it is back as soon as Redis is.
///
/// One event loop owns it; the share belongs to the whole process.
package final class FailoverLimitStore: LimitStore {
    /// What decides while Redis is gone.
    package enum Policy: Equatable, Sendable {
        /// This replica's equal part of each rate and burst.
        case local
        /// Nobody: calls pass.
        case open
        /// Nobody: calls fail.
        case closed
    }

    /// Decisions without Redis since the start.
    package private(set) var failures = 0
    package var rules: [LimitRule] { primary.rules }

    private let primary: any LimitStore
    private let policy: Policy
    private let share: EmbeddedLimitStore
    private let replicas: () -> Int

    /// - Parameter share: one a process, over the same rules.
    /// - Parameter replicas: how many there were when last heard of; below 1 counts as 1.
    package init(
        primary: any LimitStore,
        policy: Policy,
        share: EmbeddedLimitStore,
        replicas: @escaping () -> Int
    ) {
        self.primary = primary
        self.policy = policy
        self.share = share
        self.replicas = replicas
    }

    package func charge(_ charges: [LimitCharge], at now: Int?, _ done: @escaping Completion) {
        primary.charge(charges, at: now) { result in
            guard case .failure(let error) = result else { return done(result) }
            done(self.decide(charges, at: now, after: error))
        }
    }

    package func refund(_ charges: [LimitCharge], _ verdict: LimitVerdict, at now: Int?) {
        switch verdict.source {
        case .store, .memory: primary.refund(charges, verdict, at: now)
        case .share: share.giveBack(charges, verdict, replicas: replicas(), at: now)
        case .open: break
        }
    }

    private func decide(
        _ charges: [LimitCharge],
        at now: Int?,
        after error: LimitError
    ) -> Result<LimitVerdict, LimitError> {
        failures += 1
        switch policy {
        case .local:
            var verdict = share.decide(charges, replicas: replicas(), at: now)
            verdict.source = .share
            return .success(verdict)
        case .open: return .success(LimitVerdict(allowed: true, states: [], source: .open))
        case .closed: return .failure(error)
        }
    }
}

package import NIOCore
internal import Synchronization

/// A circuit breaker: opens after so many failures in a window, then lets one trial call through at a time.
///
/// One an upstream and replica, shared by the loops. The usual case, closed, costs one relaxed atomic load.
/// Failures are connect errors, time-outs, 500, 502, 503 and 504; never 429.
package final class Breaker: Sendable {
    package enum State: String, Sendable { case closed, open, halfOpen = "half-open" }

    /// What a call that asks may do.
    package enum Permission: Equatable {
        case go
        /// Goes as the trial; its outcome decides.
        case trial
        case refused(retryAfter: TimeAmount)
    }

    private struct Record {
        var failures: [NIODeadline] = []
        var openUntil: NIODeadline?
        var trialUntil: NIODeadline?
    }

    private let settings: Configuration.Breaker
    private let isClosed = Atomic<Bool>(true)
    private let record = Mutex(Record())
    /// A trial that tells nothing for so long no longer blocks the next.
    private static let trialPatience = TimeAmount.seconds(30)

    package init(settings: Configuration.Breaker) {
        self.settings = settings
    }

    package func ask(now: NIODeadline) -> Permission {
        if isClosed.load(ordering: .relaxed) { return .go }
        return record.withLock { record in
            guard let openUntil = record.openUntil else { return .go }
            if now < openUntil { return .refused(retryAfter: openUntil - now) }
            if let trialUntil = record.trialUntil, now < trialUntil {
                return .refused(retryAfter: min(trialUntil - now, TimeAmount(settings.openFor)))
            }
            record.trialUntil = now + Self.trialPatience
            return .trial
        }
    }

    /// Whether a call would be refused now; takes no trial.
    package func refusal(now: NIODeadline) -> TimeAmount? {
        if isClosed.load(ordering: .relaxed) { return nil }
        return record.withLock { record in
            guard let openUntil = record.openUntil, now < openUntil else { return nil }
            return openUntil - now
        }
    }

    /// - Parameter isTrial: the call went as the trial; any older call says nothing of an upstream that was left alone.
    /// - Returns: the state that this outcome led to, where it changed.
    @discardableResult
    package func succeeded(isTrial: Bool) -> State? {
        if !isTrial || isClosed.load(ordering: .relaxed) { return nil }
        return record.withLock { record in
            guard record.trialUntil != nil else { return nil }
            record = Record()
            isClosed.store(true, ordering: .relaxed)
            return .closed
        }
    }

    /// - Returns: the state that this outcome led to, where it changed.
    @discardableResult
    package func failed(isTrial: Bool = false, now: NIODeadline) -> State? {
        record.withLock { record in
            if record.openUntil != nil {
                guard isTrial, record.trialUntil != nil else { return nil }
                record.trialUntil = nil
                record.openUntil = now + TimeAmount(settings.openFor)
                return .open
            }
            let window = TimeAmount(settings.window)
            record.failures.removeAll { $0 + window < now }
            record.failures.append(now)
            guard record.failures.count >= settings.failures else { return nil }
            record.failures = []
            record.openUntil = now + TimeAmount(settings.openFor)
            isClosed.store(false, ordering: .relaxed)
            return .open
        }
    }

    /// The trial call ended without telling anything about the upstream (its caller left, say).
    package func trialUndecided() {
        record.withLock { $0.trialUntil = nil }
    }

    package func state(now: NIODeadline) -> State {
        if isClosed.load(ordering: .relaxed) { return .closed }
        return record.withLock { record in
            guard let openUntil = record.openUntil else { return .closed }
            return now < openUntil ? .open : .halfOpen
        }
    }
}

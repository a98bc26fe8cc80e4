internal import NIOCore
internal import Synchronization

/// Limits of one process: `charge_limits.lua` in Swift, on a monotonic clock. Any loop may call it.
///
/// Bounded: `maxKeys` buckets a rule, and 65,536 shared ones.
package final class EmbeddedLimitStore: LimitStore, Sendable {
    package let rules: [LimitRule]
    private let paces: [LimitPace]
    private let keys: Mutex<[LiveKeys]>

    package init(rules: [LimitRule]) {
        self.rules = rules
        paces = rules.map { $0.pace() }
        keys = Mutex(rules.map { _ in LiveKeys() })
    }

    package func charge(_ charges: [LimitCharge], at now: Int?, _ done: @escaping Completion) {
        done(.success(decide(charges, at: now)))
    }

    package func refund(_ charges: [LimitCharge], _ verdict: LimitVerdict, at now: Int?) {
        giveBack(charges, verdict, at: now)
    }

    /// The decision itself, at once.
    /// - Parameter replicas: this process has an equal part of rates and bursts, of a burst at least 1.
    package func decide(_ charges: [LimitCharge], replicas: Int = 1, at now: Int? = nil) -> LimitVerdict {
        let now = now ?? Self.clock()
        let paces = charges.map { pace($0.ruleIndex, replicas) }
        return keys.withLock { keys in
            var found: [(place: LiveKeys.Place, arrival: TheoreticalArrival, passes: Bool)] = []
            found.reserveCapacity(charges.count)
            for (charge, pace) in zip(charges, paces) {
                let maximum = rules[charge.ruleIndex].maxKeys
                let place = keys[charge.ruleIndex].place(of: charge.identity, maximum: maximum, now: now)
                let stored = keys[charge.ruleIndex].arrival(charge.identity, place)
                let arrival = pace.current(stored, now: now)
                // The clock was set back: from here on the new one counts.
                if let stored, stored.micros > arrival.micros {
                    keys[charge.ruleIndex].store(arrival, charge.identity, place)
                }
                found.append((place, arrival, pace.passes(arrival, now: now)))
            }
            let allowed = found.allSatisfy(\.passes)
            var states: [LimitState] = []
            states.reserveCapacity(charges.count)
            for (position, charge) in charges.enumerated() {
                var (place, arrival, passes) = found[position]
                if allowed {
                    arrival = paces[position].charged(arrival)
                    keys[charge.ruleIndex].store(arrival, charge.identity, place)
                }
                states.append(
                    paces[position].state(
                        ruleIndex: charge.ruleIndex,
                        arrival: arrival,
                        now: now,
                        isDenied: !passes,
                        isShared: place == .shared
                    )
                )
            }
            return LimitVerdict(allowed: allowed, states: states)
        }
    }

    /// - Parameter replicas: as in the decision.
    package func giveBack(
        _ charges: [LimitCharge],
        _ verdict: LimitVerdict,
        replicas: Int = 1,
        at now: Int? = nil
    ) {
        guard verdict.allowed else { return }
        let now = now ?? Self.clock()
        keys.withLock { keys in
            for (charge, state) in zip(charges, verdict.states) {
                let place = state.isShared ? LiveKeys.Place.shared : .own(isNew: false)
                // Behind the time it is whole already.
                guard let arrival = keys[charge.ruleIndex].arrival(charge.identity, place), arrival.micros >= now
                else { continue }
                let refunded = pace(charge.ruleIndex, replicas).refunded(arrival)
                if refunded.micros < now {
                    keys[charge.ruleIndex].remove(charge.identity, place)
                } else {
                    keys[charge.ruleIndex].store(refunded, charge.identity, place)
                }
            }
        }
    }

    private func pace(_ ruleIndex: Int, _ replicas: Int) -> LimitPace {
        replicas <= 1 ? paces[ruleIndex] : rules[ruleIndex].pace(replicas: replicas)
    }

    private static func clock() -> Int { Int(NIODeadline.now().uptimeNanoseconds / 1000) }
}

internal import RedisClient

/// What `charge_limits.lua` answered about some charges of a request.
struct ChargeReading {
    let allowed: Bool
    /// Microseconds on the clock of the Redis that decided.
    let now: Int
    /// In the order of the charges.
    var arrivals: [(arrival: TheoreticalArrival, isShared: Bool)] = []

    /// - Returns: `nil` where this is no answer of the script.
    init?(_ reply: RedisReply, count: Int) {
        guard case .array(let fields) = reply, fields.count == 2 + 3 * count, let allowed = fields[0].integer,
            let now = fields[1].integer
        else { return nil }
        self.allowed = allowed == 1
        self.now = now
        arrivals.reserveCapacity(count)
        for position in 0..<count {
            guard let micros = fields[3 * position + 2].integer, let fraction = fields[3 * position + 3].integer,
                let shared = fields[3 * position + 4].integer
            else { return nil }
            arrivals.append((TheoreticalArrival(micros: micros, fraction: fraction), shared == 1))
        }
    }

    /// How the limit at `position` stands.
    /// - Parameter isTakenBack: it was charged, and is refunded as another limit of the request denied.
    func state(_ position: Int, ruleIndex: Int, pace: LimitPace, isTakenBack: Bool = false) -> LimitState {
        var (arrival, isShared) = arrivals[position]
        if isTakenBack { arrival = pace.current(pace.refunded(arrival), now: now) }
        return pace.state(
            ruleIndex: ruleIndex,
            arrival: arrival,
            now: now,
            isDenied: !allowed && !pace.passes(arrival, now: now),
            isShared: isShared
        )
    }
}

/// The charges of one request that lie in several slots: a script a slot, sent together. One that denies has the others
/// refunded in the next flight; one that fails too. Pure but for its completion.
final class SpreadCharge {
    /// Positions in the request's charges, by slot.
    let groups: [[Int]]
    private var results: [Result<ChargeReading, LimitError>?]
    private var missing: Int

    init(groups: [[Int]]) {
        self.groups = groups
        results = Array(repeating: nil, count: groups.count)
        missing = groups.count
    }

    enum Outcome {
        case waiting
        case decided([ChargeReading], isAllowed: Bool)
        case failed(LimitError)
    }

    /// - Returns: `.waiting` until the last group has its answer.
    func take(_ result: Result<ChargeReading, LimitError>, for group: Int) -> Outcome {
        results[group] = result
        missing -= 1
        guard missing == 0 else { return .waiting }
        var readings: [ChargeReading] = []
        for case .some(let result) in results {
            switch result {
            case .success(let reading): readings.append(reading)
            case .failure(let error): return .failed(error)
            }
        }
        return .decided(readings, isAllowed: readings.allSatisfy(\.allowed))
    }

    /// Groups that were charged, with what they were told; of use when the request as a whole does not pass.
    var charged: [(group: [Int], reading: ChargeReading)] {
        zip(groups, results).compactMap { group, result in
            guard case .success(let reading) = result, reading.allowed else { return nil }
            return (group, reading)
        }
    }
}

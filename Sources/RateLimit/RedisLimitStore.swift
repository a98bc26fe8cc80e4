internal import Hashing
package import NIOCore
package import RedisClient

/// Limits that all replicas share: one script call decides all of a request, on Redis's clock; on a cluster one a slot.
///
/// Where a request's limits lie in several slots, one that denies has the others refunded a flight later. So when two of them run
/// out in the same moment a call may be denied that one script would have let pass; never the other way. For another second,
/// where the denial is remembered.
///
/// One event loop owns it, over its connection; the denial memory may be shared by the loops.
package final class RedisLimitStore: LimitStore {
    /// What of a rule never changes from call to call.
    private struct PreparedRule {
        let pace: LimitPace
        let keys: LimitKeyspace
        let arguments: [RedisArgument]
        let refundArguments: [RedisArgument]
    }

    private static let chargeScript = RedisScript(
        name: "charge_limits",
        source: PackageResources.charge_limits_lua
    )
    private static let refundScript = RedisScript(
        name: "refund_limits",
        source: PackageResources.refund_limits_lua
    )

    package let rules: [LimitRule]
    private let prepared: [PreparedRule]
    private let connection: RedisConnection
    private let timeout: TimeAmount
    private let memory: DenialMemory
    /// How long a denial is remembered at most. What denied may have been charged for a moment only, by a request that another
    /// slot's limit denied: its refund is seen by whoever asks, and by nobody who remembers.
    private let longestMemoryMicros: Int

    /// - Parameters:
    ///   - prefix: of all keys.
    ///   - timeout: of a decision.
    package init(
        connection: RedisConnection,
        rules: [LimitRule],
        prefix: String,
        timeout: TimeAmount,
        memory: DenialMemory = DenialMemory()
    ) {
        self.connection = connection
        self.rules = rules
        self.timeout = timeout
        self.memory = memory
        longestMemoryMicros = connection.isCluster && rules.count > 1 ? 1_000_000 : .max
        prepared = rules.map { rule in
            let pace = rule.pace()
            let interval: [RedisArgument] = [
                .integer(pace.interval.micros), .integer(pace.interval.fraction), .integer(pace.count),
            ]
            let keys = LimitKeyspace(rule: rule, prefix: prefix, isCluster: connection.isCluster)
            return PreparedRule(
                pace: pace,
                keys: keys,
                arguments: interval + [
                    .integer(pace.tolerance.micros), .integer(pace.tolerance.fraction),
                    .integer(pace.fullBurstMicros), .integer(keys.maximumKeys),
                ],
                refundArguments: interval
            )
        }
    }

    /// A denial that holds without asking Redis; `nil`: `charge`. Costs no Redis call.
    package func rememberedDenial(for charges: [LimitCharge], at now: Int? = nil) -> LimitVerdict? {
        let now = now ?? Self.clock()
        var states: [LimitState] = []
        for charge in charges {
            if let micros = memory.wait(for: charge, now: now) { states.append(Self.denial(charge, micros)) }
        }
        return states.isEmpty ? nil : LimitVerdict(allowed: false, states: states, source: .memory)
    }

    package func charge(_ charges: [LimitCharge], at now: Int?, _ done: @escaping Completion) {
        guard !charges.isEmpty else { return done(.success(LimitVerdict(allowed: true, states: []))) }
        if let verdict = rememberedDenial(for: charges, at: now) ?? claim(charges, at: now ?? Self.clock()) {
            return done(.success(verdict))
        }
        guard let groups = slotGroups(charges) else {
            return ask(charges, at: now) { result in
                self.conclude(charges, result.map { self.verdict($0, charges) }, now: now, done)
            }
        }
        let spread = SpreadCharge(groups: groups)
        for (number, group) in groups.enumerated() {
            ask(group.map { charges[$0] }, at: now) { result in
                self.take(spread.take(result, for: number), of: spread, charges, at: now, done)
            }
        }
    }

    package func refund(_ charges: [LimitCharge], _ verdict: LimitVerdict, at now: Int?) {
        guard verdict.allowed, verdict.source == .store, !charges.isEmpty else { return }
        let isShared = verdict.states.map(\.isShared)
        for group in slotGroups(charges) ?? [Array(charges.indices)] {
            giveBack(group.map { charges[$0] }, isShared: group.map { isShared[$0] }, at: now)
        }
    }

    /// Positions by slot; `nil`: all lie together.
    private func slotGroups(_ charges: [LimitCharge]) -> [[Int]]? {
        guard connection.isCluster, charges.count > 1 else { return nil }
        let slots = charges.map { prepared[$0.ruleIndex].keys.part(of: $0.identity).slot }
        guard slots.contains(where: { $0 != slots[0] }) else { return nil }
        return Dictionary(grouping: slots.indices) { slots[$0] }.values.sorted { $0[0] < $1[0] }
    }

    private func ask(
        _ charges: [LimitCharge],
        at now: Int?,
        _ done: @escaping (Result<ChargeReading, LimitError>) -> Void
    ) {
        var keys: [RedisArgument] = []
        keys.reserveCapacity(2 * charges.count)
        var arguments: [RedisArgument] = []
        arguments.reserveCapacity(1 + 7 * charges.count)
        arguments.append(now.map { .integer($0) } ?? "")
        for charge in charges {
            let rule = prepared[charge.ruleIndex]
            keys.append(.bytes(rule.keys.key(of: charge.identity)))
            keys.append(rule.keys.part(of: charge.identity).index)
            arguments.append(contentsOf: rule.arguments)
        }
        connection.eval(Self.chargeScript, keyArguments: keys, arguments: arguments, timeout: timeout) { result in
            switch result {
            case .failure(let error): done(.failure(.unavailable(error)))
            case .success(let reply):
                let reading = ChargeReading(reply, count: charges.count)
                done(reading.map { .success($0) } ?? .failure(.unavailable(.malformedReply)))
            }
        }
    }

    private func giveBack(_ charges: [LimitCharge], isShared: [Bool], at now: Int?) {
        var keys: [RedisArgument] = []
        var arguments: [RedisArgument] = [now.map { .integer($0) } ?? ""]
        for (charge, isShared) in zip(charges, isShared) {
            let rule = prepared[charge.ruleIndex]
            let identity = charge.identity
            keys.append(.bytes(isShared ? rule.keys.sharedKey(of: identity) : rule.keys.key(of: identity)))
            arguments.append(contentsOf: rule.refundArguments)
            memory.forget(charge)
        }
        // A refund that is lost is used up by time: the caller's burst is whole again by then.
        connection.eval(Self.refundScript, keyArguments: keys, arguments: arguments, timeout: timeout) { _ in }
    }

    private func take(
        _ outcome: SpreadCharge.Outcome,
        of spread: SpreadCharge,
        _ charges: [LimitCharge],
        at now: Int?,
        _ done: @escaping Completion
    ) {
        if case .waiting = outcome { return }
        var isAllowed = false
        if case .decided(_, true) = outcome { isAllowed = true }
        if !isAllowed {
            for (group, reading) in spread.charged {
                giveBack(group.map { charges[$0] }, isShared: reading.arrivals.map(\.isShared), at: now)
            }
        }
        switch outcome {
        case .waiting: break
        case .failed(let error): conclude(charges, .failure(error), now: now, done)
        case .decided(let readings, let isAllowed):
            var states: [(position: Int, state: LimitState)] = []
            for (group, reading) in zip(spread.groups, readings) {
                for (index, position) in group.enumerated() {
                    let ruleIndex = charges[position].ruleIndex
                    let state = reading.state(
                        index,
                        ruleIndex: ruleIndex,
                        pace: prepared[ruleIndex].pace,
                        isTakenBack: reading.allowed && !isAllowed
                    )
                    states.append((position, state))
                }
            }
            let ordered = states.sorted { $0.position < $1.position }.map(\.state)
            conclude(charges, .success(LimitVerdict(allowed: isAllowed, states: ordered)), now: now, done)
        }
    }

    private func conclude(
        _ charges: [LimitCharge],
        _ result: Result<LimitVerdict, LimitError>,
        now: Int?,
        _ done: Completion
    ) {
        remember(charges, result, now: now ?? Self.clock())
        done(result)
    }

    /// The right to ask about each charge, or a denial where another call is asking.
    private func claim(_ charges: [LimitCharge], at now: Int) -> LimitVerdict? {
        for (position, charge) in charges.enumerated() {
            guard let micros = memory.claim(charge, now: now) else { continue }
            for claimed in charges[..<position] { memory.forget(claimed) }
            return LimitVerdict(allowed: false, states: [Self.denial(charge, micros)], source: .memory)
        }
        return nil
    }

    /// What has nothing left denies until it grows, whether this call passed or not.
    private func remember(_ charges: [LimitCharge], _ result: Result<LimitVerdict, LimitError>, now: Int) {
        guard case .success(let verdict) = result else {
            for charge in charges { memory.forget(charge) }
            return
        }
        for (charge, state) in zip(charges, verdict.states) {
            if state.remaining == 0 {
                let wait = state.resetAfter.wholeMicroseconds
                memory.remember(
                    charge,
                    until: now + wait,
                    heldUntil: now + min(wait, longestMemoryMicros),
                    intervalMicros: prepared[charge.ruleIndex].pace.intervalMicros
                )
            } else {
                memory.forget(charge)
            }
        }
    }

    private func verdict(_ reading: ChargeReading, _ charges: [LimitCharge]) -> LimitVerdict {
        let states = charges.enumerated().map { position, charge in
            reading.state(position, ruleIndex: charge.ruleIndex, pace: prepared[charge.ruleIndex].pace)
        }
        return LimitVerdict(allowed: reading.allowed, states: states)
    }

    private static func denial(_ charge: LimitCharge, _ micros: Int) -> LimitState {
        let wait = Duration.microseconds(micros)
        return LimitState(ruleIndex: charge.ruleIndex, remaining: 0, resetAfter: wait, retryAfter: wait)
    }

    /// For denials; decisions go by Redis's.
    private static func clock() -> Int { Int(NIODeadline.now().uptimeNanoseconds / 1000) }
}

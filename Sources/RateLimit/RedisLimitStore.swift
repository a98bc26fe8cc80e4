internal import Hashing
package import NIOCore
package import RedisClient

/// Limits that all replicas share: one script call decides all of a request, on Redis's clock.
///
/// One event loop owns it, over its connection; the denial memory may be shared by the loops.
package final class RedisLimitStore: LimitStore {
    /// What of a rule never changes from call to call.
    private struct PreparedRule {
        let pace: LimitPace
        let keyPrefix: [UInt8]
        let index: RedisArgument
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

    /// - Parameter prefix: of all keys.
    /// - Parameter timeout: of a decision.
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
        prepared = rules.map { rule in
            let pace = rule.pace()
            let interval: [RedisArgument] = [
                .integer(pace.interval.micros), .integer(pace.interval.fraction), .integer(pace.count),
            ]
            return PreparedRule(
                pace: pace,
                keyPrefix: Array("\(prefix):l1:\(rule.name):".utf8),
                index: .bytes(Array("\(prefix):l1-keys:\(rule.name)".utf8)),
                arguments: interval + [
                    .integer(pace.tolerance.micros), .integer(pace.tolerance.fraction),
                    .integer(pace.fullBurstMicros), .integer(rule.maxKeys),
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
        var keys: [RedisArgument] = []
        keys.reserveCapacity(2 * charges.count)
        var arguments: [RedisArgument] = []
        arguments.reserveCapacity(1 + 7 * charges.count)
        arguments.append(now.map { .integer($0) } ?? "")
        for charge in charges {
            let rule = prepared[charge.ruleIndex]
            keys.append(.bytes(Self.key(charge.identity, in: rule)))
            keys.append(rule.index)
            arguments.append(contentsOf: rule.arguments)
        }
        connection.eval(Self.chargeScript, keyArguments: keys, arguments: arguments, timeout: timeout) { result in
            let verdict = result.mapError { LimitError.unavailable($0) }.flatMap { self.verdict($0, charges) }
            self.remember(charges, verdict, now: now ?? Self.clock())
            done(verdict)
        }
    }

    package func refund(_ charges: [LimitCharge], _ verdict: LimitVerdict, at now: Int?) {
        guard verdict.allowed, verdict.source == .store, !charges.isEmpty else { return }
        var keys: [RedisArgument] = []
        var arguments: [RedisArgument] = [now.map { .integer($0) } ?? ""]
        for (charge, state) in zip(charges, verdict.states) {
            let rule = prepared[charge.ruleIndex]
            let key = state.isShared ? Self.sharedKey(charge.identity, in: rule) : Self.key(charge.identity, in: rule)
            keys.append(.bytes(key))
            arguments.append(contentsOf: rule.refundArguments)
            memory.forget(charge)
        }
        // A refund that is lost is used up by time: the caller's burst is whole again by then.
        connection.eval(Self.refundScript, keyArguments: keys, arguments: arguments, timeout: timeout) { _ in }
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
                memory.remember(
                    charge,
                    until: now + state.resetAfter.wholeMicroseconds,
                    intervalMicros: prepared[charge.ruleIndex].pace.intervalMicros
                )
            } else {
                memory.forget(charge)
            }
        }
    }

    private func verdict(_ reply: RedisReply, _ charges: [LimitCharge]) -> Result<LimitVerdict, LimitError> {
        guard case .array(let fields) = reply, fields.count == 2 + 3 * charges.count,
            let allowed = fields[0].integer, let now = fields[1].integer
        else { return .failure(.unavailable(.malformedReply)) }
        var states: [LimitState] = []
        states.reserveCapacity(charges.count)
        for (position, charge) in charges.enumerated() {
            guard let micros = fields[3 * position + 2].integer, let fraction = fields[3 * position + 3].integer,
                let shared = fields[3 * position + 4].integer
            else { return .failure(.unavailable(.malformedReply)) }
            let pace = prepared[charge.ruleIndex].pace
            let arrival = TheoreticalArrival(micros: micros, fraction: fraction)
            states.append(
                pace.state(
                    ruleIndex: charge.ruleIndex,
                    arrival: arrival,
                    now: now,
                    isDenied: allowed == 0 && !pace.passes(arrival, now: now),
                    isShared: shared == 1
                )
            )
        }
        return .success(LimitVerdict(allowed: allowed == 1, states: states))
    }

    private static func denial(_ charge: LimitCharge, _ micros: Int) -> LimitState {
        let wait = Duration.microseconds(micros)
        return LimitState(ruleIndex: charge.ruleIndex, remaining: 0, resetAfter: wait, retryAfter: wait)
    }

    private static func key(_ identity: LimitIdentity, in rule: PreparedRule) -> [UInt8] {
        var key: [UInt8] = []
        key.reserveCapacity(rule.keyPrefix.count + 32)
        key.append(contentsOf: rule.keyPrefix)
        identity.appendDigits(to: &key)
        return key
    }

    private static func sharedKey(_ identity: LimitIdentity, in rule: PreparedRule) -> [UInt8] {
        rule.keyPrefix + [UInt8(ascii: "s")] + key(identity, in: rule).dropFirst(rule.keyPrefix.count).prefix(4)
    }

    /// For denials; decisions go by Redis's.
    private static func clock() -> Int { Int(NIODeadline.now().uptimeNanoseconds / 1000) }
}

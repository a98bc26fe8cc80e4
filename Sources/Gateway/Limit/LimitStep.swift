internal import Dialects
internal import HTTPWire
internal import Hashing
internal import NIOCore
package import RateLimit

/// A call that its limits let pass.
package struct LimitedCall {
    package let identified: IdentifiedCall
    /// `nil`: no limit covers the call.
    private let charged: (charges: [LimitCharge], verdict: LimitVerdict)?

    fileprivate init(identified: IdentifiedCall, charged: (charges: [LimitCharge], verdict: LimitVerdict)?) {
        self.identified = identified
        self.charged = charged
    }

    /// Takes back what the call was charged, and says so in the answer's fields.
    func refund(to store: any LimitStore) {
        guard let charged else { return }
        store.refund(charged.charges, charged.verdict)
        let notes = identified.exchange.responder.notes.limits
        identified.exchange.responder.notes.limits = notes.map(\.afterRefund)
    }
}

/// Charges all limits of a call, or none: one round trip to the store, none while a denial is remembered.
package struct LimitStep {
    package enum Action {
        case forward(LimitedCall)
        case answer(Refusal)
    }

    private let limits: [Configuration.Limit]
    private let store: any LimitStore
    private let telemetry: LoopTelemetry
    private let hasher = SHA256Hasher()

    package init(limits: [Configuration.Limit], store: any LimitStore, telemetry: LoopTelemetry) {
        self.limits = limits
        self.store = store
        self.telemetry = telemetry
    }

    /// The call itself where no limit covers it: it passes without a word to the store.
    package func unlimited(_ call: IdentifiedCall) -> LimitedCall? {
        call.limits.isEmpty ? LimitedCall(identified: call, charged: nil) : nil
    }

    /// Charges a call that limits cover.
    /// - Parameter model: of the call, where a limit tells calls apart by it.
    package func begin(_ call: IdentifiedCall, model: String?, _ done: @escaping (Action) -> Void) {
        let charges = call.limits.map { index in
            let text = CallIdentity.text(of: call, by: limits[index].by, model: model)
            return LimitCharge(ruleIndex: index, identity: LimitIdentity(text, hasher: hasher))
        }
        store.charge(charges) { result in
            switch result {
            case .success(let verdict):
                call.exchange.responder.notes.limits = verdict.states.map { note($0) }
                done(action(call, charges, verdict, model: model))
            case .failure:
                done(.answer(.limitsUnavailable))
            }
        }
    }

    /// Takes back what a call was charged.
    package func refund(_ call: LimitedCall) { call.refund(to: store) }

    private func action(
        _ call: IdentifiedCall,
        _ charges: [LimitCharge],
        _ verdict: LimitVerdict,
        model: String?
    ) -> Action {
        if verdict.allowed {
            for index in call.limits { telemetry.allowed(index) }
            return .forward(LimitedCall(identified: call, charged: (charges, verdict)))
        }
        for state in verdict.states where state.retryAfter != nil {
            let key = CallIdentity.readable(call, by: limits[state.ruleIndex].by, model: model)
            telemetry.denied(state.ruleIndex, key: key)
        }
        guard let wait = verdict.retryAfter,
            let state = verdict.states.first(where: { $0.retryAfter == wait })
        else { return .answer(.limitsUnavailable) }
        let limit = limits[state.ruleIndex]
        return .answer(.overLimit(name: limit.name, burst: limit.burst, retryAfter: TimeAmount(wait)))
    }

    private func note(_ state: LimitState) -> LimitNote {
        let rule = store.rules[state.ruleIndex]
        return LimitNote(
            name: rule.name,
            burst: rule.burst,
            window: rule.fullBurstSeconds,
            remaining: state.remaining,
            resetAfter: state.resetAfter.secondsRoundedUp
        )
    }
}

extension Configuration.Limit {
    var rule: LimitRule {
        LimitRule(name: name, count: rate.count, window: rate.window, burst: burst, maxKeys: maxKeys)
    }
}

extension Duration {
    package var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}

internal import Dialects
internal import HTTPWire
internal import NIOCore
package import RateLimit

/// A call that its limits let pass.
package struct LimitedCall {
    package let identified: IdentifiedCall
    /// What was charged, to be given back where a cached answer is not to cost anything.
    package let charges: [LimitCharge]
    fileprivate init(identified: IdentifiedCall, charges: [LimitCharge]) {
        self.identified = identified
        self.charges = charges
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

    package init(limits: [Configuration.Limit], store: any LimitStore, telemetry: LoopTelemetry) {
        self.limits = limits
        self.store = store
        self.telemetry = telemetry
    }

    /// - Parameter model: of the call, where a limit tells calls apart by it.
    package func begin(_ call: IdentifiedCall, model: String?, _ done: @escaping (Action) -> Void) {
        guard !call.limits.isEmpty else {
            done(.forward(LimitedCall(identified: call, charges: [])))
            return
        }
        let charges = call.limits.map { index in
            LimitCharge(rule: index, identity: identity(of: call, limit: limits[index], model: model))
        }
        store.charge(charges) { result in
            switch result {
            case .success(let verdict):
                call.exchange.responder.notes.limits = verdict.states.map { state in note(state) }
                done(action(call, charges, verdict))
            case .failure:
                done(.answer(.limitsUnavailable))
            }
        }
    }

    /// Takes back what a call was charged.
    package func refund(_ call: LimitedCall) {
        guard !call.charges.isEmpty else { return }
        store.refund(call.charges)
    }

    private func action(_ call: IdentifiedCall, _ charges: [LimitCharge], _ verdict: LimitVerdict) -> Action {
        for (charge, state) in zip(charges, verdict.states) {
            let isDenied = state.retryAfter != nil
            telemetry.limited(state.rule, allowed: !isDenied, key: isDenied ? Self.readable(charge.identity) : "")
        }
        if verdict.allowed { return .forward(LimitedCall(identified: call, charges: charges)) }
        let longest = verdict.states.compactMap { state in state.retryAfter.map { (state.rule, $0) } }
            .max { $0.1 < $1.1 }
        guard let (rule, wait) = longest else { return .answer(.limitsUnavailable) }
        let limit = limits[rule]
        return .answer(.overLimit(name: limit.name, burst: limit.burst, retryAfter: TimeAmount(wait)))
    }

    /// An identity as people read it, without the tags of its parts.
    private static func readable(_ identity: String) -> String {
        identity.split(separator: "\u{0}").map { $0.dropFirst().split(separator: "\u{1}").joined(separator: "/") }
            .joined(separator: ", ")
    }

    private func note(_ state: LimitState) -> LimitNote {
        let limit = limits[state.rule]
        let full = Double(limit.burst) / Double(limit.rate.count) * limit.rate.window.inSeconds
        return LimitNote(
            name: limit.name,
            burst: limit.burst,
            window: max(1, Int(full.rounded(.up))),
            remaining: state.remaining,
            resetAfter: Int(state.resetAfter.inSeconds.rounded(.up))
        )
    }

    /// Parts are tagged and separated, so that no two callers meet by what they send.
    private func identity(of call: IdentifiedCall, limit: Configuration.Limit, model: String?) -> String {
        var parts = ""
        for by in limit.by {
            if !parts.isEmpty { parts += "\u{0}" }
            switch by {
            case .ip: parts += "i" + call.caller.address
            case .client: parts += call.caller.client == nil ? "i" + call.caller.address : "c" + call.caller.name
            case .user:
                if call.caller.userIsNamed, let user = call.caller.user {
                    parts += "u" + call.caller.name + "\u{1}" + user
                } else {
                    parts += call.caller.client == nil ? "i" + call.caller.address : "c" + call.caller.name
                }
            case .route: parts += "r" + call.route.name
            case .upstream: parts += "s" + call.route.upstream.name
            case .model: parts += "m" + (model ?? "")
            case .global: parts += "g"
            case .header(let name): parts += "h" + (call.exchange.head.fields.string(named: name) ?? "")
            }
        }
        return parts
    }
}

extension Duration {
    package var inSeconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }
}

extension Configuration.Limit {
    var rule: LimitRule {
        LimitRule(name: name, count: rate.count, window: rate.window, burst: burst, maxKeys: maxKeys)
    }
}

internal import HTTPWire

/// What tells one caller of a limit from another.
enum CallIdentity {
    /// Parts are tagged and separated, so that no two callers meet by what they send.
    static func text(of call: IdentifiedCall, by identities: [Configuration.Limit.Identity], model: String?) -> String {
        if identities.count == 1 { return part(of: call, by: identities[0], model: model) }
        return identities.map { part(of: call, by: $0, model: model) }.joined(separator: "\u{0}")
    }

    /// The same as people read it.
    static func readable(_ call: IdentifiedCall, by identities: [Configuration.Limit.Identity], model: String?)
        -> String
    {
        identities
            .map { by in
                part(of: call, by: by, model: model).dropFirst().split(separator: "\u{1}").joined(separator: "/")
            }
            .joined(separator: ", ")
    }

    private static func part(of call: IdentifiedCall, by: Configuration.Limit.Identity, model: String?) -> String {
        let caller = call.caller
        switch by {
        case .ip: return "i" + caller.address
        case .client: return client(caller)
        case .user:
            guard caller.userIsNamed, let user = caller.user else { return client(caller) }
            return "u" + caller.name + "\u{1}" + user
        case .route: return "r" + call.route.name
        case .upstream: return "s" + call.route.upstream.name
        case .model: return "m" + (model ?? "")
        case .global: return "g"
        case .header(let name): return "h" + (call.exchange.head.fields.string(named: name) ?? "")
        }
    }

    private static func client(_ caller: CallerFacts) -> String {
        caller.client == nil ? "i" + caller.address : "c" + caller.name
    }
}

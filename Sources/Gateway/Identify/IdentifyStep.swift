package import Dialects
internal import HTTPWire
package import NIOCore

/// A call whose route and caller are known. A class, as it goes on from step to step: copying it would count a dozen
/// references each time.
package final class IdentifiedCall {
    package let exchange: Exchange
    package let route: RoutePlan
    package let shape: CallShape
    package let caller: CallerFacts
    /// Indices into the configuration's limits.
    package let limits: [Int]

    fileprivate init(exchange: Exchange, route: RoutePlan, shape: CallShape, caller: CallerFacts, limits: [Int]) {
        self.exchange = exchange
        self.route = route
        self.shape = shape
        self.caller = caller
        self.limits = limits
    }
}

/// Finds the route, then the caller: key, address, urgency. Reads nothing of the body.
package struct IdentifyStep {
    package enum Action {
        case forward(IdentifiedCall)
        /// - Parameter route: the index of the one that took the call; `nil`: none did.
        case answer(Refusal, route: Int?)
    }

    private let plan: Plan

    package init(plan: Plan) {
        self.plan = plan
    }

    /// - Parameter connection: tells the address at its other end, and remembers the last key.
    package func begin(_ call: AcceptedCall, from connection: Connection) -> Action {
        let exchange = call.exchange
        let head = exchange.head
        guard let route = plan.route(method: head.method.name, path: head.path) else {
            exchange.responder.notes.form = ErrorForm.of(path: head.path, upstreamDialect: nil)
            let path = String(decoding: head.path, as: UTF8.self)
            return .answer(
                .noRoute(method: head.method.name, path: path, nearest: plan.nearestRoute(to: path)),
                route: nil
            )
        }
        let dialect = route.upstream.dialect
        let form = ErrorForm.of(path: head.path, upstreamDialect: dialect)
        exchange.responder.notes.form = form
        let shape = CallShape(path: head.path, query: head.query, dialect: dialect)

        let entry: ClientKeys.Entry?
        switch findClient(head, auth: route.auth, dialect: dialect, isOpenAI: shape.isOpenAI, memo: &connection.keys) {
        case .success(let found): entry = found
        case .failure(let refusal): return .answer(refusal, route: route.index)
        }

        let peer = connection.peer
        let forwardedFor = head.fields.string(.xForwardedFor)
        let fullAddress =
            forwardedFor == nil ? peer : plan.addresses.caller(peer: peer, forwardedFor: forwardedFor)
        let best = entry?.client.priority ?? 3
        let asked = head.fields.first(.priority).flatMap(UrgencyField.urgency) ?? best
        var caller = CallerFacts(
            client: entry?.index,
            name: entry?.client.name ?? CallerFacts.anonymousName,
            weight: entry?.client.weight ?? 1,
            urgency: max(asked, best),
            address: forwardedFor == nil
                ? connection.peerIdentity : AddressRange.limitIdentity(of: fullAddress),
            fullAddress: fullAddress,
            peerAddress: peer,
            user: nil,
            userIsNamed: false
        )
        if entry?.client.mayNameUsers == true, let user = head.fields.string(.xUserID), !user.isEmpty {
            caller.user = user
            caller.userIsNamed = true
        } else if !route.upstream.identitySecret.isEmpty {
            if let entry {
                caller.user = entry.client.name
            } else {
                // An identity is a secret of a kind: not from the loop's fast generator.
                var random = SystemRandomNumberGenerator()
                let identity = AnonymousIdentity.of(
                    cookies: head.fields.string(.cookie),
                    secret: route.upstream.identitySecret,
                    isSecure: plan.addresses.trusts(peer)
                        && head.fields.string(.xForwardedProto)?.lowercased() == "https",
                    random: &random
                )
                caller.user = identity.user
                exchange.responder.notes.setCookie = identity.setCookie
            }
        }
        return .forward(
            IdentifiedCall(
                exchange: exchange,
                route: route,
                shape: shape,
                caller: caller,
                limits: entry?.client.limits ?? route.limits
            )
        )
    }
}

extension IdentifyStep {
    private enum Found {
        case success(ClientKeys.Entry?)
        case failure(Refusal)
    }

    private func findClient(
        _ head: RequestHead,
        auth: AuthMode,
        dialect: Dialect,
        isOpenAI: Bool,
        memo: inout KeyMemo
    ) -> Found {
        if auth == .none { return .success(nil) }
        guard let key = CallerKey.find(in: head, dialect: dialect, isOpenAI: isOpenAI) else {
            if auth == .optional { return .success(nil) }
            return .failure(.noKey(lookedAt: dialect.keyLocationsText(isOpenAI: isOpenAI)))
        }
        guard let entry = memo.client(withKey: key, in: plan.clientKeys) else {
            return .failure(.unknownKey(lookedAt: dialect.keyLocationsText(isOpenAI: isOpenAI)))
        }
        return .success(entry)
    }
}

/// `Priority: u=N` (RFC 9218, 4.1), of which a queue knows the urgency only.
package enum UrgencyField {
    package static func urgency(_ value: ByteBufferView) -> Int? {
        let bytes = Array(value)
        for part in bytes.split(separator: UInt8(ascii: ",")) {
            let trimmed = part.drop { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }
            guard trimmed.starts(with: "u=".utf8), let digit = trimmed.dropFirst(2).first else { continue }
            let rest = trimmed.dropFirst(3)
            let ends = rest.first.map { $0 == UInt8(ascii: ";") || $0 == UInt8(ascii: " ") } ?? true
            if ends, (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(digit) { return Int(digit - 48) }
        }
        return nil
    }
}

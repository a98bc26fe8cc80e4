internal import Dialects
internal import HTTPWire
internal import NIOCore
package import ResponseCache

/// Looks whether the answer is kept, or under way for somebody else; else hands the call on to its upstream.
///
/// Here the body is read for the first time: the cache key needs it, and on some paths it names the model.
package final class CacheStep {
    private let worker: Worker
    private let lane: CacheLane
    private let keys: CacheKeyBuilder
    private let maximumEntry: Int
    /// Gives a call's limits back where a cached answer is not to cost any.
    private let refund: (LimitedCall) -> Void

    package init(worker: Worker, lane: CacheLane, cache: Configuration.Cache, refund: @escaping (LimitedCall) -> Void) {
        self.worker = worker
        self.lane = lane
        self.maximumEntry = cache.maxEntry
        self.refund = refund
        let longest = worker.plan.upstreams.map(\.replayBody).max() ?? 0
        self.keys = CacheKeyBuilder(maximumBody: min(longest, Int(UInt32.max)), keyParameters: [Dialect.keyParameter])
    }

    package func begin(_ call: LimitedCall) {
        let exchange = call.identified.exchange
        let upstream = call.identified.route.upstream
        // What nothing here has to see flows through as it comes.
        if upstream.queue == nil, call.identified.route.cache == nil, upstream.dialect == .http {
            look(call, shape: call.identified.shape)
        } else {
            exchange.body.whenReady { [self] in
                guard exchange.responder.state != .done else { return }
                bodyIsKnown(call)
            }
        }
    }

    private func bodyIsKnown(_ call: LimitedCall) {
        let exchange = call.identified.exchange
        var shape = call.identified.shape
        if !shape.needs.isEmpty {
            let (facts, isComplete) = BodyFacts.read(exchange.body.kept, wanted: shape.needs)
            if !isComplete, !exchange.body.isWhole {
                exchange.responder.refuse(
                    .bodyTooLarge(
                        limit: call.identified.route.upstream.replayBody,
                        setting: "upstream.replay_body: what decides the call's quota must stand in so many bytes"
                    )
                )
                return
            }
            shape.complete(with: facts)
        }
        look(call, shape: shape)
    }

    // MARK: Looking up

    private func look(_ call: LimitedCall, shape: CallShape) {
        let exchange = call.identified.exchange
        let route = call.identified.route
        let directives =
            exchange.head.fields.string(.cacheControl).map {
                RequestDirectives(parsing: ByteBuffer(string: $0).readableBytesView)
            } ?? RequestDirectives()
        guard let cache = route.cache else {
            return pass(call, shape: shape, status: .bypass, directives: directives)
        }
        guard CacheRules.isCached(shape: shape, head: exchange.head, dialect: route.upstream.dialect, by: cache) else {
            return pass(call, shape: shape, status: .method, directives: directives)
        }
        // Credentials that go on to the upstream and that nothing here knows: its answer is their owner's alone.
        let isPersonal =
            route.upstream.dialect == .http && call.identified.caller.client == nil
            && exchange.head.fields.contains(.authorization)
        guard !isPersonal, exchange.body.isWhole, let key = try? keys.key(for: components(call, cache: cache)) else {
            let status: CacheStatus = directives.noCache ? .request : .miss(stored: false)
            return pass(call, shape: shape, status: status, directives: directives)
        }
        let request = outboundRequest(call, shape: shape)
        let question = CacheRequest(
            key: key,
            tags: CacheTags(route: route.name, client: call.identified.caller.name),
            directives: directives,
            deadline: request.deadlines.end?.at
        )
        let asked = worker.now()
        let lookup = lane.lookUp(question) { [self] outcome in
            if outcome.waitedForOthers {
                var timings = CallTimings()
                timings.upstream = worker.now() - asked
                exchange.responder.took(timings)
            }
            take(outcome, call, request, directives)
        }
        switch lookup {
        case .answered(let outcome): take(outcome, call, request, directives)
        case .pending(let ticket):
            let lane = self.lane
            exchange.onLeave = { lane.leave(ticket) }
        }
    }

    private func take(
        _ outcome: CacheOutcome,
        _ call: LimitedCall,
        _ request: OutboundRequest,
        _ directives: RequestDirectives
    ) {
        let exchange = call.identified.exchange
        let responder = exchange.responder
        guard responder.state != .done else { return }
        exchange.onLeave = nil
        switch outcome {
        case .hit(let hit):
            if call.identified.route.cache?.chargeLimits == false { refund(call) }
            worker.telemetry.saved(
                hit.answer,
                client: call.identified.caller.name,
                model: request.shape.model,
                dialect: request.upstream.dialect
            )
            responder.notes.cacheStatus = .hit(ttl: hit.remaining.wholeSecondsDown)
            responder.answer(hit.answer, age: hit.age)
            hit.revalidation?.acquire { [self] token in
                if let token { refresh(token, request) }
            }
        case .lead(let token):
            responder.notes.cacheStatus = directives.noCache ? .request : .miss(stored: true)
            lead(token, exchange, request)
        case .collapsed(let answer):
            if call.identified.route.cache?.chargeLimits == false { refund(call) }
            responder.notes.cacheStatus = .collapsed
            responder.answer(answer, age: nil)
        case .staleOnError(let answer, let status):
            responder.notes.cacheStatus = .staleOnError(status: status ?? 502)
            responder.answer(answer, age: answer.age(at: worker.now()))
        case .uncached:
            responder.notes.cacheStatus = directives.noCache ? .request : .miss(stored: false)
            send(request, exchange)
        case .notCached:
            responder.notes.cacheStatus = .onlyIfCached
            responder.refuse(.notCached)
        case .deadlinePassed:
            responder.refuse(.callTimedOut(setting: request.deadlines.end?.setting ?? ""))
        }
    }

    private func components(_ call: LimitedCall, cache: Configuration.RouteCache) -> KeyComponents {
        let exchange = call.identified.exchange
        let head = exchange.head
        let upstream = call.identified.route.upstream
        var tenant: String?
        if cache.scope == .client {
            // An upstream that answers each user in their own way must not give one user's answer to another.
            let user = upstream.identitySecret.isEmpty ? nil : call.identified.caller.user
            tenant = call.identified.caller.name + "\u{0}" + (user ?? "")
        }
        return KeyComponents(
            tenant: tenant,
            route: call.identified.route.name,
            upstream: upstream.name,
            method: head.method.name,
            path: head.path,
            query: head.query,
            contentType: head.fields.first(.contentType),
            version: upstream.dialect.versionField.flatMap { head.fields.string(named: $0) }
                .map { ByteBuffer(string: $0).readableBytesView },
            variant: upstream.dialect == .http ? CacheRules.variant(of: head) : nil,
            body: exchange.body.kept
        )
    }

    // MARK: Asking the upstream

    /// A call that the cache has no part in.
    private func pass(_ call: LimitedCall, shape: CallShape, status: CacheStatus, directives: RequestDirectives) {
        let exchange = call.identified.exchange
        if directives.onlyIfCached {
            exchange.responder.notes.cacheStatus = .onlyIfCached
            exchange.responder.refuse(.notCached)
            return
        }
        exchange.responder.notes.cacheStatus = status
        let request = outboundRequest(call, shape: shape)
        if request.upstream.dialect == .pinecone, CacheRules.isPineconeWrite(shape: shape, head: exchange.head) {
            let recipient = WriteRecipient(lane: lane, route: request.route.name, caller: exchange.responder)
            let (lane, name) = (self.lane, request.route.name)
            send(request, exchange, recipient: recipient) { lane.purge(.route(name)) }
        } else {
            send(request, exchange)
        }
    }

    private func send(
        _ request: consuming OutboundRequest,
        _ exchange: Exchange,
        recipient: (any AnswerRecipient)? = nil,
        leftAfterSending: (() -> Void)? = nil
    ) {
        let outbound = OutboundCall(request: request, worker: worker, recipient: recipient ?? exchange.responder)
        exchange.responder.source = outbound
        let responder = exchange.responder
        exchange.onLeave = {
            responder.took(outbound.timingsNow)
            outbound.cancel()
            // What was sent may have been done, though nobody waits for its answer.
            if outbound.timings.calledUpstream { leftAfterSending?() }
        }
        outbound.dispatch()
    }

    private func lead(_ token: FillToken, _ exchange: Exchange, _ request: OutboundRequest) {
        let fill = CacheFill(
            token: token,
            caller: exchange.responder,
            settings: .init(request: request, maximumEntry: maximumEntry),
            worker: worker
        )
        let outbound = OutboundCall(request: request, worker: worker, recipient: fill)
        fill.source = outbound
        exchange.responder.source = fill
        let responder = exchange.responder
        exchange.onLeave = {
            responder.took(outbound.timingsNow)
            fill.callerLeft()
        }
        token.onAbandoned = { outbound.cancel() }
        outbound.dispatch()
    }

    /// Fetches a stale answer anew, with nobody waiting for it.
    private func refresh(_ token: FillToken, _ request: OutboundRequest) {
        var request = request
        request.arrival = worker.now()
        request.deadlines = CallDeadlines(arrival: request.arrival, route: request.route, preferences: .none)
        request.beats = false
        let fill = CacheFill(
            token: token,
            caller: nil,
            settings: .init(request: request, maximumEntry: maximumEntry),
            worker: worker
        )
        let outbound = OutboundCall(request: request, worker: worker, recipient: fill)
        fill.source = outbound
        token.onAbandoned = { outbound.cancel() }
        outbound.dispatch()
    }

    private func outboundRequest(_ call: LimitedCall, shape: CallShape) -> OutboundRequest {
        let exchange = call.identified.exchange
        let route = call.identified.route
        let preferences = RequestPreferences(fields: exchange.head.fields)
        if route.upstream.queue != nil, let wait = preferences.wait {
            let longest = route.upstream.maxWait.components.seconds
            exchange.responder.notes.preferredWait = min(wait, Int(clamping: longest))
        }
        return OutboundRequest(
            head: exchange.head,
            route: route,
            shape: shape,
            caller: call.identified.caller,
            body: exchange.body,
            arrival: exchange.arrival,
            deadlines: CallDeadlines(arrival: exchange.arrival, route: route, preferences: preferences),
            requestID: exchange.responder.notes.requestID,
            beats: route.upstream.sendsHeartbeats
                && (shape.framing == .serverSentEvents
                    || (route.upstream.dialect == .http && RequestPreferences.takesEventsOnly(exchange.head.fields)))
        )
    }
}

extension CacheOutcome {
    /// What came of a call that another caller had made.
    fileprivate var waitedForOthers: Bool {
        switch self {
        case .collapsed, .staleOnError, .deadlinePassed: true
        case .hit, .lead, .uncached, .notCached: false
        }
    }
}

extension BodyFacts {
    /// - Returns: what was found, and whether all that was wanted could be told.
    static func read(_ body: ByteBuffer, wanted: Wanted) -> (facts: BodyFacts, isComplete: Bool) {
        var scanner = BodyFactsScanner(wanted: wanted)
        scanner.feed(body)
        return (scanner.facts, scanner.isComplete || scanner.isMalformed)
    }
}

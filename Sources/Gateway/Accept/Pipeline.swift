internal import Dialects
package import HTTPWire
package import NIOCore
internal import RateLimit

/// The way of a request on one loop: accept → identify → limit → cache → queue → upstream → respond.
///
/// Each step gets the call, and either answers or hands it on; the order stands here and nowhere else.
package final class Pipeline {
    package let worker: Worker
    /// One for all connections of the loop: the text is made once a second.
    package let date = DateField()
    package let flushes = FlushBatch()
    private let identify: IdentifyStep
    private let limit: LimitStep
    private let cache: CacheStep
    private let ownEndpoints: OwnEndpoints
    private let limitsNeedModel: [Bool]

    package init(worker: Worker, limit: LimitStep, cache: CacheStep, ownEndpoints: OwnEndpoints) {
        self.worker = worker
        self.identify = IdentifyStep(plan: worker.plan)
        self.limit = limit
        self.cache = cache
        self.ownEndpoints = ownEndpoints
        self.limitsNeedModel = worker.plan.configuration.limits.map { $0.by.contains(.model) }
    }

    package func accept(_ head: RequestHead, reply: any ReplyWriter, connection: Connection) -> any RequestReceiver {
        let now = worker.now()
        let responder = Responder(reply: reply, arrival: now, clock: worker.eventLoop)
        let exchange = Exchange(head: head, reply: reply, responder: responder, pipeline: self, now: now)
        responder.notes.requestID = RequestID.of(head.fields.first(.xRequestID), random: &worker.random)
        if ownEndpoints.take(exchange, connection: connection) { return exchange }
        exchange.isCounted = true
        worker.telemetry.began()
        switch identify.begin(.accept(exchange), from: connection) {
        case .answer(let refusal, let route):
            exchange.route = route
            responder.refuse(refusal)
        case .forward(let call): limited(call)
        }
        return exchange
    }

    private func limited(_ call: IdentifiedCall) {
        let exchange = call.exchange
        let route = call.route
        exchange.route = route.index
        // An id that was made just now says nothing of who it is.
        let isNew = exchange.responder.notes.setCookie != nil
        worker.telemetry.seen(user: isNew ? call.caller.address : call.caller.user ?? call.caller.address)
        if let length = exchange.body.declaredLength, length > route.maxBody {
            exchange.responder.refuse(.bodyTooLarge(limit: route.maxBody, setting: route.maxBodySetting))
            return
        }
        exchange.expectBody(
            limit: route.maxBody,
            setting: route.maxBodySetting,
            keepAtMost: route.upstream.replayBody
        )
        guard call.shape.needs.contains(.model), call.limits.contains(where: { limitsNeedModel[$0] }) else {
            charge(call, model: call.shape.model)
            return
        }
        exchange.body.whenReady { [self] in
            var shape = call.shape
            shape.complete(with: BodyFacts.read(exchange.body.kept, wanted: shape.needs).facts)
            charge(call, model: shape.model)
        }
    }

    private func charge(_ call: IdentifiedCall, model: String?) {
        if let unlimited = limit.unlimited(call) {
            guard call.exchange.responder.state != .done else { return }
            cache.begin(unlimited)
            return
        }
        limit.begin(call, model: model) { [self] action in
            guard call.exchange.responder.state != .done else { return }
            switch action {
            case .answer(let refusal): call.exchange.responder.refuse(refusal)
            case .forward(let limited): cache.begin(limited)
            }
        }
    }

    /// A call has ended.
    func count(_ exchange: Exchange) {
        guard exchange.isCounted else { return }
        let now = worker.now()
        let responder = exchange.responder
        let timings = responder.timings
        worker.telemetry.ended(
            route: exchange.route,
            status: responder.status,
            timings: timings,
            gateway: responder.gatewayTime ?? (now - exchange.arrival) - timings.queue - timings.upstream,
            now: now
        )
    }
}

/// What the pipeline keeps of one connection.
package final class Connection {
    /// The other end's address; empty for a Unix socket.
    package let peer: String
    /// What a limit by ip counts it as, where no proxy stands between.
    package let peerIdentity: String
    /// The listener that serves `/admin` and `/metrics` alone, where they have an address of their own.
    package let isAdmin: Bool
    package var keys = KeyMemo()

    package init(peer: String, isAdmin: Bool) {
        self.peer = peer
        peerIdentity = AddressRange.limitIdentity(of: peer)
        self.isAdmin = isAdmin
    }
}

/// Ties one connection to its loop's pipeline.
package final class ConnectionDelegate: ServerDelegate {
    private let pipeline: Pipeline
    private let connection: Connection

    package init(pipeline: Pipeline, connection: Connection) {
        self.pipeline = pipeline
        self.connection = connection
    }

    package func request(_ head: RequestHead, reply: any ReplyWriter, channel: any Channel) -> any RequestReceiver {
        pipeline.accept(head, reply: reply, connection: connection)
    }

    package func malformed(
        _ error: WireError,
        partialTarget: ByteBufferView?
    ) -> (status: Int, fields: ReplyFields, body: ByteBuffer) {
        MalformedAnswer.make(error, target: partialTarget)
    }
}

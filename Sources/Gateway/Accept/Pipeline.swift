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
        let eventLoop = worker.eventLoop
        let responder = Responder(reply: reply, arrival: now, now: { eventLoop.now })
        let exchange = Exchange(head: head, reply: reply, responder: responder, now: now)
        responder.notes.requestID = RequestID.of(head.fields.first(.xRequestID), random: &worker.random)
        // The gateway's own paths are not counted: a balancer asks /ready all the time.
        if ownEndpoints.take(exchange, connection: connection) { return exchange }
        worker.telemetry.began()
        finishCounting(exchange, route: nil)
        switch identify.begin(.accept(exchange), peer: connection.peer, memo: &connection.keys) {
        case .answer(let refusal, let route):
            finishCounting(exchange, route: route)
            responder.refuse(refusal)
        case .forward(let call): limited(call)
        }
        return exchange
    }

    private func limited(_ call: IdentifiedCall) {
        let exchange = call.exchange
        finishCounting(exchange, route: call.route.index)
        worker.telemetry.seen(user: call.caller.user ?? call.caller.address)
        let maxBody = call.route.maxBody
        if let length = exchange.declaredLength, length > maxBody {
            exchange.responder.refuse(.bodyTooLarge(limit: maxBody, setting: call.route.maxBodySetting))
            return
        }
        exchange.expectBody(limit: maxBody, keepAtMost: call.route.upstream.replayBody)
        exchange.onBodyBroken = { [unowned exchange] in
            let leave = exchange.onLeave
            exchange.onLeave = nil
            leave?()
            exchange.responder.refuse(.bodyTooLarge(limit: maxBody, setting: call.route.maxBodySetting))
        }
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
        limit.begin(call, model: model) { [self] action in
            guard call.exchange.responder.state != .done else { return }
            switch action {
            case .answer(let refusal): call.exchange.responder.refuse(refusal)
            case .forward(let limited): cache.begin(limited)
            }
        }
    }

    private func finishCounting(_ exchange: Exchange, route: Int?) {
        let worker = self.worker
        exchange.responder.onFinished = { [unowned exchange] responder in
            let now = worker.now()
            let gateway = (now - exchange.arrival) - responder.timings.queue - responder.timings.upstream
            worker.telemetry.ended(
                route: route,
                status: responder.status,
                timings: responder.timings,
                gateway: responder.gatewayTime ?? gateway,
                now: now
            )
            exchange.finished()
        }
    }
}

/// What the pipeline keeps of one connection.
package final class Connection {
    /// The other end's address; empty for a Unix socket.
    package let peer: String
    /// The listener that serves `/admin` and `/metrics` alone, where they have an address of their own.
    package let isAdmin: Bool
    package var keys = KeyMemo()

    package init(peer: String, isAdmin: Bool) {
        self.peer = peer
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

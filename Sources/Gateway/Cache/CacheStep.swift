internal import CurlClient
internal import Dialects
internal import HTTPWire
package import NIOCore

/// Looks whether the answer is kept, or under way for somebody else; else hands the call on to its upstream.
///
/// Here the body is read for the first time: the cache key needs it, and on some paths it names the model.
package final class CacheStep {
    private let worker: Worker

    package init(worker: Worker) {
        self.worker = worker
    }

    package func begin(_ call: LimitedCall) {
        let exchange = call.identified.exchange
        let upstream = call.identified.route.upstream
        // What nothing here has to see flows through as it comes.
        if upstream.queue == nil, call.identified.route.cache == nil, upstream.dialect == .http {
            forward(call, shape: call.identified.shape)
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
            if !isComplete, exchange.body.overflowed || exchange.body.state == .receiving {
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
        forward(call, shape: shape)
    }

    private func forward(_ call: LimitedCall, shape: CallShape) {
        let exchange = call.identified.exchange
        let request = outboundRequest(call, shape: shape)
        exchange.responder.notes.beats = request.beats
        let outbound = OutboundCall(request: request, worker: worker, recipient: exchange.responder)
        exchange.responder.source = outbound
        exchange.onLeave = { outbound.cancel() }
        outbound.dispatch()
    }

    private func outboundRequest(_ call: LimitedCall, shape: CallShape) -> OutboundRequest {
        let exchange = call.identified.exchange
        let route = call.identified.route
        let preferences = RequestPreferences(fields: exchange.head.fields)
        if route.upstream.queue != nil { exchange.responder.notes.preferredWait = preferences.wait }
        return OutboundRequest(
            head: exchange.head,
            route: route,
            shape: shape,
            caller: call.identified.caller,
            body: exchange.body,
            arrival: exchange.arrival,
            deadlines: CallDeadlines(arrival: exchange.arrival, route: route, preferences: preferences),
            requestID: exchange.responder.notes.requestID,
            beats: shape.framing == .serverSentEvents
                || (route.upstream.dialect == .http && exchange.head.fields.has("text/event-stream", in: .accept))
        )
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

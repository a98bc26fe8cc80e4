package import HTTPWire
package import NIOCore

/// A request whose head has been read: what every later step may know of the caller's side.
package struct AcceptedCall {
    package let exchange: Exchange
    fileprivate init(exchange: Exchange) { self.exchange = exchange }

    package static func accept(_ exchange: Exchange) -> AcceptedCall { AcceptedCall(exchange: exchange) }
}

/// One request and its way back. Lives on its connection's loop from the head to the last byte of the answer.
///
/// It is told what the client does; the step that holds the call says through `onLeave` how its work is undone.
package final class Exchange: RequestReceiver {
    package let head: RequestHead
    package let arrival: NIODeadline
    package let responder: Responder
    package private(set) var body: RequestBody
    /// Undoes what the step that holds the call has under way; called once, when the client leaves early.
    package var onLeave: (() -> Void)?
    /// The body grew over its limit, or broke, after the call went on.
    package var onBodyBroken: (() -> Void)?
    private let reply: any ReplyWriter

    package init(head: RequestHead, reply: any ReplyWriter, responder: Responder, now: NIODeadline) {
        self.head = head
        self.reply = reply
        self.arrival = now
        self.responder = responder
        // Until a route says more, nothing of a body is read.
        self.body = RequestBody(length: 0, limit: 0, keepAtMost: 0, demand: { _ in })
    }

    /// The declared length of the body; `nil`: chunked.
    package var declaredLength: Int? {
        switch head.body {
        case .none: 0
        case .fixed(let length): length
        case .chunked: nil
        }
    }

    /// The route says how large the body may be and how much of it is kept.
    package func expectBody(limit: Int, keepAtMost: Int) {
        let reply = self.reply
        body = RequestBody(
            length: declaredLength,
            limit: limit,
            keepAtMost: keepAtMost,
            demand: { wanted in if wanted { reply.readBody() } else { reply.pauseBody() } }
        )
    }

    package func bodyBytes(_ bytes: ByteBuffer) {
        if !body.receive(bytes) { onBodyBroken?() }
    }

    package func bodyEnded() { body.end() }

    package func clientGone(_ reason: ClientGone) {
        body.breakOff()
        responder.clientGone(reason)
        let leave = onLeave
        onLeave = nil
        onBodyBroken = nil
        leave?()
    }

    package func replyWritable() { responder.replyWritable() }

    /// The answer is complete or broken off; nothing of the call is left to undo.
    package func finished() {
        onLeave = nil
        onBodyBroken = nil
        body.breakOff()
    }
}

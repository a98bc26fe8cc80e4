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
    package let body: RequestBody
    /// Index of the route that took the call; `nil`: none did.
    package var route: Int?
    /// It was counted as begun, so it has to be as ended. Those for the gateway's own endpoints are not.
    package var isCounted = false
    /// Undoes what the step that holds the call has under way; called once, when the client leaves early.
    package var onLeave: (() -> Void)?
    private let pipeline: Pipeline
    private var bodyLimit = 0
    private var bodyLimitSetting = ""

    package init(head: RequestHead, reply: any ReplyWriter, responder: Responder, pipeline: Pipeline, now: NIODeadline)
    {
        self.head = head
        self.arrival = now
        self.responder = responder
        self.pipeline = pipeline
        let length: Int? =
            switch head.body {
            case .none: 0
            case .fixed(let length): length
            case .chunked: nil
            }
        body = RequestBody(length: length, source: reply)
        responder.exchange = self
    }

    /// The route says how large the body may be, which setting says so, and how much of it is kept.
    package func expectBody(limit: Int, setting: String, keepAtMost: Int) {
        bodyLimit = limit
        bodyLimitSetting = setting
        body.expect(limit: limit, keepAtMost: keepAtMost)
    }

    package func bodyBytes(_ bytes: ByteBuffer) {
        if !body.receive(bytes) { bodyBroke() }
    }

    /// The body grew over its limit after the call went on.
    private func bodyBroke() {
        let leave = onLeave
        onLeave = nil
        leave?()
        responder.refuse(.bodyTooLarge(limit: bodyLimit, setting: bodyLimitSetting))
    }

    package func bodyEnded() { body.end() }

    package func clientGone(_ reason: ClientGone) {
        body.breakOff()
        let leave = onLeave
        onLeave = nil
        // First, as it tells where the time went.
        leave?()
        responder.clientGone(reason)
    }

    package func replyWritable() { responder.replyWritable() }

    /// The answer is complete or broken off; nothing of the call is left to undo. Called once, by its responder.
    func finished() {
        pipeline.count(self)
        onLeave = nil
        body.breakOff()
    }
}

import Gateway
import HTTPWire
import NIOCore
import TestSupport

/// A request on its way, as its client sees it.
final class SentCall: Sendable {
    struct Parts {
        var reply: RecordedReply?
        var receiver: (any RequestReceiver)?
        /// The way back, and what came: steps that still have the call hold one of them.
        weak var responder: Responder?
        weak var body: RequestBody?

        init(reply: RecordedReply, receiver: any RequestReceiver) {
            self.reply = reply
            self.receiver = receiver
            responder = (receiver as? Exchange)?.responder
            body = (receiver as? Exchange)?.body
        }
    }

    private let parts: NIOLoopBoundBox<Parts>
    private let sight: RecordedReply.Sight
    private let loop: any EventLoop

    init(parts: NIOLoopBoundBox<Parts>, sight: RecordedReply.Sight, loop: any EventLoop) {
        self.parts = parts
        self.sight = sight
        self.loop = loop
    }

    var seen: RecordedReply.Seen { sight.seen }

    /// The answer, once it is complete or cut.
    func answer(within limit: Duration = .seconds(20)) async throws -> RecordedReply.Seen {
        try await eventualValue("the call is answered", within: limit) {
            let seen = self.sight.seen
            return seen.hasEnded || seen.wasCut ? seen : nil
        }
    }

    /// The client closes its connection.
    func leave() async throws {
        try await loop.submit { [parts] in
            let receiver = parts.value.receiver
            parts.value.receiver = nil
            receiver?.clientGone(.closed)
        }.get()
    }

    /// The client takes nothing, or takes bytes again.
    func takesBytes(_ takes: Bool) async throws {
        try await loop.submit { [parts] in
            parts.value.reply?.isWritable = takes
            if takes { parts.value.receiver?.replyWritable() }
        }.get()
    }

    /// Whether anything holds the call still, once its connection has let it go.
    func isHeld() async throws -> Bool {
        try await loop.submit { [parts] in
            parts.value.receiver = nil
            parts.value.reply = nil
            return parts.value.responder != nil || parts.value.body != nil
        }.get()
    }
}

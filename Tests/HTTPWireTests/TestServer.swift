import HTTPWire
import NIOCore
import NIOEmbedded

/// Notes what a request's receiver is told.
final class RecordingReceiver: RequestReceiver {
    var body = ""
    var endings = 0
    var gone: [ClientGone] = []
    var writable = 0

    func bodyBytes(_ bytes: ByteBuffer) { body += String(buffer: bytes) }
    func bodyEnded() { endings += 1 }
    func clientGone(_ reason: ClientGone) { gone.append(reason) }
    func replyWritable() { writable += 1 }
}

/// One request as the delegate got it.
struct ReceivedRequest {
    let head: RequestHead
    let reply: any ReplyWriter
    let receiver: RecordingReceiver

    var path: String { String(decoding: head.path, as: UTF8.self) }

    func answer(_ text: String = "ok", status: Int = 200) {
        reply.respond(status: status, fields: ReplyFields(), body: ByteBuffer(string: text))
    }
}

final class RecordingDelegate: ServerDelegate {
    var requests: [ReceivedRequest] = []
    var errors: [WireError] = []
    var partialTargets: [String?] = []
    var onRequest: (ReceivedRequest) -> Void = { _ in }

    func request(_ head: RequestHead, reply: any ReplyWriter, channel: any Channel) -> any RequestReceiver {
        let request = ReceivedRequest(head: head, reply: reply, receiver: RecordingReceiver())
        requests.append(request)
        onRequest(request)
        return request.receiver
    }

    func malformed(
        _ error: WireError,
        partialTarget: ByteBufferView?
    ) -> (status: Int, fields: ReplyFields, body: ByteBuffer) {
        errors.append(error)
        partialTargets.append(partialTarget.map { String(decoding: $0, as: UTF8.self) })
        return (error.status, ReplyFields(), ByteBuffer(string: "no"))
    }
}

/// Counts the reads that are asked for: the embedded channel itself ignores them.
final class ReadCounter: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    var reads = 0
    var flushes = 0

    func read(context: ChannelHandlerContext) {
        reads += 1
        context.read()
    }

    func flush(context: ChannelHandlerContext) {
        flushes += 1
        context.flush()
    }
}

/// A handler on an embedded channel, whose time only moves when told.
struct TestServer {
    let channel = EmbeddedChannel()
    let delegate = RecordingDelegate()
    let handler: HTTP1ServerHandler
    let counter = ReadCounter()

    init(limits: WireLimits = WireLimits(), timeouts: WireTimeouts = WireTimeouts()) throws {
        handler = HTTP1ServerHandler(
            limits: limits,
            timeouts: timeouts,
            delegate: delegate,
            date: DateField(clock: { 784_111_777 })
        )
        try channel.pipeline.syncOperations.addHandlers([counter, handler])
        try channel.connect(to: SocketAddress(unixDomainSocketPath: "/test")).wait()
    }

    var requests: [ReceivedRequest] { delegate.requests }

    func receive(_ text: String) throws {
        try channel.writeInbound(ByteBuffer(string: text))
    }

    /// Everything sent since the last call.
    func sent() throws -> String {
        var text = ""
        while let bytes = try channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: bytes) }
        return text
    }

    func advance(_ time: TimeAmount) {
        channel.embeddedEventLoop.advanceTime(by: time)
    }

    func setWritable(_ isWritable: Bool) {
        channel.isWritable = isWritable
        channel.pipeline.fireChannelWritabilityChanged()
    }
}

let dateLine = "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"

/// The whole answer of `ReceivedRequest.answer`.
func okReply(_ body: String = "ok", connection: String = "") -> String {
    "HTTP/1.1 200 OK\r\n\(dateLine)Content-Length: \(body.utf8.count)\r\n\(connection)\r\n\(body)"
}

func text(_ view: ByteBufferView?) -> String? {
    view.map { String(decoding: $0, as: UTF8.self) }
}

import NIOCore
import NIOPosix
import Synchronization

/// One request as an upstream got it, and the way back.
struct UpstreamRequest: Sendable {
    /// Request line and fields, as they came.
    let head: String
    let body: String
    let channel: any Channel

    var requestLine: String { String(head.prefix { !$0.isNewline }) }

    /// The values of a field, in order.
    func values(_ name: String) -> [String] {
        head.split(whereSeparator: \.isNewline).dropFirst().compactMap { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].lowercased() == name.lowercased() else { return nil }
            return parts[1].trimmingPrefix(while: \.isWhitespace).description
        }
    }

    /// Writes bytes as they stand.
    func write(_ text: String) { channel.writeAndFlush(ByteBuffer(string: text), promise: nil) }

    /// A whole answer.
    func reply(_ status: String = "200 OK", fields: [String] = [], body: String = "{}") {
        let lines = ["HTTP/1.1 \(status)", "Content-Length: \(body.utf8.count)"] + fields
        write(lines.joined(separator: "\r\n") + "\r\n\r\n" + body)
    }

    func close() { channel.close(promise: nil) }
}

/// An HTTP/1.1 upstream whose every answer a test writes itself. It takes bodies by Content-Length and in chunks.
final class UpstreamStub: Sendable {
    let port: Int
    private let channel: any Channel
    private let log: Log

    private final class Log: Sendable {
        let requests = Mutex<[UpstreamRequest]>([])
        let ended = Mutex(0)
    }

    static func start(
        port: Int = 0,
        on group: any EventLoopGroup,
        _ script: @escaping @Sendable (UpstreamRequest) -> Void
    ) async throws -> UpstreamStub {
        let log = Log()
        let channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        StubHandler { request in
                            log.requests.withLock { $0.append(request) }
                            script(request)
                        } onClose: {
                            log.ended.withLock { $0 += 1 }
                        }
                    )
                }
            }
            .bind(host: "127.0.0.1", port: port).get()
        return UpstreamStub(channel: channel, log: log)
    }

    private init(channel: any Channel, log: Log) {
        self.channel = channel
        self.log = log
        port = channel.localAddress?.port ?? 0
    }

    var url: String { "http://127.0.0.1:\(port)" }

    /// All that has come, in order.
    var requests: [UpstreamRequest] { log.requests.withLock { $0 } }

    /// Connections that are closed.
    var closedConnections: Int { log.ended.withLock { $0 } }

    func stop() async throws { try await channel.close() }
}

private final class StubHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private var received = ""
    private let onRequest: (UpstreamRequest) -> Void
    private let onClose: () -> Void

    init(_ onRequest: @escaping (UpstreamRequest) -> Void, onClose: @escaping () -> Void) {
        self.onRequest = onRequest
        self.onClose = onClose
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        received += String(buffer: unwrapInboundIn(data))
        while let request = next(context.channel) { onRequest(request) }
    }

    func channelInactive(context: ChannelHandlerContext) { onClose() }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func next(_ channel: any Channel) -> UpstreamRequest? {
        guard let end = received.firstRange(of: "\r\n\r\n") else { return nil }
        let head = String(received[..<end.lowerBound])
        let rest = received[end.upperBound...]
        var request = UpstreamRequest(head: head, body: "", channel: channel)
        if request.values("transfer-encoding").contains("chunked") {
            guard let last = rest.firstRange(of: "0\r\n\r\n") else { return nil }
            request = UpstreamRequest(head: head, body: String(rest[..<last.lowerBound]), channel: channel)
            received = String(rest[last.upperBound...])
            return request
        }
        let length = request.values("content-length").first.flatMap(Int.init) ?? 0
        guard rest.utf8.count >= length else { return nil }
        let bodyEnd = rest.utf8.index(rest.startIndex, offsetBy: length)
        request = UpstreamRequest(head: head, body: String(rest[..<bodyEnd]), channel: channel)
        received = String(rest[bodyEnd...])
        return request
    }
}

/// True the first time.
final class Once: Sendable {
    private let isTaken = Mutex(false)

    func take() -> Bool {
        isTaken.withLock { isTaken in
            defer { isTaken = true }
            return !isTaken
        }
    }
}

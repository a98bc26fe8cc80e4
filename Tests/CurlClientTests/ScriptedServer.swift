import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// One request as the server read it, and the connection to answer on, in bytes of the test's choice.
struct ServedRequest: Sendable {
    let head: HTTPRequestHead
    let body: ByteBuffer
    /// Counts the server's connections from 0.
    let connection: Int
    let channel: any Channel

    func write(_ text: String) {
        channel.writeAndFlush(ByteBuffer(string: text), promise: nil)
    }

    func write(_ bytes: ByteBuffer) {
        channel.writeAndFlush(bytes, promise: nil)
    }

    func answer(_ body: String, status: String = "200 OK", fields: String = "") {
        write("HTTP/1.1 \(status)\r\n\(fields)Content-Length: \(body.utf8.count)\r\n\r\n\(body)")
    }

    /// A clean end of the connection, after all that was written.
    func close() {
        let channel = channel
        channel.writeAndFlush(ByteBuffer()).whenComplete { _ in channel.close(promise: nil) }
    }

    /// An RST in place of a FIN.
    func reset() {
        let channel = channel
        guard let options = channel as? any SocketOptionProvider else { return }
        channel.writeAndFlush(ByteBuffer()).flatMap {
            options.setSoLinger(linger(l_onoff: 1, l_linger: 0))
        }.whenComplete { _ in channel.close(promise: nil) }
    }
}

/// An HTTP/1.1 server on a free loopback port that does what a test's script says.
final class ScriptedServer: Sendable {
    let port: Int
    private let channel: any Channel
    private let state: State

    final class State: Sendable {
        let served = Mutex<[ServedRequest]>([])
        let accepted = Mutex<[any Channel]>([])
    }

    /// - Parameters:
    ///   - onHead: called with each head; false: the body is not read until the test calls `channel.read()`.
    ///   - script: called with each whole request.
    init(
        on group: any EventLoopGroup,
        onHead: @escaping @Sendable (HTTPRequestHead, any Channel) -> Void = { _, _ in },
        script: @escaping @Sendable (ServedRequest) -> Void
    ) async throws {
        let state = State()
        self.state = state
        channel = try await ServerBootstrap(group: group)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.backlog, value: 1024)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            .childChannelInitializer { channel in
                let connection = state.accepted.withLock { accepted in
                    accepted.append(channel)
                    return accepted.count - 1
                }
                return channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandlers([
                        ByteToMessageHandler(HTTPRequestDecoder()),
                        ScriptHandler(connection: connection, state: state, onHead: onHead, script: script),
                    ])
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        port = channel.localAddress?.port ?? 0
    }

    func url(_ target: String = "/") -> String { "http://127.0.0.1:\(port)\(target)" }

    var served: [ServedRequest] { state.served.withLock { $0 } }
    var connectionCount: Int { state.accepted.withLock { $0.count } }
    var connections: [any Channel] { state.accepted.withLock { $0 } }

    func stop() async {
        try? await channel.close()  // may be closed already
        for connection in connections {
            try? await connection.close()  // likewise
        }
    }
}

private final class ScriptHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = ByteBuffer

    private let connection: Int
    private let state: ScriptedServer.State
    private let onHead: @Sendable (HTTPRequestHead, any Channel) -> Void
    private let script: @Sendable (ServedRequest) -> Void
    private var head: HTTPRequestHead?
    private var body = ByteBuffer()

    init(
        connection: Int,
        state: ScriptedServer.State,
        onHead: @escaping @Sendable (HTTPRequestHead, any Channel) -> Void,
        script: @escaping @Sendable (ServedRequest) -> Void
    ) {
        self.connection = connection
        self.state = state
        self.onHead = onHead
        self.script = script
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            onHead(head, context.channel)
        case .body(var bytes):
            body.writeBuffer(&bytes)
        case .end:
            guard let head else { return }
            let request = ServedRequest(head: head, body: body, connection: connection, channel: context.channel)
            body = ByteBuffer()
            state.served.withLock { $0.append(request) }
            script(request)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }
}

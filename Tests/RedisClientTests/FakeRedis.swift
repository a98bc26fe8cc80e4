import NIOCore
import NIOPosix

/// Listens like a Redis, greets connections, and then answers each read as the test says.
final class FakeRedis: Sendable {
    /// What each connection sent after its greeting, a string a read.
    let reads = Collected<String>()
    let connections = Collected<Void>()
    private let channel: any Channel

    var url: String { "redis://127.0.0.1:\(channel.localAddress?.port ?? 0)" }

    /// - Parameter answer: to what was read, or `nil` for nothing.
    init(greets: Bool = true, answer: @escaping @Sendable (String) -> String?) async throws {
        let reads = reads
        let connections = connections
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    connections.add(())
                    try channel.pipeline.syncOperations.addHandler(
                        Answerer(isGreeted: !greets, reads: reads, answer: answer)
                    )
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
    }

    func stop() async throws { try await channel.close() }

    private final class Answerer: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        private var isGreeted: Bool
        private let reads: Collected<String>
        private let answer: (String) -> String?

        init(isGreeted: Bool, reads: Collected<String>, answer: @escaping (String) -> String?) {
            self.isGreeted = isGreeted
            self.reads = reads
            self.answer = answer
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            let text = String(buffer: unwrapInboundIn(data))
            let reply: String?
            if isGreeted {
                reads.add(text)
                reply = answer(text)
            } else {
                // CLIENT SETNAME, INFO server, INFO memory: they leave in one write.
                isGreeted = true
                reply = "+OK\r\n$15\r\nrun_id:fake\r\n\r\n\r\n$0\r\n\r\n"
            }
            if let reply { context.writeAndFlush(NIOAny(ByteBuffer(string: reply)), promise: nil) }
        }
    }
}

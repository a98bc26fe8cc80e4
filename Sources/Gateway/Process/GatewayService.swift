internal import CurlClient
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import Pacing
internal import RedisClient
internal import ServiceLifecycle

/// Why the gateway does not start.
package enum GatewayStartError: Error, CustomStringConvertible {
    case cannotListen(address: String, reason: String)
    case badRedis(String)
    case noCurl(String)

    package var description: String {
        switch self {
        case .cannotListen(let address, let reason):
            "cannot listen on \(address): \(reason); stop what holds it, or change server.listen"
        case .badRedis(let reason): "redis: \(reason)"
        case .noCurl(let reason): "libcurl cannot be set up: \(reason)"
        }
    }
}

/// The running gateway: its loops, what each of them has, the listeners, and the order in which all of it ends.
struct GatewayService: Service {
    private let configuration: Configuration
    private let logger: Logger

    init(configuration: Configuration, logger: Logger) {
        self.configuration = configuration
        self.logger = logger
    }

    /// - Throws: `GatewayStartError`. Returns after a clean drain.
    func run() async throws {
        let threads = configuration.server.threads > 0 ? configuration.server.threads : System.coreCount
        let group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
        let assembly: Assembly
        do {
            assembly = try await Assembly.make(configuration: configuration, group: group, logger: logger)
        } catch {
            try? await group.shutdownGracefully()
            throw error
        }
        let server = GatewayServer(group: group, pipelines: assembly.pipelines, server: configuration.server)
        do {
            try await listen(server)
        } catch {
            await assembly.close()
            try? await group.shutdownGracefully()
            throw error
        }
        let publishing = Task { await assembly.cluster.run() }
        await assembly.waitForQueues()
        assembly.readiness.enter(.serving)
        await waitForShutdown()
        logger.info("draining")
        assembly.readiness.enter(.draining)
        await server.drain(within: configuration.server.drainTimeout)
        publishing.cancel()
        await publishing.value
        await assembly.close()
        try? await group.shutdownGracefully()
        logger.info("drained")
    }

    private func listen(_ server: GatewayServer) async throws {
        try await listen(server, on: configuration.server.listen, isAdmin: false)
        if let address = configuration.admin.listen { try await listen(server, on: address, isAdmin: true) }
    }

    private func listen(_ server: GatewayServer, on address: ListenAddress, isAdmin: Bool) async throws {
        do {
            let bound = try await server.listen(address, isAdmin: isAdmin)
            logger.info(
                "listening",
                metadata: ["address": "\(bound.map { "\($0)" } ?? address.text)", "admin": "\(isAdmin)"]
            )
        } catch {
            throw GatewayStartError.cannotListen(address: address.text, reason: "\(error)")
        }
    }

    private func waitForShutdown() async {
        let (stream, continuation) = AsyncStream<Void>.makeStream()
        await withGracefulShutdownHandler {
            for await _ in stream {}
        } onGracefulShutdown: {
            continuation.finish()
        }
    }
}

extension ListenAddress {
    package var text: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        }
    }
}

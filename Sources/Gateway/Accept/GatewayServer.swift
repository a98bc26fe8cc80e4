internal import HTTPWire
package import NIOCore
package import NIOPosix
internal import Synchronization

/// The listening sockets, and all connections that came through them.
///
/// Connections are spread over the loops by NIO's acceptor; each stays on its loop.
package final class GatewayServer: Sendable {
    private let group: MultiThreadedEventLoopGroup
    private let pipelines: [NIOLoopBound<Pipeline>]
    private let limits: WireLimits
    private let timeouts: WireTimeouts
    private let connections = ConnectionRegistry()
    private let listeners = Mutex<[any Channel]>([])

    package init(
        group: MultiThreadedEventLoopGroup,
        pipelines: [NIOLoopBound<Pipeline>],
        server: Configuration.Server
    ) {
        self.group = group
        self.pipelines = pipelines
        self.limits = WireLimits(maxHeader: server.maxHeader)
        self.timeouts = WireTimeouts(
            header: TimeAmount(server.headerTimeout),
            idle: TimeAmount(server.idleTimeout),
            client: TimeAmount(server.clientTimeout)
        )
    }

    /// - Throws: `IOError` where the address is taken or not ours.
    /// - Returns: where it listens, with the port that the system chose for port 0.
    package func listen(_ address: ListenAddress, isAdmin: Bool = false) async throws -> SocketAddress? {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 4_096)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .serverChannelOption(.maxMessagesPerRead, value: 64)
            .childChannelOption(.maxMessagesPerRead, value: 1)
            .childChannelOption(.autoRead, value: false)
            .childChannelOption(.writeBufferWaterMark, value: .init(low: 64 << 10, high: 128 << 10))
            .childChannelInitializer { [self] channel in
                channel.eventLoop.makeCompletedFuture { try self.initialize(channel, isAdmin: isAdmin) }
            }
        let channel: any Channel
        switch address {
        case .tcp(let host, let port):
            channel = try await bootstrap.childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
                .bind(host: host, port: port).get()
        case .unix(let path):
            channel = try await bootstrap.bind(unixDomainSocketPath: path, cleanupExistingSocketFile: true).get()
        }
        listeners.withLock { $0.append(channel) }
        return channel.localAddress
    }

    private func initialize(_ channel: any Channel, isAdmin: Bool) throws {
        guard let pipeline = pipelines.first(where: { $0.eventLoop === channel.eventLoop })?.value else {
            preconditionFailure("a connection came on a loop that has no worker")
        }
        let connection = Connection(peer: channel.remoteAddress?.ipAddress ?? "", isAdmin: isAdmin)
        let handler = HTTP1ServerHandler(
            limits: limits,
            timeouts: timeouts,
            delegate: ConnectionDelegate(pipeline: pipeline, connection: connection),
            date: pipeline.date,
            flushes: pipeline.flushes
        )
        try channel.pipeline.syncOperations.addHandler(handler)
        connections.add(channel, drain: NIOLoopBound(handler, eventLoop: channel.eventLoop))
    }

    /// Stops accepting and lets every connection finish its request.
    ///
    /// - Returns: once all are gone, or the time is over; then the rest are cut.
    package func drain(within time: Duration) async {
        for listener in listeners.withLock({ $0 }) { try? await listener.close() }
        connections.drainAll()
        await connections.waitUntilEmpty(within: time)
        connections.closeAll()
    }
}

/// All open connections, so that draining reaches them.
final class ConnectionRegistry: Sendable {
    private struct Entry {
        let channel: any Channel
        let handler: NIOLoopBound<HTTP1ServerHandler>
    }
    private struct State {
        var entries: [ObjectIdentifier: Entry] = [:]
        var isDraining = false
        var waiter: CheckedContinuation<Void, Never>?
    }
    private let state = Mutex(State())

    func add(_ channel: any Channel, drain handler: NIOLoopBound<HTTP1ServerHandler>) {
        let id = ObjectIdentifier(channel)
        let draining = state.withLock { state in
            state.entries[id] = Entry(channel: channel, handler: handler)
            return state.isDraining
        }
        channel.closeFuture.whenComplete { [self] _ in remove(id) }
        if draining { handler.value.drain() }
    }

    private func remove(_ id: ObjectIdentifier) {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.entries[id] = nil
            guard state.entries.isEmpty else { return nil }
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    func drainAll() {
        let entries = state.withLock { state in
            state.isDraining = true
            return Array(state.entries.values)
        }
        for entry in entries {
            entry.channel.eventLoop.execute { entry.handler.value.drain() }
        }
    }

    func waitUntilEmpty(within time: Duration) async {
        let timer = Task {
            try? await Task.sleep(for: time)
            giveUp()
        }
        await withCheckedContinuation { continuation in
            let isEmpty = state.withLock { state in
                if state.entries.isEmpty { return true }
                state.waiter = continuation
                return false
            }
            if isEmpty { continuation.resume() }
        }
        timer.cancel()
    }

    private func giveUp() {
        let waiter = state.withLock { state in
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume()
    }

    func closeAll() {
        for entry in state.withLock({ Array($0.entries.values) }) { entry.channel.close(promise: nil) }
    }
}

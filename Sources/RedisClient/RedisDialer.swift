internal import NIOCore
internal import NIOPosix

/// Opens connections to the servers of one endpoint.
struct RedisDialer {
    private static let timeout = TimeAmount.milliseconds(500)

    let endpoint: RedisEndpoint
    let eventLoop: any EventLoop

    /// Completes on the loop.
    /// - Parameter session: takes the channel over.
    func dial(_ place: RedisPlace, _ session: RedisSession) -> EventLoopFuture<any Channel>.Isolated {
        let bound = NIOLoopBound(session, eventLoop: eventLoop)
        let endpoint = endpoint
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(Self.timeout)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls = endpoint.tls {
                        try channel.pipeline.syncOperations.addHandler(endpoint.makeTLSHandler(tls, to: place))
                    }
                    try channel.pipeline.syncOperations.addHandler(bound.value)
                }
            }
        let channel =
            switch place {
            case .tcp(let host, let port):
                bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1).connect(host: host, port: port)
            case .unix(let path): bootstrap.connect(unixDomainSocketPath: path)
            }
        return channel.hop(to: eventLoop).assumeIsolated()
    }
}

extension RedisSession {
    /// Sends the URL's credentials, if there are any.
    func authenticate(_ url: RedisURL, timeout: TimeAmount, _ done: @escaping Completion) {
        guard let password = url.password else { return }
        let names = url.user.map { [RedisArgument.text($0)] } ?? []
        send(["AUTH"] + names + [.text(password)], timeout: timeout, done)
    }
}

internal import Logging
internal import NIOCore

/// How one link gets to its server.
struct RedisRoute {
    let target: RedisLink.Target
    let greeting: RedisLink.Greeting

    /// - Parameter home: on a cluster the master of this key's slot is the server, else any master is.
    init(_ endpoint: RedisEndpoint, home: String?, eventLoop: any EventLoop, logger: Logger) {
        let dialer = RedisDialer(endpoint: endpoint, eventLoop: eventLoop)
        switch endpoint.url.topology {
        case .single(let place):
            target = .fixed(place)
            greeting = .server
        case .cluster(let seeds):
            target = .found(by: SlotLocator(slot: home.map { KeySlot($0) }, seeds: seeds, dialer: dialer))
            greeting = .master
        case .sentinel(let master, let sentinels):
            target = .found(
                by: SentinelLocator(master: master, sentinels: sentinels, dialer: dialer, logger: logger)
            )
            greeting = .master
        }
    }
}

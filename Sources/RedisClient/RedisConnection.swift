package import Logging
package import NIOCore

/// Whether commands can be sent.
package enum RedisConnectionState: Equatable, Sendable {
    case up(RedisServerInfo)
    case down(RedisError)
}

/// A pipelined connection to Redis that comes back by itself, within a second of Redis's return.
///
/// Behind sentinels it follows the master. On a cluster it is a connection to each master: a script goes to where its first
/// key lies, any other command to where its first argument as a key does, and again to where it is sent on, within its time;
/// a master that is away fails what it serves. With a home key it is one connection, to the master of that key's slot, and
/// follows that: what is asked there is never sent on, so whoever minds the server's `run_id` knows whom it asked.
///
/// One event loop owns it; every call is on that loop, and so is every completion. A completion is called exactly once;
/// where nothing can be sent, before the call returns. Commands that block (BLPOP …) or that change the connection's
/// state (SUBSCRIBE, SELECT, MULTI …) have no place here. Lives until `close`.
package final class RedisConnection {
    package typealias Completion = (Result<RedisReply, RedisError>) -> Void

    package let eventLoop: any EventLoop
    private let instruments = RedisInstruments()
    private let onStateChange: (RedisConnectionState) -> Void
    private var link: RedisLink?
    private var cluster: ClusterClient?
    private var session: RedisSession?

    /// Whether keys lie on several servers.
    package let isCluster: Bool

    /// What the server said of itself last; kept while it is gone.
    package private(set) var server: RedisServerInfo?

    /// Dials at once. On the loop.
    /// - Parameter home: see above; without meaning where there is one Redis.
    /// - Parameter clientName: shown by CLIENT LIST; without spaces.
    /// - Parameter onStateChange: on each change, the first time when it comes up.
    package init(
        endpoint: RedisEndpoint,
        home: String? = nil,
        eventLoop: any EventLoop,
        logger: Logger,
        clientName: String = "sluice",
        onStateChange: @escaping (RedisConnectionState) -> Void = { _ in }
    ) {
        eventLoop.preconditionInEventLoop()
        self.eventLoop = eventLoop
        self.onStateChange = onStateChange
        isCluster = endpoint.isCluster
        if case .cluster(let seeds) = endpoint.url.topology, home == nil {
            let cluster = ClusterClient(
                endpoint: endpoint,
                seeds: seeds,
                eventLoop: eventLoop,
                logger: logger,
                clientName: clientName,
                instruments: instruments,
                onUp: { self.clusterCameUp($0) },
                onDown: { self.wentDown($0) }
            )
            self.cluster = cluster
            cluster.start()
            return
        }
        let route = RedisRoute(endpoint, home: home, eventLoop: eventLoop, logger: logger)
        let link = RedisLink(
            endpoint: endpoint,
            target: route.target,
            greeting: route.greeting,
            eventLoop: eventLoop,
            logger: logger,
            clientName: clientName,
            instruments: instruments,
            onUp: { self.cameUp($0, $1) },
            onDown: { self.wentDown($0) }
        )
        self.link = link
        link.start()
    }

    /// On a cluster: whether any master can be reached.
    package var isUp: Bool { session != nil || cluster?.isUp == true }

    /// Redis's `run_id`; another one means that it was restarted, or that another is the master. `nil` on a cluster, without a
    /// home.
    package var serverRunID: String? { server?.runID }

    package var counters: RedisCounters { instruments.counters }

    /// Told of each reply the time since its command; late ones too.
    package var latencyObserver: ((TimeAmount) -> Void)? {
        get { instruments.latencyObserver }
        set { instruments.latencyObserver = newValue }
    }

    /// Sends one command; all of a tick of the loop leave in one write.
    /// - Parameter timeout: from now to the reply; above zero.
    package func send(_ arguments: [RedisArgument], timeout: TimeAmount, _ done: @escaping Completion) {
        if let session { return session.send(arguments, timeout: timeout, done) }
        guard let cluster else { return refuse(done) }
        cluster.send(.command(arguments), timeout: timeout, done)
    }

    /// Runs a script by its SHA-1, with its source where Redis does not know it.
    /// - Parameter timeout: from now to the reply; above zero.
    package func eval(
        _ script: RedisScript,
        keys: [String],
        arguments: [RedisArgument],
        timeout: TimeAmount,
        _ done: @escaping Completion
    ) {
        eval(script, keyArguments: keys.map { .text($0) }, arguments: arguments, timeout: timeout, done)
    }

    /// The same for keys that are no `String`s.
    package func eval(
        _ script: RedisScript,
        keyArguments: [RedisArgument],
        arguments: [RedisArgument],
        timeout: TimeAmount,
        _ done: @escaping Completion
    ) {
        let call = ScriptCall(script: script, keys: keyArguments, arguments: arguments)
        if let session { return session.eval(call, timeout: timeout, done) }
        guard let cluster else { return refuse(done) }
        cluster.send(.script(call), timeout: timeout, done)
    }

    /// Ends for good: what is unanswered fails with `.connectionLost`, all that comes later with `.notConnected`.
    package func close() {
        eventLoop.preconditionInEventLoop()
        let link = link
        self.link = nil
        link?.close()
        let cluster = cluster
        self.cluster = nil
        cluster?.close()
    }

    private func refuse(_ done: Completion) {
        eventLoop.preconditionInEventLoop()
        instruments.counters.refused += 1
        done(.failure(.notConnected))
    }

    private func cameUp(_ session: RedisSession, _ info: RedisServerInfo) {
        self.session = session
        server = info
        onStateChange(.up(info))
    }

    private func clusterCameUp(_ info: RedisServerInfo) {
        server = info
        onStateChange(.up(info))
    }

    private func wentDown(_ error: RedisError) {
        session = nil
        onStateChange(.down(error))
    }
}

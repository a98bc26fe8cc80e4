package import Logging
package import NIOCore

/// Whether commands can be sent.
package enum RedisConnectionState: Equatable, Sendable {
    case up(RedisServerInfo)
    case down(RedisError)
}

/// A pipelined connection to Redis that comes back by itself, within a second of Redis's return.
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
    private var session: RedisSession?

    /// What the server said of itself last; kept while it is gone.
    package private(set) var server: RedisServerInfo?

    /// Dials at once. On the loop.
    /// - Parameter clientName: shown by CLIENT LIST; without spaces.
    /// - Parameter onStateChange: on each change, the first time when it comes up.
    package init(
        endpoint: RedisEndpoint,
        eventLoop: any EventLoop,
        logger: Logger,
        clientName: String = "sluice",
        onStateChange: @escaping (RedisConnectionState) -> Void = { _ in }
    ) {
        eventLoop.preconditionInEventLoop()
        self.eventLoop = eventLoop
        self.onStateChange = onStateChange
        let link = RedisLink(
            endpoint: endpoint,
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

    package var isUp: Bool { session != nil }

    /// Redis's `run_id`; another one means that it was restarted.
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
        guard let session else { return refuse(done) }
        session.send(arguments, timeout: timeout, done)
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
        guard let session else { return refuse(done) }
        session.eval(
            ScriptCall(script: script, keys: keyArguments, arguments: arguments),
            timeout: timeout,
            done
        )
    }

    /// Ends for good: what is unanswered fails with `.connectionLost`, all that comes later with `.notConnected`.
    package func close() {
        eventLoop.preconditionInEventLoop()
        let link = link
        self.link = nil
        link?.close()
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

    private func wentDown(_ error: RedisError) {
        session = nil
        onStateChange(.down(error))
    }
}

internal import Logging
internal import NIOCore
internal import NIOPosix

/// Keeps one session with Redis up: dials, greets, watches, and dials again. Does what `LinkState` says.
///
/// Loop-confined. Lives until `close`.
final class RedisLink {
    private static let dialTimeout = TimeAmount.milliseconds(500)
    private static let greetingTimeout = TimeAmount.milliseconds(500)
    private static let watchInterval = TimeAmount.seconds(1)
    /// A peer that left a PING unanswered for so long is gone, whatever TCP says.
    private static let silenceLimit = TimeAmount.seconds(3)

    private let endpoint: RedisEndpoint
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let clientName: String
    private let instruments: RedisInstruments
    private let onUp: (RedisSession, RedisServerInfo) -> Void
    private let onDown: (RedisError) -> Void

    private var isClosing = false
    private var state = LinkState()
    private var session: RedisSession?
    private var info = RedisServerInfo()
    private var watch: Scheduled<Void>?

    init(
        endpoint: RedisEndpoint,
        eventLoop: any EventLoop,
        logger: Logger,
        clientName: String,
        instruments: RedisInstruments,
        onUp: @escaping (RedisSession, RedisServerInfo) -> Void,
        onDown: @escaping (RedisError) -> Void
    ) {
        self.endpoint = endpoint
        self.eventLoop = eventLoop
        self.logger = logger
        self.clientName = clientName
        self.instruments = instruments
        self.onUp = onUp
        self.onDown = onDown
    }

    func start() { perform(state.start(), because: .notConnected) }

    func close() {
        isClosing = true
        perform(state.close(), because: .connectionLost)
    }

    private func perform(_ action: LinkState.Action, because error: RedisError) {
        switch action {
        case .none: break
        case .dial(let attempt): dial(attempt: attempt)
        case .greet: greet(attempt: state.attempt)
        case .announceUp: announceUp()
        case .rest(let time, let announceDown):
            hangUp(error, announceDown: announceDown)
            // All replicas lose Redis in the same moment; they need not come back in the same one.
            let shortened = TimeAmount.nanoseconds(Int64(Double(time.nanoseconds) * Double.random(in: 0.5...1)))
            eventLoop.assumeIsolated().scheduleTask(in: shortened) {
                self.perform(self.state.rested(), because: .notConnected)
            }
        case .hangUp(let announceDown): hangUp(error, announceDown: announceDown)
        }
    }

    // MARK: Up

    private func dial(attempt: Int) {
        let session = RedisSession(eventLoop: eventLoop, instruments: instruments) { error in
            self.failed(attempt: attempt, error)
        }
        self.session = session
        let bound = NIOLoopBound(session, eventLoop: eventLoop)
        let endpoint = endpoint
        let bootstrap = ClientBootstrap(group: eventLoop)
            .connectTimeout(Self.dialTimeout)
            .channelOption(.socketOption(.so_keepalive), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls = endpoint.tls {
                        try channel.pipeline.syncOperations.addHandler(endpoint.makeTLSHandler(tls))
                    }
                    try channel.pipeline.syncOperations.addHandler(bound.value)
                }
            }
        let channel =
            switch endpoint.url.place {
            case .tcp(let host, let port):
                bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1).connect(host: host, port: port)
            case .unix(let path): bootstrap.connect(unixDomainSocketPath: path)
            }
        channel.hop(to: eventLoop).assumeIsolated().whenComplete { result in
            switch result {
            case .success(let channel): self.dialled(attempt: attempt, channel)
            case .failure(let error): self.dialFailed(attempt: attempt, error)
            }
        }
    }

    private func dialled(attempt: Int, _ channel: any Channel) {
        let action = state.dialled(attempt: attempt)
        if case .hangUp = action {
            channel.close(promise: nil)
        } else {
            perform(action, because: .notConnected)
        }
    }

    private func dialFailed(attempt: Int, _ error: any Error) {
        if state.failures == 0 {
            logger.warning("cannot reach Redis", metadata: ["redis": "\(endpoint)", "error": "\(error)"])
        }
        failed(attempt: attempt, .notConnected)
    }

    /// All in one write; Redis answers in order.
    private func greet(attempt: Int) {
        guard let session else { return }
        info = RedisServerInfo()
        let timeout = Self.greetingTimeout
        let url = endpoint.url
        if let password = url.password {
            let names = url.user.map { [RedisArgument.text($0)] } ?? []
            session.send(["AUTH"] + names + [.text(password)], timeout: timeout) {
                self.require($0, "AUTH", attempt: attempt)
            }
        }
        if url.database != 0 {
            session.send(["SELECT", .integer(url.database)], timeout: timeout) {
                self.require($0, "SELECT", attempt: attempt)
            }
        }
        // What follows may be forbidden to this user; the connection is of use without.
        session.send(["CLIENT", "SETNAME", .text(clientName)], timeout: timeout) { _ in }
        session.send(["INFO", "server"], timeout: timeout) { self.note($0) }
        session.send(["INFO", "memory"], timeout: timeout) { result in
            self.note(result)
            switch result {
            case .success, .failure(.server): self.perform(self.state.greeted(attempt: attempt), because: .notConnected)
            case .failure(let error): self.failed(attempt: attempt, error)
            }
        }
    }

    private func require(_ result: Result<RedisReply, RedisError>, _ command: String, attempt: Int) {
        guard case .failure(let error) = result else { return }
        if state.failures == 0 {
            logger.error(
                "Redis refuses the connection",
                metadata: ["redis": "\(endpoint)", "command": "\(command)", "error": "\(error)"]
            )
        }
        failed(attempt: attempt, error)
    }

    private func note(_ result: Result<RedisReply, RedisError>) {
        if case .success(let reply) = result, let section = reply.string { info.add(section: section) }
    }

    private func announceUp() {
        guard let session else { return }
        logger.info(
            "connected to Redis",
            metadata: ["redis": "\(endpoint)", "version": "\(info.version ?? "unknown")"]
        )
        scheduleWatch()
        onUp(session, info)
    }

    // MARK: Down

    private func failed(attempt: Int, _ error: RedisError) { perform(state.failed(attempt: attempt), because: error) }

    private func hangUp(_ error: RedisError, announceDown: Bool) {
        watch?.cancel()
        watch = nil
        // Cleared first: the session's end comes back here, and is then about an attempt that is over.
        let ending = session
        session = nil
        ending?.end(error)
        guard announceDown else { return }
        instruments.counters.disconnects += 1
        // Closed by its owner: nothing was lost.
        let level: Logger.Level = isClosing ? .debug : .warning
        logger.log(level: level, "lost Redis", metadata: ["redis": "\(endpoint)", "error": "\(error)"])
        onDown(error)
    }

    private func scheduleWatch() {
        watch = eventLoop.assumeIsolated().scheduleTask(in: Self.watchInterval) { self.look() }
    }

    /// An idle connection is asked for a sign of life; a broken network tells nothing by itself.
    private func look() {
        guard let session else { return }
        let quiet = NIODeadline.now() - session.lastHeard
        if quiet >= Self.silenceLimit { return session.end(.connectionLost) }
        scheduleWatch()
        guard quiet >= Self.watchInterval else { return }
        if session.onPush == nil {
            session.send(["PING"], timeout: Self.watchInterval) { _ in }
        } else {
            session.sendExpectingNoReply(["PING"])
        }
    }
}

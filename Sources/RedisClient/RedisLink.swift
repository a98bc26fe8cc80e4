internal import Logging
internal import NIOCore

/// Keeps one session with Redis up: dials, greets, watches, and dials again. Does what `LinkState` says.
///
/// Loop-confined. Lives until `close`.
final class RedisLink {
    enum Target {
        case fixed(RedisPlace)
        /// Asked before each dial.
        case found(by: any RedisLocator)
    }

    enum Greeting {
        /// Any Redis will do.
        case server
        /// Only one that says that it is a master.
        case master
        /// A sentinel: it has no databases, and seldom a password.
        case sentinel
    }

    private static let greetingTimeout = TimeAmount.milliseconds(500)
    private static let watchInterval = TimeAmount.seconds(1)

    private let endpoint: RedisEndpoint
    private let target: Target
    private let greeting: Greeting
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let clientName: String
    private let instruments: RedisInstruments
    private let onUp: (RedisSession, RedisServerInfo) -> Void
    private let onDown: (RedisError) -> Void
    private let onAttemptFailed: () -> Void

    private var isClosing = false
    private var state = LinkState()
    private var session: RedisSession?
    /// Of the session, or of the last one.
    private var place: RedisPlace?
    private var info = RedisServerInfo()
    private var watch: Scheduled<Void>?
    private var silence = SilenceWatch()

    /// - Parameter onAttemptFailed: a dial or a greeting did not succeed; another follows.
    init(
        endpoint: RedisEndpoint,
        target: Target,
        greeting: Greeting,
        eventLoop: any EventLoop,
        logger: Logger,
        clientName: String,
        instruments: RedisInstruments,
        onUp: @escaping (RedisSession, RedisServerInfo) -> Void,
        onDown: @escaping (RedisError) -> Void,
        onAttemptFailed: @escaping () -> Void = {}
    ) {
        self.endpoint = endpoint
        self.target = target
        self.greeting = greeting
        self.eventLoop = eventLoop
        self.logger = logger
        self.clientName = clientName
        self.instruments = instruments
        self.onUp = onUp
        self.onDown = onDown
        self.onAttemptFailed = onAttemptFailed
    }

    func start() {
        if case .found(let locator) = target { locator.watch { [weak self] in self?.relocate() } }
        perform(state.start(), because: .notConnected)
    }

    /// Leaves a server that is no longer the right one, and looks for that.
    func relocate() {
        guard case .found = target else { return }
        session?.end(.connectionLost)
    }

    func close() {
        isClosing = true
        if case .found(let locator) = target { locator.close() }
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
        switch target {
        case .fixed(let place): dial(attempt: attempt, place)
        case .found(let locator):
            locator.locate { [weak self] place in
                guard let self, state.isDialling(attempt: attempt) else { return }
                if let place { return dial(attempt: attempt, place) }
                dialFailed(attempt: attempt, RedisError.notConnected)
            }
        }
    }

    private func dial(attempt: Int, _ place: RedisPlace) {
        self.place = place
        let session = RedisSession(eventLoop: eventLoop, instruments: instruments) { error in
            self.failed(attempt: attempt, error)
        }
        self.session = session
        RedisDialer(endpoint: endpoint, eventLoop: eventLoop).dial(place, session).whenComplete { result in
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
            logger.warning("cannot reach Redis", metadata: ["redis": "\(name)", "error": "\(error)"])
        }
        failed(attempt: attempt, .notConnected)
    }

    /// All in one write; Redis answers in order.
    private func greet(attempt: Int) {
        guard let session else { return }
        info = RedisServerInfo()
        let timeout = Self.greetingTimeout
        let url = endpoint.url
        session.authenticate(url, timeout: timeout) {
            if self.greeting != .sentinel { self.require($0, "AUTH", attempt: attempt) }
        }
        if greeting == .master { session.send(["ROLE"], timeout: timeout) { self.requireMaster($0, attempt: attempt) } }
        if url.database != 0, greeting != .sentinel {
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
                metadata: ["redis": "\(name)", "command": "\(command)", "error": "\(error)"]
            )
        }
        failed(attempt: attempt, error)
    }

    /// Who was promoted a moment ago may not know yet, and who was demoted is still named by some.
    private func requireMaster(_ result: Result<RedisReply, RedisError>, attempt: Int) {
        // Where the command is not allowed to this user, the first refused write tells.
        guard case .success(let reply) = result, reply.array?.first?.string != "master" else { return }
        failed(attempt: attempt, .notConnected)
    }

    private func note(_ result: Result<RedisReply, RedisError>) {
        if case .success(let reply) = result, let section = reply.string { info.add(section: section) }
    }

    private func announceUp() {
        guard let session else { return }
        logger.info(
            "connected to Redis",
            metadata: ["redis": "\(name)", "version": "\(info.version ?? "unknown")"]
        )
        if case .found = target {
            session.onServerError = { [weak self] error in if error.isMisplaced { self?.relocate() } }
        }
        silence = SilenceWatch()
        scheduleWatch()
        onUp(session, info)
    }

    /// For logs.
    private var name: String {
        switch endpoint.url.topology {
        case .single: "\(endpoint)"
        case .cluster, .sentinel: place?.description ?? "\(endpoint)"
        }
    }

    // MARK: Down

    private func failed(attempt: Int, _ error: RedisError) {
        let action = state.failed(attempt: attempt)
        perform(action, because: error)
        if case .rest(_, announceDown: false) = action { onAttemptFailed() }
    }

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
        logger.log(level: level, "lost Redis", metadata: ["redis": "\(name)", "error": "\(error)"])
        onDown(error)
    }

    private func scheduleWatch() {
        watch = eventLoop.assumeIsolated().scheduleTask(in: Self.watchInterval) { self.look() }
    }

    /// An idle connection is asked for a sign of life; a broken network tells nothing by itself.
    private func look() {
        guard let session else { return }
        state.settled()
        switch silence.look(lastHeard: session.lastHeard) {
        case .gone: return session.end(.connectionLost)
        case .fine: return scheduleWatch()
        case .ask: scheduleWatch()
        }
        if session.onPush == nil {
            session.send(["PING"], timeout: Self.watchInterval) { _ in }
        } else {
            session.sendExpectingNoReply(["PING"])
        }
    }
}

/// One connection to Postgres, lent out by the pool to one caller at a time. It runs on the reactor's thread.
///
/// Statements go out unnamed in the extended protocol and no state is left in the session, so PgBouncer may give every
/// transaction another server.
package actor PostgresConnection {
    package nonisolated var unownedExecutor: UnownedSerialExecutor { SocketReactor.shared.asUnownedSerialExecutor() }

    /// nil once closed.
    private var handle: PostgresHandle?
    private var isQuerying = false
    private let queryTimeout: Duration
    private let observe: QueryObserver?

    /// - Parameter observe: told how long each statement took, on the reactor's thread.
    init(queryTimeout: Duration, observe: QueryObserver?) {
        self.queryTimeout = queryTimeout
        self.observe = observe
    }

    /// Connects to the first address that answers and suits, trying all of all hosts in turn.
    ///
    /// - Throws: `.unreachable` with the last address's reason; `.cancelled`.
    func connect(to endpoint: PostgresEndpoint) async throws(PostgresError) {
        var failure = PostgresError.unreachable("no address")
        for host in endpoint.hosts {
            do throws(PostgresError) {
                for address in try await host.addresses() {
                    do throws(PostgresError) {
                        return try await connect(to: address, endpoint)
                    } catch {
                        failure = error
                    }
                    if Task.isCancelled { throw .cancelled }
                }
            } catch {
                failure = error
            }
            if Task.isCancelled { throw .cancelled }
        }
        throw failure
    }

    /// Runs one statement.
    ///
    /// - Parameters:
    ///   - sql: a single statement with `$1`, `$2` …
    ///   - timeout: default: the pool's.
    /// - Throws: `.server`; `.connectionLost`; `.timedOut` and `.cancelled`, after which the connection is closed.
    @discardableResult
    package func query(
        _ sql: String,
        _ parameters: [PostgresParameter] = [],
        timeout: Duration? = nil
    ) async throws(PostgresError) -> PostgresRows {
        precondition(!isQuerying, "two statements at a time on one connection")
        isQuerying = true
        defer { isQuerying = false }
        let start = ContinuousClock.now
        let timeout = timeout ?? queryTimeout
        let result: Result<PostgresRows, PostgresError>
        do throws(PostgresError) {
            result = .success(try await run(sql, parameters, start: start, timeout: timeout))
        } catch {
            result = .failure(error)
            if error.closesConnection { close() }
        }
        observe?(start.duration(to: .now), result.isSuccess)
        return try result.get()
    }

    func close() {
        handle = nil
    }

    /// Whether the next caller may have it. Costs no round trip.
    ///
    /// An idle session has nothing to say: what came in is either its end or the word that announces it.
    func isReusable() -> Bool {
        guard let handle else { return false }
        return handle.isIdle && !handle.hasFailed && !handle.hasInput
    }

    /// One round trip, for connections that have been idle for long: a firewall may have forgotten them.
    func probe(timeout: Duration) async -> Bool {
        do throws(PostgresError) {
            _ = try await query("SELECT 1", timeout: timeout)
            return true
        } catch {
            close()
            return false
        }
    }

    private func connect(to address: PostgresAddress, _ endpoint: PostgresEndpoint) async throws(PostgresError) {
        let deadline = ContinuousClock.now + endpoint.connectTimeout
        let handle = try PostgresHandle(connectingTo: address, parameters: endpoint.parameters)
        guard !handle.hasFailed else { throw .unreachable(handle.errorText) }
        var progress = PostgresHandle.Progress.wantsWrite
        while true {
            let interest: SocketInterest
            switch progress {
            case .done:
                self.handle = handle
                return
            case .failed: throw .unreachable(handle.errorText)
            case .wantsRead: interest = .read
            case .wantsWrite: interest = .write
            }
            switch await SocketReactor.shared.wait(on: handle.socket, for: interest, until: deadline) {
            case .ready: progress = handle.continueConnecting()
            case .timedOut:
                throw .unreachable(
                    "\(address.address ?? address.host.name): no answer within \(endpoint.connectTimeout)"
                )
            case .cancelled: throw .cancelled
            case .failed(let errno): throw .unreachable("epoll: errno \(errno)")
            }
        }
    }

    private func run(
        _ sql: String,
        _ parameters: [PostgresParameter],
        start: ContinuousClock.Instant,
        timeout: Duration
    ) async throws(PostgresError) -> PostgresRows {
        if Task.isCancelled { throw .cancelled }
        guard let handle else { throw .connectionLost(sent: false, "closed") }
        guard handle.send(sql, parameters) else { throw .connectionLost(sent: false, handle.errorText) }
        let deadline = start + timeout
        while true {
            let progress = handle.flush()
            if progress == .failed { throw .connectionLost(sent: true, handle.errorText) }
            if progress == .done { break }
            // A server that cannot get rid of its answers reads no more: both ways must move.
            try await wait(handle, for: .readOrWrite, until: deadline, timeout)
        }
        return try await receive(handle, until: deadline, timeout)
    }

    private func receive(
        _ handle: PostgresHandle,
        until deadline: ContinuousClock.Instant,
        _ timeout: Duration
    ) async throws(PostgresError) -> PostgresRows {
        var last: Result<ResultMemory, PostgresError>?
        while true {
            while handle.isBusy { try await wait(handle, for: .read, until: deadline, timeout) }
            guard let result = handle.nextResult() else { break }
            // The first error is the cause of those that follow.
            if case .failure = last { continue }
            last = result
        }
        switch last {
        case .success(let memory): return PostgresRows(memory)
        case .failure(let error): throw error
        case nil: throw .connectionLost(sent: true, handle.errorText)
        }
    }

    private func wait(
        _ handle: PostgresHandle,
        for interest: SocketInterest,
        until deadline: ContinuousClock.Instant,
        _ timeout: Duration
    ) async throws(PostgresError) {
        switch await SocketReactor.shared.wait(on: handle.socket, for: interest, until: deadline) {
        case .ready(let readable, _):
            if readable && !handle.consumeInput() { throw .connectionLost(sent: true, handle.errorText) }
        case .timedOut:
            stop(handle)
            throw .timedOut(after: timeout)
        case .cancelled:
            stop(handle)
            throw .cancelled
        case .failed(let errno):
            throw .connectionLost(sent: true, "epoll: errno \(errno)")
        }
    }

    /// Has the server stop. The connection is not used again, so a cancel that arrives late can hit nobody else's statement; it stays
    /// open until the request is through, as PgBouncer drops that of a client which has gone.
    private func stop(_ handle: PostgresHandle) {
        guard let request = handle.cancelRequest() else { return }
        Task { await end(handle, by: request) }
    }

    private func end(_ handle: PostgresHandle, by request: CancelRequest) async {
        await BlockingCall.run { request.send() }
        withExtendedLifetime(handle) {}
    }
}

/// How long a statement took, and whether it succeeded.
package typealias QueryObserver = @Sendable (_ duration: Duration, _ succeeded: Bool) -> Void

extension PostgresError {
    /// Whether the session's state is unknown, or of no use, after this error.
    fileprivate var closesConnection: Bool {
        switch self {
        case .connectionLost, .timedOut, .cancelled: true
        default: isReadOnly
        }
    }
}

extension Result {
    fileprivate var isSuccess: Bool {
        if case .success = self { true } else { false }
    }
}

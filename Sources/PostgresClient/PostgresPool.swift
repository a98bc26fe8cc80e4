package import Logging

/// Lends connections: `size` that stay, `overflow` more under load. Each is checked before use.
///
/// It runs on the reactor's thread like its connections, so lending one costs no switch of threads.
package actor PostgresPool {
    package nonisolated var unownedExecutor: UnownedSerialExecutor { SocketReactor.shared.asUnownedSerialExecutor() }

    private let endpoint: PostgresEndpoint
    private let limits: PoolLimits
    private let queryTimeout: Duration
    private let observe: QueryObserver?
    private let logger: Logger
    private var state: PoolState
    private var connections: [PoolState.ConnectionID: PostgresConnection] = [:]
    private var waiters: [PoolState.WaiterID: CheckedContinuation<Result<Lease, PostgresError>, Never>] = [:]
    private var alarm: (time: ContinuousClock.Instant, task: Task<Void, Never>)?

    /// - Parameters:
    ///   - queryTimeout: of one statement.
    ///   - observe: told how long each statement took, on the reactor's thread.
    package init(
        endpoint: PostgresEndpoint,
        limits: PoolLimits = PoolLimits(),
        queryTimeout: Duration = .seconds(10),
        logger: Logger,
        observe: QueryObserver? = nil
    ) {
        self.endpoint = endpoint
        self.limits = limits
        self.queryTimeout = queryTimeout
        self.observe = observe
        self.logger = logger
        state = PoolState(limits: limits)
    }

    package var counts: PoolCounts { state.counts }

    /// Until when who asks now may wait for a connection. Work that needs several, one after the other, passes it to each
    /// of its statements: they wait no longer than that together, and what asks after it for `PoolLimits.minWait`.
    package nonisolated var waitLimit: ContinuousClock.Instant { .now + limits.maxWait }

    /// Lends a connection for as long as `body` runs.
    ///
    /// - Parameter limit: of the wait; default: `waitLimit`.
    /// - Throws: `PostgresError.noConnection` after `maxWait`, sooner in an outage; what `body` throws.
    package nonisolated func withConnection<Value>(
        until limit: ContinuousClock.Instant? = nil,
        _ body: (PostgresConnection) async throws -> Value
    ) async throws -> Value {
        let lease = try await lease(until: limit ?? waitLimit)
        do {
            let value = try await body(lease.connection)
            await giveBack(lease)
            return value
        } catch {
            await giveBack(lease, after: error as? PostgresError)
            throw error
        }
    }

    /// Ends all idle connections; those in use end when they come back. Who waits, or comes later, is refused.
    package func close() async {
        let (idle, refused) = state.close()
        for waiter in refused {
            waiters.removeValue(forKey: waiter)?.resume(returning: .failure(.noConnection(.closed)))
        }
        for id in idle { await connections.removeValue(forKey: id)?.close() }
        alarm?.task.cancel()
        alarm = nil
    }

    func lease(until limit: ContinuousClock.Instant) async throws(PostgresError) -> Lease {
        let deadline = state.deadline(limit: limit, now: .now)
        while true {
            if Task.isCancelled { throw .cancelled }
            let waiter = state.newWaiter()
            switch state.acquire(waiter, now: .now) {
            case .refuse(let reason):
                throw .noConnection(reason)
            case .use(let id, let mustProbe):
                guard let connection = connections[id] else { preconditionFailure("a connection that is not there") }
                if await connection.isReusable() {
                    guard mustProbe else { return Lease(id: id, connection: connection) }
                    // Half the wait, so that after a dead connection there is time for another.
                    let timeout = min(limits.maxWait / 2, ContinuousClock.now.duration(to: deadline))
                    if timeout > .zero, await connection.probe(timeout: timeout) {
                        return Lease(id: id, connection: connection)
                    }
                }
                state.lost(id)
                await connections.removeValue(forKey: id)?.close()
                if mustProbe, ContinuousClock.now >= deadline { throw .noConnection(.waitedTooLong) }
            case .wait:
                return try await wait(as: waiter, until: deadline).get()
            }
        }
    }

    func giveBack(_ lease: Lease, after error: PostgresError? = nil) async {
        if error?.isReadOnly == true {
            logger.warning("Postgres is read-only here; dropping its connections")
            for id in state.outdateAll() { await connections.removeValue(forKey: id)?.close() }
        }
        let isReusable = await lease.connection.isReusable()
        await settle(state.returned(lease.id, reusable: isReusable, now: .now))
    }

    private func wait(
        as waiter: PoolState.WaiterID,
        until deadline: ContinuousClock.Instant
    ) async -> Result<Lease, PostgresError> {
        let timer = Task {
            // Cancelled once the wait is over.
            guard (try? await Task.sleep(until: deadline, clock: .continuous)) != nil else { return }
            end(waiter, .noConnection(.waitedTooLong))
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                waiters[waiter] = continuation
                pump()
            }
        } onCancel: {
            Task { await end(waiter, .cancelled) }
        }
    }

    private func end(_ waiter: PoolState.WaiterID, _ error: PostgresError) {
        guard state.left(waiter) else { return }
        waiters.removeValue(forKey: waiter)?.resume(returning: .failure(error))
    }

    private func settle(_ decision: PoolState.Return) async {
        switch decision {
        case .hand(let id, let waiter):
            guard let connection = connections[id], let continuation = waiters.removeValue(forKey: waiter) else {
                preconditionFailure("a waiter or a connection that is not there")
            }
            continuation.resume(returning: .success(Lease(id: id, connection: connection)))
        case .park:
            break
        case .close(let id):
            await connections.removeValue(forKey: id)?.close()
        }
        pump()
    }

    /// Does what has become due: opens and closes connections, and sets the alarm for the next time.
    private func pump() {
        let now = ContinuousClock.now
        for id in state.connectionsToClose(now: now) {
            guard let connection = connections.removeValue(forKey: id) else { continue }
            Task { await connection.close() }
        }
        for id in state.connectsDue(now: now) { Task { await open(id) } }
        setAlarm()
    }

    private func open(_ id: PoolState.ConnectionID) async {
        let connection = PostgresConnection(queryTimeout: queryTimeout, observe: observe)
        do throws(PostgresError) {
            try await connection.connect(to: endpoint)
            connections[id] = connection
            await settle(state.connected(id, now: .now))
        } catch {
            state.connectFailed(id, jitter: .random(in: 0.75...1.25), now: .now)
            logger.warning("cannot connect to Postgres", metadata: ["reason": "\(error)"])
            pump()
        }
    }

    private func setAlarm() {
        let time = state.nextWake()
        guard time != alarm?.time else { return }
        alarm?.task.cancel()
        alarm = time.map { time in
            let task = Task {
                // Cancelled when another time was set.
                guard (try? await Task.sleep(until: time, clock: .continuous)) != nil else { return }
                alarm = nil
                pump()
            }
            return (time, task)
        }
    }
}

/// A connection on loan.
struct Lease: Sendable {
    let id: PoolState.ConnectionID
    let connection: PostgresConnection
}

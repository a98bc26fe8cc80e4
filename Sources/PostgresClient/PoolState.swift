internal import DequeModule

/// How large the pool may become and how long things may last.
package struct PoolLimits: Sendable {
    /// Connections that stay open.
    package var size: Int
    /// Further ones under load, closed when they have been idle for `overflowIdle`.
    package var overflow: Int
    /// Callers that may wait for a connection; more are refused at once.
    package var maxWaiting = 1_000
    /// From asking to getting a connection.
    package var maxWait = Duration.seconds(5)
    /// So long, or `maxWait` where that is less, may also wait who asks when its time is over: an attempt before it took
    /// it, or Postgres has been out of reach for `maxWait`.
    package var minWait = Duration.milliseconds(500)
    package var overflowIdle = Duration.seconds(10)
    /// A connection that was idle for longer is probed with a round trip before use.
    package var probeAfter = Duration.seconds(5)
    /// Older connections are replaced, so that after a failover or a change of addresses the load moves.
    package var maxAge = Duration.seconds(30 * 60)
    /// Pause between attempts to connect while they fail: doubles from the first to the second value.
    package var backoff = Duration.milliseconds(100)...Duration.seconds(2)

    package init(size: Int = 20, overflow: Int = 40) {
        self.size = size
        self.overflow = overflow
    }
}

/// The pool's decisions, without I/O: who gets which connection, when one is opened or closed. Times are passed in.
///
/// After each event the owner asks `connectsDue` and `nextWake`.
package struct PoolState {
    package typealias Instant = ContinuousClock.Instant

    package enum Acquisition: Equatable {
        /// Probe it first if it was idle for long. A connection found dead is reported by `lost`; then ask again.
        case use(ConnectionID, probe: Bool)
        case wait
        case refuse(PostgresError.NoConnection)
    }

    package enum Return: Equatable {
        case hand(ConnectionID, to: WaiterID)
        case park
        case close(ConnectionID)
    }

    package struct ConnectionID: Hashable, Sendable { package let number: Int }
    package struct WaiterID: Hashable, Sendable { package let number: Int }

    private struct Connection {
        var phase: Phase
        let openedAt: Instant
        var isOutdated = false
    }

    private enum Phase { case connecting, idle(since: Instant), leased }

    private let limits: PoolLimits
    private var connections: [ConnectionID: Connection] = [:]
    /// Newest last, and used first: what is idle longest stays so and can be closed.
    private var idle: [ConnectionID] = []
    /// In order of arrival; those that left are still in it until their turn comes, so that leaving costs no search.
    private var queue = Deque<WaiterID>()
    private var waiting: Set<WaiterID> = []
    private var lastNumber = 0
    private var failures = 0
    private var retryAt: Instant?
    /// When the first attempt of an unbroken row of failures to connect failed.
    private var awaySince: Instant?
    package private(set) var isClosed = false

    package init(limits: PoolLimits) {
        self.limits = limits
    }

    package var counts: PoolCounts {
        PoolCounts(
            inUse: connections.values.count { if case .leased = $0.phase { true } else { false } },
            idle: idle.count,
            connecting: connecting,
            waiting: waiting.count
        )
    }

    /// Those that wait, and those that left and are not forgotten yet.
    package var queueLength: Int { queue.count }

    package mutating func newWaiter() -> WaiterID {
        lastNumber += 1
        return WaiterID(number: lastNumber)
    }

    /// Until when who asks now may wait: an outage is waited out once, not by each caller and each of its retries anew.
    ///
    /// - Parameter limit: the caller's own. `minWait` is there beyond it too: what is asked for again after the caller's
    ///   statements took all of its time must not fail while Postgres answers.
    package func deadline(limit: Instant, now: Instant) -> Instant {
        let longest = (awaySince ?? now) + limits.maxWait
        return max(min(limit, longest), now + min(limits.minWait, limits.maxWait))
    }

    package mutating func acquire(_ waiter: WaiterID, now: Instant) -> Acquisition {
        guard !isClosed else { return .refuse(.closed) }
        if let id = idle.popLast(), case .idle(let since)? = connections[id]?.phase {
            connections[id]?.phase = .leased
            return .use(id, probe: since.duration(to: now) >= limits.probeAfter)
        }
        guard waiting.count < limits.maxWaiting else { return .refuse(.tooManyWaiting) }
        queue.append(waiter)
        waiting.insert(waiter)
        return .wait
    }

    /// A leased connection comes back.
    package mutating func returned(_ id: ConnectionID, reusable: Bool, now: Instant) -> Return {
        guard let connection = connections[id] else { return .close(id) }
        let age = connection.openedAt.duration(to: now)
        guard reusable, !isClosed, !connection.isOutdated, age < limits.maxAge else {
            connections[id] = nil
            return .close(id)
        }
        return offer(id, now: now)
    }

    /// A connection that `connectsDue` named is open.
    package mutating func connected(_ id: ConnectionID, now: Instant) -> Return {
        failures = 0
        retryAt = nil
        awaySince = nil
        guard !isClosed, connections[id] != nil else {
            connections[id] = nil
            return .close(id)
        }
        return offer(id, now: now)
    }

    /// - Parameter jitter: 0.75…1.25, so that replicas do not all come back in the same instant.
    package mutating func connectFailed(_ id: ConnectionID, jitter: Double, now: Instant) {
        connections[id] = nil
        let pause = min(limits.backoff.lowerBound * (1 << min(failures, 16)), limits.backoff.upperBound)
        failures += 1
        awaySince = awaySince ?? now
        retryAt = now + pause * jitter
    }

    /// A connection handed out turned out to be dead.
    package mutating func lost(_ id: ConnectionID) {
        connections[id] = nil
    }

    /// A waiter was cancelled or ran out of time. False: it has its connection already.
    package mutating func left(_ waiter: WaiterID) -> Bool {
        guard waiting.remove(waiter) != nil else { return false }
        // Where nobody's turn comes, those that left would pile up.
        if queue.count > 2 * waiting.count + 16 { queue.removeAll { !waiting.contains($0) } }
        return true
    }

    /// Connections to open now: one a waiter, within the limits; a single one at a time while Postgres refuses.
    package mutating func connectsDue(now: Instant) -> [ConnectionID] {
        var due: [ConnectionID] = []
        while canConnect(now: now) {
            lastNumber += 1
            let id = ConnectionID(number: lastNumber)
            connections[id] = Connection(phase: .connecting, openedAt: now)
            due.append(id)
        }
        return due
    }

    /// Idle connections that are not needed any more: overflow idle for long, or too old. They are gone from the pool.
    package mutating func connectionsToClose(now: Instant) -> [ConnectionID] {
        var closing: [ConnectionID] = []
        for id in idle {
            guard let connection = connections[id], case .idle(let since) = connection.phase else { continue }
            let isSurplus = connections.count > limits.size && since.duration(to: now) >= limits.overflowIdle
            if isSurplus || connection.openedAt.duration(to: now) >= limits.maxAge {
                connections[id] = nil
                closing.append(id)
            }
        }
        idle.removeAll { connections[$0] == nil }
        return closing
    }

    /// When the owner has to look again though nothing happened.
    package func nextWake() -> Instant? {
        var times: [Instant] = []
        if let retryAt, !waiting.isEmpty, connecting == 0 { times.append(retryAt) }
        for id in idle {
            guard let connection = connections[id], case .idle(let since) = connection.phase else { continue }
            times.append(connection.openedAt + limits.maxAge)
            if connections.count > limits.size { times.append(since + limits.overflowIdle) }
        }
        return times.min()
    }

    /// The server became a standby: what is idle is to be closed, what is in use will be when it comes back.
    package mutating func outdateAll() -> [ConnectionID] {
        for id in connections.keys { connections[id]?.isOutdated = true }
        defer { idle = [] }
        for id in idle { connections[id] = nil }
        return idle
    }

    /// Ends the pool: idle connections to close, waiters to refuse. Leased ones are closed as they come back.
    package mutating func close() -> (connections: [ConnectionID], waiters: [WaiterID]) {
        isClosed = true
        defer {
            idle = []
            queue = []
            waiting = []
        }
        for id in idle { connections[id] = nil }
        return (idle, queue.filter(waiting.contains))
    }

    private var connecting: Int {
        connections.values.count { if case .connecting = $0.phase { true } else { false } }
    }

    private func canConnect(now: Instant) -> Bool {
        guard !isClosed, connections.count < limits.size + limits.overflow, connecting < waiting.count else {
            return false
        }
        guard failures > 0 else { return true }
        return connecting == 0 && now >= (retryAt ?? now)
    }

    private mutating func offer(_ id: ConnectionID, now: Instant) -> Return {
        while let waiter = queue.popFirst() {
            guard waiting.remove(waiter) != nil else { continue }
            connections[id]?.phase = .leased
            return .hand(id, to: waiter)
        }
        connections[id]?.phase = .idle(since: now)
        idle.append(id)
        return .park
    }
}

/// What the pool holds at the moment.
package struct PoolCounts: Equatable, Sendable {
    package var inUse = 0
    package var idle = 0
    package var connecting = 0
    package var waiting = 0

    package init(inUse: Int = 0, idle: Int = 0, connecting: Int = 0, waiting: Int = 0) {
        self.inUse = inUse
        self.idle = idle
        self.connecting = connecting
        self.waiting = waiting
    }
}

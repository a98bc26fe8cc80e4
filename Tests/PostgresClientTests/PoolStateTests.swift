import PostgresClient
import Testing

@Suite struct PoolStateTests {
    private let start = ContinuousClock.now

    @Test("A pool opens one connection a waiter, up to size and overflow")
    func growth() {
        var state = PoolState(limits: PoolLimits(size: 2, overflow: 1))
        for _ in 0..<5 { #expect(state.wait(at: start) != nil) }
        let first = state.connectsDue(now: start)
        let second = state.connectsDue(now: start)
        #expect(first.count == 3)
        #expect(second.isEmpty)
        #expect(state.counts == PoolCounts(connecting: 3, waiting: 5))
    }

    @Test("A connection that comes back goes to who has waited longest")
    func order() {
        var state = PoolState(limits: PoolLimits(size: 1, overflow: 0))
        let connection = state.openOne(at: start)
        let first = state.wait(at: start)
        let second = state.wait(at: start)
        let handed = state.returned(connection, reusable: true, now: start)
        let next = state.returned(connection, reusable: true, now: start)
        let last = state.returned(connection, reusable: true, now: start)
        #expect(handed == .hand(connection, to: first!))
        #expect(next == .hand(connection, to: second!))
        #expect(last == .park)
    }

    @Test("Who left the queue gets no connection")
    func leaving() {
        var state = PoolState(limits: PoolLimits(size: 1, overflow: 0))
        let connection = state.openOne(at: start)
        let first = state.wait(at: start)
        let second = state.wait(at: start)
        let left = state.left(first!)
        let leftTwice = state.left(first!)
        let handed = state.returned(connection, reusable: true, now: start)
        #expect(left)
        #expect(!leftTwice)
        #expect(handed == .hand(connection, to: second!))
    }

    @Test("More waiters than allowed are refused at once")
    func bound() {
        var limits = PoolLimits(size: 1, overflow: 0)
        limits.maxWaiting = 2
        var state = PoolState(limits: limits)
        _ = state.wait(at: start)
        _ = state.wait(at: start)
        let refused = state.acquire(state.newWaiter(), now: start)
        #expect(refused == .refuse(.tooManyWaiting))
    }

    @Test("The connection used last is used first, and probed only after it was idle for long")
    func reuse() {
        var state = PoolState(limits: PoolLimits(size: 2, overflow: 0))
        let (first, second) = state.openTwo(at: start)
        _ = state.returned(first, reusable: true, now: start)
        _ = state.returned(second, reusable: true, now: start)
        let soon = state.acquire(state.newWaiter(), now: start + .seconds(4))
        let late = state.acquire(state.newWaiter(), now: start + .seconds(6))
        #expect(soon == .use(second, probe: false))
        #expect(late == .use(first, probe: true))
    }

    @Test("Overflow is closed once it has been idle, the rest stays until it is old")
    func shrinking() {
        var state = PoolState(limits: PoolLimits(size: 1, overflow: 1))
        let (first, second) = state.openTwo(at: start)
        _ = state.returned(first, reusable: true, now: start)
        _ = state.returned(second, reusable: true, now: start + .seconds(1))
        let wake = state.nextWake()
        let early = state.connectionsToClose(now: start + .seconds(9))
        let due = state.connectionsToClose(now: start + .seconds(12))
        let rest = state.connectionsToClose(now: start + .seconds(60))
        let old = state.connectionsToClose(now: start + .seconds(1_801))
        #expect(wake == start + .seconds(10))
        #expect(early.isEmpty)
        #expect(due == [first])
        #expect(rest.isEmpty)
        #expect(old == [second])
    }

    @Test("A broken, old or outdated connection is closed when it comes back, and replaced for who waits")
    func replacement() {
        var state = PoolState(limits: PoolLimits(size: 2, overflow: 0))
        let (first, second) = state.openTwo(at: start)
        _ = state.wait(at: start)
        let broken = state.returned(first, reusable: false, now: start)
        let replacements = state.connectsDue(now: start)
        _ = state.outdateAll()
        let outdated = state.returned(second, reusable: true, now: start)
        #expect(broken == .close(first))
        #expect(replacements.count == 1)
        #expect(outdated == .close(second))
    }

    @Test("While Postgres refuses, one attempt at a time is made, at growing intervals")
    func backoff() {
        var state = PoolState(limits: PoolLimits(size: 3, overflow: 0))
        for _ in 0..<3 { _ = state.wait(at: start) }
        for connection in state.connectsDue(now: start) { state.connectFailed(connection, jitter: 1, now: start) }
        var pauses: [Duration] = []
        var now = start
        for _ in 0..<5 {
            let early = state.connectsDue(now: now)
            #expect(early.isEmpty)
            guard let wake = state.nextWake() else { break }
            pauses.append(now.duration(to: wake))
            now = wake
            let due = state.connectsDue(now: now)
            #expect(due.count == 1)
            state.connectFailed(due[0], jitter: 1, now: now)
        }
        #expect(pauses == [.milliseconds(400), .milliseconds(800), .milliseconds(1_600), .seconds(2), .seconds(2)])
    }

    @Test("An outage is waited out once: who asks later in it is refused soon, until Postgres answers again")
    func outage() throws {
        var state = PoolState(limits: Self.waits)
        #expect(state.wait(limit: .seconds(60), at: start) == .seconds(5))
        _ = state.wait(at: start)
        let first = try #require(state.connectsDue(now: start).first)
        state.connectFailed(first, jitter: 1, now: start + .seconds(1))
        #expect(state.wait(limit: .seconds(60), at: start + .seconds(1)) == .seconds(5))
        #expect(state.wait(limit: .seconds(60), at: start + .seconds(4)) == .seconds(2))
        let second = try #require(state.connectsDue(now: start + .seconds(4)).first)
        state.connectFailed(second, jitter: 1, now: start + .seconds(4))
        #expect(state.wait(limit: .seconds(60), at: start + .seconds(30)) == .milliseconds(500))
        let third = try #require(state.connectsDue(now: start + .seconds(30)).first)
        _ = state.connected(third, now: start + .seconds(30))
        #expect(state.wait(limit: .seconds(60), at: start + .seconds(30)) == .seconds(5))
    }

    @Test("Who asks may wait as long as its work may, and for a moment where its time is over")
    func ownLimit() {
        var limits = Self.waits
        let state = PoolState(limits: limits)
        #expect(state.wait(limit: .seconds(3), at: start) == .seconds(3))
        #expect(state.wait(limit: .milliseconds(100), at: start) == .milliseconds(500))
        #expect(state.wait(limit: .seconds(-60), at: start) == .milliseconds(500))
        limits.maxWait = .milliseconds(200)
        #expect(PoolState(limits: limits).wait(limit: .seconds(-60), at: start) == .milliseconds(200))
    }

    @Test("Once Postgres answers again, all who wait get connections")
    func recovery() {
        var state = PoolState(limits: PoolLimits(size: 3, overflow: 0))
        let waiters = (0..<3).compactMap { _ in state.wait(at: start) }
        for connection in state.connectsDue(now: start) { state.connectFailed(connection, jitter: 1, now: start) }
        let now = start + .seconds(1)
        let attempt = state.connectsDue(now: now)
        let handed = state.connected(attempt[0], now: now)
        let more = state.connectsDue(now: now)
        #expect(handed == .hand(attempt[0], to: waiters[0]))
        #expect(more.count == 2)
    }

    @Test("A closed pool refuses, and closes what comes back")
    func closing() {
        var state = PoolState(limits: PoolLimits(size: 1, overflow: 0))
        let connection = state.openOne(at: start)
        let waiter = state.wait(at: start)
        let (idle, refused) = state.close()
        let later = state.acquire(state.newWaiter(), now: start)
        let back = state.returned(connection, reusable: true, now: start)
        #expect(idle.isEmpty)
        #expect(refused == [waiter!])
        #expect(later == .refuse(.closed))
        #expect(back == .close(connection))
    }

    @Test("A thousand who wait and leave do not pile up while Postgres is away")
    func leaversAreForgotten() {
        var state = PoolState(limits: PoolLimits(size: 1, overflow: 0))
        for _ in 0..<10_000 {
            guard let waiter = state.wait(at: start) else { break }
            _ = state.left(waiter)
        }
        #expect(state.counts.waiting == 0)
        #expect(state.queueLength <= 16)
    }
}

extension PoolStateTests {
    fileprivate static var waits: PoolLimits {
        var limits = PoolLimits(size: 2, overflow: 0)
        limits.maxWait = .seconds(5)
        limits.minWait = .milliseconds(500)
        return limits
    }
}

extension PoolState {
    /// How long who asks now may wait.
    fileprivate func wait(limit: Duration, at now: Instant) -> Duration {
        now.duration(to: deadline(limit: now + limit, now: now))
    }

    /// nil: it did not have to wait.
    fileprivate mutating func wait(at now: Instant) -> WaiterID? {
        let waiter = newWaiter()
        return acquire(waiter, now: now) == .wait ? waiter : nil
    }

    fileprivate mutating func openOne(at now: Instant) -> ConnectionID {
        _ = wait(at: now)
        let connection = connectsDue(now: now)[0]
        _ = connected(connection, now: now)
        return connection
    }

    fileprivate mutating func openTwo(at now: Instant) -> (ConnectionID, ConnectionID) {
        (openOne(at: now), openOne(at: now))
    }
}

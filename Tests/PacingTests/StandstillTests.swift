import Pacing
import Testing

/// Ways in which the queue could stand still though a slot is due.
@Suite struct StandstillTests {
    private static let second = 1_000_000

    @Test("A call whose quota is paused keeps nothing from those who need another of its quotas")
    func paused() async throws {
        var driver = QueueDriver()
        let (model, all) = (QueueDriver.bucket("model", 5, perSeconds: 60), QueueDriver.bucket("up", 1, perSeconds: 2))
        _ = driver.call([.pause(quota: "model", paused: true)])
        driver.enter([model, all])
        let other = driver.enter([all]).reply
        #expect(other.grants.count == 1)
        #expect(try await driver.differenceOfScript() == nil)
    }

    @Test("Nor does one that waits for tomorrow, or for longer than what goes now counts")
    func tomorrow() async throws {
        var driver = QueueDriver()
        let all = QueueDriver.bucket("up", 1, perSeconds: 2)
        let day = QueueDriver.bucket("day", 1, perSeconds: 86_400, reset: driver.now + 3600 * Self.second)
        driver.enter([day, all])
        driver.enter([day, all])
        driver.pass(3 * Self.second)
        #expect(driver.enter([all]).reply.grants.count == 1)
        #expect(try await driver.differenceOfScript() == nil)
    }

    @Test("What it needs is kept for a call that waits for no longer than that")
    func kept() async throws {
        var driver = QueueDriver()
        let (model, all) = (QueueDriver.bucket("model", 1, perSeconds: 3), QueueDriver.bucket("up", 1, perSeconds: 2))
        driver.enter([model, all])
        let waiting = driver.enter([model, all]).ticket
        driver.pass(2_500_000)
        #expect(driver.enter([all]).reply.grants.isEmpty)
        driver.pass(600_000)
        #expect(driver.grants.last?.ticket === waiting)
        #expect(try await driver.differenceOfScript() == nil)
    }

    /// "leaving" is to call for a slot for which "staying" waits.
    private func leavingPaces(_ driver: inout QueueDriver) throws -> Micros {
        let buckets = [QueueDriver.bucket("rpm", 1, perSeconds: 2)]
        driver.enter(buckets, of: "leaving")
        let (ticket, reply) = driver.enter(buckets, of: "leaving")
        driver.enter(buckets, of: "staying")
        _ = driver.call([.leave(ticket)], of: "leaving")
        return try #require(reply.due)
    }

    @Test("A good-bye that comes twice is no sign of life")
    func twice() async throws {
        var driver = QueueDriver()
        let due = try leavingPaces(&driver)
        _ = driver.call([.bye], of: "leaving")
        #expect(driver.repeatLast()?.due == nil)
        let reply = driver.call([.beat], of: "staying")
        #expect(reply.due == due)
        #expect(reply.peers?.count == 1)
        #expect(try await driver.differenceOfScript() == nil)
    }

    @Test("A good-bye that ends a roll call leaves nobody behind who is to call")
    func endsRollCall() async throws {
        var driver = QueueDriver()
        driver.lose()
        driver.enter([QueueDriver.bucket("rpm", 1, perSeconds: 2)], of: "staying")
        driver.now += 1_500_000
        _ = driver.call([.beat], of: "leaving")
        driver.now += 20_000
        #expect(driver.call([.bye], of: "leaving").rollCall == nil)
        let reply = driver.call([.beat], of: "staying")
        #expect(reply.due != nil)
        #expect(reply.peers?.count == 1)
        #expect(try await driver.differenceOfScript() == nil)
    }

    @Test("A limit that a 429 taught lets a call go as soon as it rises")
    func learnedRises() async throws {
        var driver = QueueDriver()
        let buckets = [QueueDriver.bucket("rpm", 10, perSeconds: 60)]
        let (ticket, reply) = driver.enter(buckets)
        let stamp = GrantStamp(time: reply.now, epoch: reply.epoch)
        _ = driver.call([
            .refused(ticket, stamp, buckets: ["rpm"], hold: 0, learned: 1, requeue: false)
        ])
        let rises = driver.now + 600 * Self.second
        driver.pass(590 * Self.second)
        #expect(driver.enter(buckets).reply.grants.count == 1)
        #expect(driver.enter(buckets).reply.due == rises)
        driver.pass(rises - driver.now)
        #expect(driver.grants.count == 3)
        #expect(try await driver.differenceOfScript() == nil)
    }

    /// One agent, whose first call was granted and whose second one is due before it beats again.
    private func pacing() throws -> (agent: AgentState, due: Micros, told: Micros) {
        var agent = AgentState(id: "replica", settings: QueueSettings(upstream: "upstream"), now: 0)
        var store = QueueState(run: "run")
        var replies: [QueueReply] = []
        func exchange(at now: Micros) {
            agent.flush()
            let calls = agent.calls
            agent.calls = []
            for call in calls {
                replies.append(store.call(call, now: now).reply)
                agent.receive(replies.last!, sent: now, now: now)
            }
            agent.outbox = []
        }
        agent.storeUp(run: "run", now: Self.second)
        exchange(at: Self.second)
        let bucket = BucketSpec(name: "rpm", limit: 1, per: .seconds(1), burst: 1)
        for id in 1...2 {
            let request = QueueRequest(costs: [.init(bucket)], client: "client")
            let waiter = QueueWaiter(id: WaiterID(value: id), request: request, now: 1_200_000, loop: nil) { _ in }
            agent.enter(waiter, now: 1_200_000)
        }
        exchange(at: 1_200_000)
        agent.wake(now: 2_000_000)
        exchange(at: 2_000_000)
        let last = try #require(replies.last)
        return (agent, try #require(last.due), last.now)
    }

    @Test("Who is to call for a slot heeds no word from before it was told so")
    func relievedLate() throws {
        var (agent, due, told) = try pacing()
        #expect(agent.nextWake == due)
        agent.receive(.relieved(due: due, at: told), now: due - 10_000)
        #expect(agent.nextWake == due)
        agent.receive(.relieved(due: due, at: told + 1), now: due - 10_000)
        #expect(agent.nextWake > due)
    }

    @Test("Who said good-bye says nothing more, whatever it hears")
    func ended() throws {
        var agent = try pacing().agent
        agent.close()
        agent.flush()
        #expect(agent.calls.last?.operations.contains { if case .bye = $0 { true } else { false } } == true)
        agent.calls = []
        agent.receive(.rollCall, now: 2_100_000)
        agent.wake(now: 4_000_000)
        agent.flush()
        #expect(agent.calls.isEmpty)
    }
}

import Pacing
import Testing

/// What a call really took, told to a store that knows the grant, or does not any more. One agent on the state machine.
@Suite struct AgentSettlingTests {
    /// The agent's clock runs with the store's.
    private struct Pair {
        var agent: AgentState
        var store = QueueState(run: "1")
        var run = "1"
        var now: Micros = 1_000_000_000
        var grants: [Grant] = []
        var refusals: [QueueRefusal] = []
        var calls: [QueueCall] = []
        var isUp = true

        init(policy: QueueSettings.LossPolicy = .closed) {
            agent = AgentState(id: "replica", settings: QueueSettings(upstream: "u", policy: policy), now: now)
            agent.storeUp(run: run, now: now)
            tick()
        }

        mutating func tick() {
            for _ in 0..<5 {
                agent.flush()
                let calls = agent.calls
                agent.calls = []
                for call in calls where isUp {
                    self.calls.append(call)
                    let reply = store.call(call, now: now + 1_000_000_000_000).reply
                    agent.receive(reply, sent: now, now: now)
                }
                take()
            }
        }

        private mutating func take() {
            for (_, event) in agent.outbox {
                switch event {
                case .granted(let grant): grants.append(grant)
                case .refused(let refusal): refusals.append(refusal)
                case .position: break
                }
            }
            agent.outbox = []
        }

        mutating func pass(_ span: Micros) {
            let end = now + span
            while now < end {
                now = min(end, max(now + 1000, min(agent.nextWake, end)))
                agent.wake(now: now)
                tick()
            }
        }

        mutating func enter(_ id: Int, units: Int, of bucket: BucketSpec = tokens) {
            let request = QueueRequest(costs: [.init(bucket, units: units, isEstimate: true)], client: "c")
            let waiter = QueueWaiter(id: WaiterID(value: id), request: request, now: now, loop: nil) { _ in }
            agent.enter(waiter, now: now)
            tick()
        }

        mutating func used() -> Int? {
            pass(1_100_000)
            return agent.statistics(now: now).quotas.first { $0.name.hasPrefix("tpm") }?.used
        }

        mutating func lose(empty: Bool) {
            isUp = false
            agent.storeDown(now: now)
            run = "2"
            if empty { store = QueueState() }
        }

        mutating func comeBack() {
            isUp = true
            agent.storeUp(run: run, now: now)
            tick()
            pass(2_500_000)
        }
    }

    private static let tokens = BucketSpec(name: "tpm", limit: 1000, per: .seconds(60), burst: 1000)

    @Test("A settlement corrects the bucket by the next call, within a second", arguments: [300, 700])
    func settles(actual: Int) {
        var pair = Pair()
        pair.enter(1, units: 500)
        let calls = pair.calls.count
        pair.agent.settle(pair.grants[0], costs: ["tpm": actual], now: pair.now)
        pair.tick()
        #expect(pair.calls.count == calls)
        #expect(pair.used() == actual)
    }

    @Test("A lone call and its settlement cost one call beside the beat")
    func ridesOnBeat() {
        var pair = Pair()
        pair.pass(5_000_000)
        let before = pair.calls.count
        for id in 0..<10 {
            pair.enter(id, units: 50)
            pair.pass(300_000)
            pair.agent.settle(pair.grants[id], costs: ["tpm": 40], now: pair.now)
            pair.pass(1_700_000)
        }
        // Twenty seconds: a beat a second at most, and one call each.
        #expect(pair.calls.count - before <= 10 + 20)
        #expect(pair.used() == 400)
    }

    @Test("A broken stream keeps its reservation")
    func broken() {
        var pair = Pair()
        pair.enter(1, units: 500)
        pair.pass(10_000_000)
        #expect(pair.used() == 500)
    }

    @Test("Settled after the store came back empty: the rebuilt bucket is corrected", arguments: [300, 700])
    func afterLoss(actual: Int) {
        var pair = Pair()
        pair.enter(1, units: 500)
        pair.pass(1_100_000)
        pair.lose(empty: true)
        pair.comeBack()
        #expect(pair.used() == 500)
        pair.agent.settle(pair.grants[0], costs: ["tpm": actual], now: pair.now)
        #expect(pair.used() == actual)
    }

    @Test("Settled while the store is out of reach: told when it is back, once", arguments: [true, false])
    func whileLost(empty: Bool) {
        var pair = Pair()
        pair.enter(1, units: 500)
        pair.pass(1_100_000)
        pair.lose(empty: empty)
        pair.agent.settle(pair.grants[0], costs: ["tpm": 200], now: pair.now)
        pair.comeBack()
        #expect(pair.used() == 200)
    }

    @Test("Granted by its own pacing and settled after the store is back")
    func afterLocal() {
        var pair = Pair(policy: .local)
        pair.pass(1_100_000)
        pair.lose(empty: false)
        pair.enter(1, units: 500)
        #expect(pair.grants.count == 1)
        pair.comeBack()
        #expect(pair.used() == 500)
        pair.agent.settle(pair.grants[0], costs: ["tpm": 300], now: pair.now)
        #expect(pair.used() == 300)
    }

    @Test("A paused quota stays paused when the store comes back empty, and a resumed one resumed")
    func pauses() {
        var pair = Pair()
        pair.agent.pause(quota: "tpm", paused: true, now: pair.now)
        pair.tick()
        pair.pass(1_100_000)
        pair.lose(empty: true)
        pair.comeBack()
        pair.enter(1, units: 10)
        pair.pass(2_000_000)
        #expect(pair.grants.isEmpty)
        pair.agent.pause(quota: "tpm", paused: false, now: pair.now)
        pair.tick()
        #expect(pair.grants.count == 1)
    }

    @Test("Calls moved by fairness are counted, before and behind their order of entry")
    func moves() {
        var pair = Pair()
        let bucket = BucketSpec(name: "tpm/model", limit: 6, per: .seconds(6), burst: 1)
        func enter(_ id: Int, _ client: String) {
            let request = QueueRequest(costs: [.init(bucket)], client: client)
            let waiter = QueueWaiter(id: WaiterID(value: id), request: request, now: pair.now, loop: nil) { _ in }
            pair.agent.enter(waiter, now: pair.now)
            pair.tick()
        }
        for id in 0..<10 { enter(id, "heavy") }
        enter(10, "light")
        pair.pass(15_000_000)
        #expect(pair.grants.count == 11)
        let moves = pair.agent.statistics(now: pair.now).moves
        #expect(moves.map(\.quota) == ["tpm"])
        #expect(moves.first?.before == 1)
        #expect(moves.first?.placesBefore == moves.first?.placesBehind)
        #expect((moves.first?.placesBefore ?? 0) >= 7)
    }
}

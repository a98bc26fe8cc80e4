import NIOCore
import Pacing
import Testing

/// Agents whose store is lost more than once, or before all have heard of each other.
@Suite struct AgentLossTests {
    private static let second = 1_000_000
    private static let bucket = BucketSpec(name: "rpm", limit: 4, per: .seconds(60), burst: 4)

    /// Agents, and the store that answers them at once.
    private struct Cluster {
        var agents: [AgentState]
        var store = QueueState(run: "run")
        var now = second
        var granted = 0
        private var nextID = 0

        init(_ count: Int) {
            agents = (0..<count).map {
                AgentState(id: "replica-\($0)", settings: QueueSettings(upstream: "upstream"), now: 0)
            }
        }

        mutating func up(_ index: Int, run: String = "run") {
            agents[index].storeUp(run: run, now: now)
            exchange(index)
        }

        mutating func down(_ index: Int) {
            agents[index].storeDown(now: now)
            count(index)
        }

        mutating func exchange(_ index: Int) {
            agents[index].flush()
            while !agents[index].calls.isEmpty {
                let calls = agents[index].calls
                agents[index].calls = []
                for call in calls {
                    agents[index].receive(store.call(call, now: now).reply, sent: now, now: now)
                }
                agents[index].flush()
            }
            count(index)
        }

        mutating func go(on time: Duration, _ indices: [Int]) {
            let end = now + time.micros
            while now < end {
                now += 50_000
                for index in indices {
                    agents[index].wake(now: now)
                    exchange(index)
                }
            }
        }

        mutating func enter(_ index: Int) {
            nextID += 1
            let request = QueueRequest(costs: [.init(bucket)], client: "client")
            let waiter = QueueWaiter(id: WaiterID(value: nextID), request: request, now: now, loop: nil) { _ in }
            agents[index].enter(waiter, now: now)
            count(index)
        }

        private mutating func count(_ index: Int) {
            for case (_, .granted) in agents[index].outbox { granted += 1 }
            agents[index].outbox = []
        }
    }

    @Test("What was told within a roll call is not forgotten when the store falls back to before that")
    func lostInRollCall() {
        var cluster = Cluster(1)
        cluster.up(0)
        cluster.enter(0)
        cluster.exchange(0)
        cluster.go(on: .seconds(1), [0])
        cluster.down(0)
        cluster.enter(0)
        #expect(cluster.agents[0].mode == .local)
        cluster.now += 1_600_000
        let before = cluster.store
        cluster.up(0, run: "second")
        cluster.down(0)
        cluster.enter(0)
        #expect(cluster.granted == 3)
        cluster.store = before
        cluster.up(0, run: "third")
        cluster.go(on: .seconds(3), [0])
        for _ in 0..<4 { cluster.enter(0) }
        cluster.exchange(0)
        cluster.go(on: .seconds(3), [0])
        #expect(cluster.agents[0].isReady)
        #expect(cluster.granted == 4)
    }

    @Test("Two that each took themselves for alone share the quota, or have no part yet")
    func eachAlone() {
        var cluster = Cluster(2)
        cluster.up(0)
        cluster.go(on: .seconds(1), [0])
        // Nobody hears of the first one for longer than a replica lives, while the second one comes.
        cluster.now += 3 * Self.second
        cluster.up(1)
        cluster.go(on: .seconds(3), [1])
        for index in 0...1 { cluster.down(index) }
        for index in 0...1 { cluster.up(index, run: "second") }
        cluster.go(on: .milliseconds(600), [0, 1])
        #expect(cluster.granted == 0)
        for index in 0...1 { cluster.down(index) }
        for _ in 0..<4 {
            for index in 0...1 { cluster.enter(index) }
        }
        cluster.go(on: .seconds(1), [0, 1])
        #expect(cluster.granted <= 4)
    }

    @Test("After pushes may have been lost, all who wait enter again at once")
    func missedPushes() {
        var cluster = Cluster(1)
        cluster.up(0)
        for _ in 0..<5 { cluster.enter(0) }
        cluster.exchange(0)
        cluster.agents[0].missed(now: cluster.now)
        cluster.agents[0].flush()
        let again = cluster.agents[0].calls.flatMap(\.operations).count { operation in
            if case .enter(_, patience: nil) = operation { true } else { false }
        }
        #expect(cluster.granted == 4)
        #expect(again == 1)
    }

    @Test("An order given while the store is out of reach holds from when it was given", arguments: [false, true])
    func pausedWhileAway(isOverruled: Bool) {
        var cluster = Cluster(2)
        for index in 0...1 { cluster.up(index) }
        cluster.go(on: .seconds(1), [0, 1])
        cluster.down(0)
        cluster.agents[0].pause(quota: "rpm", paused: true, now: cluster.now)
        cluster.go(on: .milliseconds(200), [1])
        if isOverruled {
            cluster.agents[1].pause(quota: "rpm", paused: true, now: cluster.now)
            cluster.agents[1].pause(quota: "rpm", paused: false, now: cluster.now)
            cluster.exchange(1)
        }
        cluster.go(on: .milliseconds(200), [1])
        cluster.up(0)
        cluster.go(on: .milliseconds(200), [0, 1])
        cluster.enter(1)
        cluster.exchange(1)
        #expect(cluster.granted == (isOverruled ? 1 : 0))
    }

    @Test("Who is cut off obeys an order to resume the whole upstream")
    func resumedWhileAway() {
        var cluster = Cluster(1)
        cluster.up(0)
        cluster.enter(0)
        cluster.exchange(0)
        cluster.agents[0].pause(quota: "", paused: true, now: cluster.now)
        cluster.go(on: .seconds(2), [0])
        cluster.down(0)
        cluster.enter(0)
        #expect(cluster.granted == 1)
        cluster.agents[0].pause(quota: "", paused: false, now: cluster.now)
        cluster.go(on: .milliseconds(200), [0])
        #expect(cluster.granted == 2)
    }
}

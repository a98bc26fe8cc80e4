import NIOCore
import Pacing
import Testing

/// Agents whose store is lost more than once, or before all have heard of each other.
@Suite struct AgentLossTests {
    private static let second = 1_000_000

    @Test("What was told within a roll call is not forgotten when the store falls back to before that")
    func lostInRollCall() {
        var cluster = AgentCluster(1)
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
        var cluster = AgentCluster(2)
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
        var cluster = AgentCluster(1)
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
        var cluster = AgentCluster(2)
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
        var cluster = AgentCluster(1)
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

    @Test("An order that was given before the store's clock was known, in a roll call, holds where that ends in a loss")
    func orderedInRollCall() {
        var cluster = AgentCluster(1)
        cluster.store = QueueState()
        cluster.agents[0].pause(quota: "rpm", paused: true, now: cluster.now)
        cluster.up(0)
        cluster.go(on: .milliseconds(100), [0])
        #expect(!cluster.agents[0].isReady)
        cluster.lose(run: "second")
        cluster.go(on: .seconds(3), [0])
        cluster.enter(0)
        cluster.go(on: .seconds(1), [0])
        #expect(cluster.agents[0].isReady)
        #expect(cluster.granted == 0)
    }

    @Test("An order that was given just before Redis was emptied holds, whoever else knew of it", arguments: [0, 1])
    func orderedBeforeLoss(asks: Int) {
        var cluster = AgentCluster(2)
        for index in 0...1 { cluster.up(index) }
        cluster.go(on: .seconds(3), [0, 1])
        cluster.agents[0].pause(quota: "rpm", paused: true, now: cluster.now)
        cluster.exchange(0)
        cluster.lose(run: "second")
        cluster.go(on: .seconds(3), [0, 1])
        cluster.enter(asks)
        cluster.go(on: .seconds(1), [0, 1])
        #expect(cluster.agents.allSatisfy { $0.isReady })
        #expect(cluster.granted == 0)
        cluster.agents[1].pause(quota: "rpm", paused: false, now: cluster.now)
        cluster.go(on: .seconds(1), [0, 1])
        #expect(cluster.granted == 1)
    }

    @Test("An upstream's 429 just before Redis was emptied holds the bucket for as long as it said", arguments: [0, 1])
    func refusedBeforeLoss(asks: Int) throws {
        var cluster = AgentCluster(2)
        for index in 0...1 { cluster.up(index) }
        cluster.go(on: .seconds(3), [0, 1])
        cluster.enter(0)
        cluster.exchange(0)
        let grant = try #require(cluster.last)
        let until = cluster.now + 10 * Self.second
        cluster.agents[0].upstreamRefused(
            grant,
            bucket: nil,
            hold: 10 * Self.second,
            learned: nil,
            requeue: false,
            now: cluster.now
        )
        cluster.exchange(0)
        cluster.lose(run: "second")
        cluster.go(on: .seconds(3), [0, 1])
        cluster.enter(asks)
        cluster.go(on: .microseconds(until - cluster.now - 100_000), [0, 1])
        #expect(cluster.granted == 1)
        cluster.go(on: .seconds(1), [0, 1])
        #expect(cluster.granted == 2)
    }
}

import Pacing
import Testing

/// A replica that says nothing any more, and another one that falls silent before it can be missed.
@Suite struct SilentReplicaTests {
    /// From a replica's last word until it is taken for dead.
    private static let patience: Micros = 2_750_001
    private var state = QueueState(run: "run")
    private var numbers: [String: Int] = [:]
    private let start: Micros = 1_000_000_000_000

    private mutating func call(
        _ replica: String,
        after span: Micros,
        _ operations: [QueueOperation] = [.beat],
        lanes: [LaneFigures] = []
    ) -> QueueReply {
        numbers[replica, default: 0] += 1
        let call = QueueCall(
            replica: replica,
            number: numbers[replica]!,
            run: "run",
            seen: 0,
            peers: 1,
            maxWaiting: 1000,
            lanes: lanes,
            operations: operations
        )
        return state.call(call, now: start + span).reply
    }

    /// "silent" has the one slot of a minute and waits for the next; "pacer" is the one to call for it, "other" beats.
    private mutating func fallSilent() {
        let bucket = QueueDriver.bucket("rpm", 1, perSeconds: 60)
        let lane = LaneFigures(key: LaneKey(names: ["rpm"], urgency: 3), buckets: [bucket])
        _ = call("other", after: 0)
        _ = call("pacer", after: 0)
        for id in 1...2 {
            let ticket = QueueTicket(
                lane: lane.key,
                client: "c",
                user: "u",
                place: start + id,
                owner: "silent",
                id: id,
                weight: 1,
                allowance: 20_000,
                costs: [1]
            )
            _ = call("silent", after: 0, [.enter(ticket, patience: 120_000_000)], lanes: [lane])
        }
        #expect(state.waiting(of: "silent") == 1)
    }

    @Test("All are told shortly before when a replica will be taken for dead, so that any of them drops its waiters")
    mutating func anyDrops() {
        fallSilent()
        #expect(call("pacer", after: 1_000_000).due == start + Self.patience)
        #expect(call("other", after: 1_000_000).due == nil)
        #expect(call("other", after: 2_000_000).due == start + Self.patience)
        _ = call("other", after: Self.patience - 1)
        #expect(state.waiting(of: "silent") == 1)
        #expect(call("other", after: Self.patience).waiting == 0)
        #expect(state.waiting(of: "silent") == 0)
    }

    @Test("Where who is dropped was to call for the next slot, whoever drops it is to")
    mutating func pacerDies() throws {
        let bucket = QueueDriver.bucket("rpm", 1, perSeconds: 60)
        let lane = LaneFigures(key: LaneKey(names: ["rpm"], urgency: 3), buckets: [bucket])
        _ = call("other", after: 0)
        for (id, owner) in ["other", "pacer", "other"].enumerated() {
            let ticket = QueueTicket(
                lane: lane.key,
                client: "c",
                user: "u",
                place: start + id,
                owner: owner,
                id: id,
                weight: 1,
                allowance: 20_000,
                costs: [1]
            )
            _ = call(owner, after: 200_000, [.enter(ticket, patience: 300_000_000)], lanes: [lane])
        }
        // To call when the other one would be missed, shortly before it is missed itself.
        _ = call("other", after: 420_000)
        #expect(call("pacer", after: 460_000).due == start + 420_000 + Self.patience)
        _ = call("other", after: 1_200_000)
        _ = call("other", after: 2_200_000)
        let dropping = call("other", after: 460_000 + Self.patience)
        #expect(dropping.waiting == 1)
        #expect(try #require(dropping.due) > start + 50_000_000)
    }

    @Test("Who says a word in time keeps its waiters, and nobody is told to call")
    mutating func heardInTime() {
        fallSilent()
        _ = call("silent", after: 1_900_000)
        #expect(call("other", after: 2_000_000).due == nil)
        #expect(call("other", after: Self.patience).waiting == 1)
    }

    @Test("Where who was to call for the next slot says good-bye, all are told, and another one is to call for it")
    func pacerLeaves() async throws {
        var driver = QueueDriver()
        let buckets = [QueueDriver.bucket("rpm", 1, perSeconds: 2)]
        driver.enter(buckets, of: "leaving")
        let (ticket, reply) = driver.enter(buckets, of: "leaving")
        let due = try #require(reply.due)
        #expect(driver.enter(buckets, of: "staying").reply.due == nil)
        _ = driver.call([.leave(ticket), .bye], of: "leaving")
        guard case .call(_, _, _, let outcome)? = driver.steps.last else {
            Issue.record("no call")
            return
        }
        #expect(outcome.pushes.contains { $0.replica.isEmpty })
        #expect(driver.call([], of: "staying").due == due)
        #expect(try await driver.differenceOfScript() == nil)
    }
}

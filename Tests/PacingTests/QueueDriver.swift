import Pacing
import TestSupport

/// One replica's calls on the state machine, by hand: time is moved by the test.
struct QueueDriver {
    /// Longer than any wait.
    static let farFuture: Micros = 1 << 50

    var state = QueueState(run: "run")
    var now: Micros = 1_000_000_000_000
    /// What was done, to be done again on the script.
    private(set) var steps: [SimulatedStore.Step] = []
    private(set) var grants: [(ticket: QueueTicket, at: Micros)] = []
    private var number = 0
    private var nextID = 0
    private var peers = 1
    private var seen = 0

    static func bucket(
        _ name: String,
        _ limit: Int,
        perSeconds: Int,
        burst: Int? = nil,
        reset: Micros = 0
    ) -> BucketFigures {
        BucketFigures(
            name: name,
            limit: limit,
            per: perSeconds * 1_000_000,
            guardInterval: 20_000,
            burst: burst ?? limit,
            reset: reset
        )
    }

    mutating func call(
        _ operations: [QueueOperation],
        lanes: [LaneFigures] = [],
        of replica: String = "replica"
    ) -> QueueReply {
        number += 1
        let call = QueueCall(
            replica: replica,
            number: number,
            run: "run",
            seen: seen,
            peers: peers,
            maxWaiting: 100_000,
            lanes: lanes,
            operations: operations
        )
        let outcome = state.call(call, now: now)
        steps.append(.call(call, now: now, listening: [], outcome))
        let reply = outcome.reply
        grants += reply.grants.map { ($0, reply.now) }
        return reply
    }

    /// The last call arrives once more.
    @discardableResult
    mutating func repeatLast() -> QueueReply? {
        guard case .call(let call, _, _, _)? = steps.last else { return nil }
        let outcome = state.call(call, now: now)
        steps.append(.call(call, now: now, listening: [], outcome))
        return outcome.reply
    }

    /// Calls when a slot is due, until that time, and tells of each grant, which may enter more.
    mutating func run(until end: Micros, _ granted: (inout QueueDriver, (ticket: QueueTicket, at: Micros)) -> Void) {
        var seen = grants.count
        while now < end {
            let due = call([]).due ?? .max
            while seen < grants.count {
                seen += 1
                granted(&self, grants[seen - 1])
            }
            now = min(end, max(now + 1000, min(due, now + 1_000_000)))
        }
    }

    /// The store loses all it had, and one replica more was known than answers.
    mutating func lose() {
        state = QueueState(run: "run")
        peers = 2
        seen = 100
    }

    @discardableResult
    mutating func enter(
        _ buckets: [BucketFigures],
        costs: [Int]? = nil,
        client: String = "client",
        user: String = "",
        urgency: Int = 3,
        weight: Int = 1,
        patience: Micros? = QueueDriver.farFuture,
        of replica: String = "replica"
    ) -> (ticket: QueueTicket, reply: QueueReply) {
        nextID += 1
        let lane = LaneFigures(key: LaneKey(names: buckets.map(\.name), urgency: urgency), buckets: buckets)
        let ticket = QueueTicket(
            lane: lane.key,
            client: client,
            user: user,
            place: now,
            owner: replica,
            id: nextID,
            weight: weight,
            allowance: 20_000,
            costs: costs ?? buckets.map { _ in 1 }
        )
        return (ticket, call([.enter(ticket, patience: patience)], lanes: [lane], of: replica))
    }

    /// One unit of each bucket, for client "c".
    static func ticket(_ lane: LaneKey, id: Int, now: Micros, buckets: Int = 1) -> QueueTicket {
        QueueTicket(
            lane: lane,
            client: "c",
            user: "",
            place: now,
            owner: "replica",
            id: id,
            weight: 1,
            allowance: 20_000,
            costs: Array(repeating: 1, count: buckets)
        )
    }

    /// The same, as a call that comes now.
    @discardableResult
    mutating func enter(_ lane: LaneFigures, id: Int, patience: Micros = QueueDriver.farFuture) -> QueueReply {
        let ticket = Self.ticket(lane.key, id: id, now: now, buckets: lane.buckets.count)
        return call([.enter(ticket, patience: patience)], lanes: [lane])
    }

    /// What the script does differently; nil: nothing.
    func differenceOfScript() async throws -> String? {
        let server = try await RedisServer.start()
        let replay = try ScriptReplay(path: server.unixSocketPath)
        defer { replay.close() }
        let known = steps.map { step in
            guard case .call(var call, let now, let listening, let outcome) = step else { return step }
            // A store that is not another one: no roll call begins.
            call.run = ""
            return SimulatedStore.Step.call(call, now: now, listening: listening, outcome)
        }
        let difference = try replay.run(known, isCrowded: false)
        try await server.stop()
        return difference
    }

    /// Time passes, with a beat a second as replicas give.
    mutating func pass(_ span: Micros) {
        let end = now + span
        while now < end {
            now = min(end, now + 1_000_000)
            _ = call([.beat])
        }
    }

    /// Calls when a slot is due, until that time.
    mutating func run(until end: Micros) {
        while now < end {
            let due = call([]).due ?? .max
            now = min(end, max(now + 1000, min(due, now + 1_000_000)))
        }
    }
}

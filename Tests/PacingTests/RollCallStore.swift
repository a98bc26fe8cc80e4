import Pacing

/// A store, and replicas that call it by hand.
struct RollCallStore {
    static let figures = QueueDriver.bucket("rpm", 4, perSeconds: 60)
    private static let lane = LaneFigures(key: LaneKey(names: ["rpm"], urgency: 3), buckets: [figures])

    var state = QueueState(run: "run")
    var now: Micros = 1_000_000_000_000
    /// How often all were asked to call.
    private(set) var pushed = 0
    /// As the last answer had it.
    private(set) var epoch: Micros = 0
    private var numbers: [String: Int] = [:]

    mutating func call(
        _ replica: String,
        _ operations: [QueueOperation],
        run: String = "run",
        peers: Int = 0
    ) -> QueueReply {
        numbers[replica, default: 0] += 1
        let call = QueueCall(
            replica: replica,
            number: numbers[replica]!,
            run: run,
            // Another store than that which made a grant.
            seen: run == "run" ? 0 : 1,
            peers: peers,
            maxWaiting: 100,
            lanes: [Self.lane],
            operations: operations
        )
        let outcome = state.call(call, now: now)
        pushed += outcome.pushes.count { if case .rollCall = $0.push { true } else { false } }
        epoch = outcome.reply.epoch
        return outcome.reply
    }

    mutating func enter(_ replica: String, id: Int, run: String = "run") -> QueueReply {
        let ticket = Self.ticket(of: replica, id: id, place: now)
        return call(replica, [.enter(ticket, patience: QueueDriver.farFuture)], run: run)
    }

    private static func ticket(of replica: String, id: Int, place: Micros) -> QueueTicket {
        QueueTicket(
            lane: lane.key,
            client: "c",
            user: "",
            place: place,
            owner: replica,
            id: id,
            weight: 1,
            allowance: 20_000,
            costs: [1]
        )
    }

    /// A 429 for a call of that replica.
    mutating func refuse(
        _ replica: String,
        hold: Micros?,
        learned: Int? = nil,
        run: String = "run",
        peers: Int = 0
    ) -> QueueReply {
        let stamp = GrantStamp(time: now, epoch: epoch)
        let refused = QueueOperation.refused(
            Self.ticket(of: replica, id: 0, place: now),
            stamp,
            buckets: ["rpm"],
            hold: hold,
            learned: learned,
            requeue: false
        )
        return call(replica, [refused], run: run, peers: peers)
    }

    /// Until the roll call must be over.
    mutating func used(after replica: String, run: String = "run") -> Int? {
        for _ in 0..<4 {
            now += 500_000
            _ = call(replica, [.beat], run: run)
        }
        return call(replica, [.beat], run: run).buckets.first { $0.name == "rpm" }?.used
    }

    static func report(
        _ peers: [String],
        sent: [BucketUse] = [],
        hold: Micros = 0,
        full: Micros = 0
    ) -> QueueOperation {
        let report = BucketReport(figures: figures, told: 1, since: 0, hold: hold, sent: sent)
        return .report([report], peers: peers, full: full)
    }
}

/// One call to the store: everything that a replica has to say since the last one, in order.
package struct QueueCall: Sendable {
    /// The replica; a new one for every start of a process.
    package var replica: String
    /// Numbered from 1, in the order of sending: a call whose number was seen before changes nothing. 0: a probe, which
    /// changes and grants nothing.
    package var number: Int
    /// The store's own incarnation, as the connection learned it.
    package var run: String
    /// The highest `QueueReply.seq` that the replica was told.
    package var seen: Int
    /// How many replicas it knew before the present roll call.
    package var peers: Int
    /// Who enters above so many waiting, of all replicas, is refused.
    package var maxWaiting: Int
    /// The buckets of the lanes that `operations` enter.
    package var lanes: [LaneFigures]
    package var operations: [QueueOperation]

    package init(
        replica: String,
        number: Int,
        run: String,
        seen: Int,
        peers: Int,
        maxWaiting: Int,
        lanes: [LaneFigures],
        operations: [QueueOperation]
    ) {
        self.replica = replica
        self.number = number
        self.run = run
        self.seen = seen
        self.peers = peers
        self.maxWaiting = maxWaiting
        self.lanes = lanes
        self.operations = operations
    }
}

package struct LaneFigures: Sendable, Hashable {
    package var key: LaneKey
    /// Sorted by name.
    package var buckets: [BucketFigures]
    /// The buckets' names where too many sets of buckets are known, in the same order. Nil: the set is never shared.
    package var shared: [String]?

    package init(key: LaneKey, buckets: [BucketFigures], shared: [String]? = nil) {
        self.key = key
        self.buckets = buckets
        self.shared = shared
    }

    /// Where its callers wait together with those of other sets.
    package var sharedLane: LaneFigures? {
        guard let shared else { return nil }
        var figures = buckets
        for (index, name) in shared.enumerated() { figures[index].name = name }
        return LaneFigures(key: LaneKey(names: shared, urgency: key.urgency), buckets: figures)
    }
}

/// When and in which life of the buckets a grant was made, and what was booked for it: what takes it back must name all.
package struct GrantStamp: Sendable, Hashable {
    package var time: Micros
    package var epoch: Micros
    /// Of each of its lane's buckets, how many had gone before it; empty where that is not known.
    package var gone: [Int]
    /// Units of each of its lane's buckets, where the limits that held then allowed less than it asked for; else empty.
    package var booked: [Int]

    package init(time: Micros, epoch: Micros, gone: [Int] = [], booked: [Int] = []) {
        self.time = time
        self.epoch = epoch
        self.gone = gone
        self.booked = booked
    }

    func units(of ticket: QueueTicket) -> [Int] { booked.isEmpty ? ticket.costs : booked }
}

/// Units of a bucket that were used at a time, as a replica's own ledger has them.
package struct BucketUse: Sendable, Equatable {
    package var at: Micros
    package var units: Int

    package init(at: Micros, units: Int) {
        self.at = at
        self.units = units
    }
}

/// What a replica knows of a bucket when another store answers than before.
package struct BucketReport: Sendable {
    package var figures: BucketFigures
    /// The most that the old store said was used, by whomever.
    package var told: Int
    /// Of what this replica sent, the units that the old store had not told of yet.
    package var since: Int
    /// The limit that an upstream's 429s had taught, as the old store told; 0: none.
    package var learned: Int
    /// Until when an upstream's 429s hold it.
    package var hold: Micros
    /// What this replica sent in the running window.
    package var sent: [BucketUse]

    package init(figures: BucketFigures, told: Int, since: Int, learned: Int = 0, hold: Micros = 0, sent: [BucketUse]) {
        self.figures = figures
        self.told = told
        self.since = since
        self.learned = learned
        self.hold = hold
        self.sent = sent
    }
}

package enum QueueOperation: Sendable {
    /// A newcomer: refused where the expected wait is longer than `patience`. Nil: again, as the store misses it.
    case enter(QueueTicket, patience: Micros?)
    case leave(QueueTicket)
    /// A grant that was not used: unbooked. `requeue`: to the front, by arrival. `of`: the lane of the ticket's own set,
    /// where it may have been granted in one that sets share.
    case back(QueueTicket, GrantStamp, requeue: Bool, of: LaneKey? = nil)
    /// The upstream answered 429: stays booked. Nil `hold`: one emission interval, doubling.
    case refused(
        QueueTicket,
        GrantStamp,
        buckets: [String],
        hold: Micros?,
        learned: Int?,
        requeue: Bool,
        of: LaneKey? = nil
    )
    /// What the call really took of each of its lane's buckets.
    case settle(QueueTicket, GrantStamp, costs: [Int])
    /// How long would it still wait?
    case estimate(QueueTicket)
    /// A sign of life; the reply tells of all buckets.
    case beat
    /// The store's clock ran ahead of what its earlier answers allow.
    case jump(epoch: Micros)
    /// The store holds tickets that the replica does not know: all of its tickets out.
    case reset
    /// The replica goes and nothing of it waits.
    case bye
    /// Empty name: the whole upstream; else a quota's.
    case pause(quota: String, paused: Bool)
    /// Slots that were used while the store was out of reach.
    case used(BucketFigures, [BucketUse])
    /// A bucket's figures as a replica has them, where no call of its states them.
    case state(BucketFigures)
    /// The answer to a roll call, and what the replica knew before it: `Peers.known` and `Peers.full`.
    case report([BucketReport], peers: [String], full: Micros)
    /// What the replica was told is paused or was resumed: of two that differ the later one holds.
    case pauses([QuotaPause])

    /// Books, or says what a 429 taught: a store that fell back to before it is behind.
    var isCounted: Bool {
        switch self {
        case .used, .settle, .refused: true
        default: false
        }
    }
}

/// An operator's word on a quota, and when it was given by the store's clock.
package struct QuotaPause: Sendable, Equatable {
    /// Empty: the whole upstream.
    package var quota: String
    package var paused: Bool
    package var at: Micros

    package init(quota: String, paused: Bool, at: Micros) {
        self.quota = quota
        self.paused = paused
        self.at = at
    }
}

package enum QueueResult: Sendable, Equatable {
    /// The operation says nothing.
    case none
    /// Waits; about so long, behind so many.
    case waiting(Micros, ahead: Int)
    /// The same in the lane that its set shares with others.
    case waitingShared(Micros, ahead: Int)
    case tooLong(Micros)
    /// Until there is a place from which it would be served in time, if nobody else comes.
    case full(Micros)
    /// Not all were looked at yet: once more.
    case resetting

    var isNewcomer: Bool {
        switch self {
        case .waiting, .waitingShared: true
        default: false
        }
    }
}

package struct QueueReply: Sendable, Equatable {
    package var now: Micros
    package var number: Int
    /// Bookings ever: grants, settlements, slots that were used while the store was out of reach; and 429s.
    package var seq: Int
    package var epoch: Micros
    /// One for each operation; empty where the call had been seen before.
    package var results: [QueueResult]
    /// Tickets of this replica that wait, as the store counts them.
    package var mine: Int
    package var waiting: Int
    /// Set for the replica that is to call again at that time, and for all when one of them is soon to be taken for dead.
    /// `Pace.never`: nothing to wait for.
    package var due: Micros?
    /// When the roll call ends; nil outside one.
    package var rollCall: Micros?
    package var grants: [QueueTicket]
    /// One for each grant.
    package var stamps: [GrantStamp] = []
    /// One for each result: of each of its lane's buckets, how many had entered before it; empty where it did not enter.
    package var entered: [[Int]] = []
    /// After a `beat`: what was paused or resumed, by quota.
    package var pauses: [QuotaPause] = []
    /// What this call touched; all buckets after a `beat`.
    package var buckets: [BucketState]
    /// After a `beat`: how many replicas live, and the place of this one among them by id.
    package var peers: Peers?

    package struct Peers: Sendable, Equatable {
        package var count: Int
        package var rank: Int
        /// When buckets last started as full, by the store's clock; 0: never.
        package var full: Micros
        /// These and those that are gone but used the running windows: who has to answer a roll call.
        package var known: [String]

        package init(count: Int, rank: Int, full: Micros, known: [String]) {
            self.count = count
            self.rank = rank
            self.full = full
            self.known = known
        }
    }
}

/// How a bucket stands.
package struct BucketState: Sendable, Equatable {
    package var name: String
    /// As stated, the lowest of all replicas.
    package var limit: Int
    /// The lower one that the upstream's refusals taught; nil: none.
    package var learned: Int?
    package var per: Micros
    package var life: Micros
    package var burst: Int
    package var used: Int
    /// Nothing goes before that time.
    package var hold: Micros
    package var reset: Micros
    package var paused: Bool
    /// When one unit more may go.
    package var next: Micros
    /// 429s from the upstream.
    package var refusals: Int
    /// Booked units by block of sub-windows, oldest first, with the time at which each has come back.
    package var booked: [BucketUse]
}

package enum QueuePush: Sendable {
    case grant(QueueTicket, GrantStamp, seq: Int)
    case rollCall
    /// Another replica makes the call that was due then, as the store decided `at` that time: it may have been told so since.
    case relieved(due: Micros, at: Micros)
}

/// Who waits for one set of buckets at one urgency.
struct Lane: Sendable {
    /// How many units of each of its buckets it had been served, and how many each had let go for anybody.
    struct Mark: Sendable {
        var time: Micros
        var served: [Int]
        var totals: [Int]
    }

    let key: LaneKey
    /// Whose own buckets are among its buckets, where others may have to share; nil: nobody's, or the shared ones.
    let model: ExactName?
    /// Indices of its buckets, in the order of their names.
    let buckets: [Int]
    /// Its flow in the tree; virtual time, weights and clients are there.
    let root: Int
    /// All who wait, those at the front included.
    var waiting = 0
    /// Calls that the upstream refused or that could not be sent: ahead of all, by arrival.
    var front = SortedSet<QueueTicket>()
    /// The bucket that keeps its head waiting.
    var blocker: Int?
    /// What those who wait will take, as parts of a quota.
    var load = 0.0
    /// What they will take of each bucket, in units.
    var loads: [Int]
    /// Units of each bucket that were taken since it was made, and where that stood a while ago and a longer while ago.
    var served: [Int]
    var older: Mark
    var newer: Mark
    /// Last time that anybody came, went, or asked to.
    var touched: Micros

    init(key: LaneKey, model: ExactName?, buckets: [Int], root: Int, now: Micros) {
        self.key = key
        self.model = model
        self.buckets = buckets
        self.root = root
        loads = buckets.map { _ in 0 }
        served = loads
        older = Mark(time: now, served: loads, totals: loads)
        newer = older
        touched = now
    }
}

struct BucketUrgency: Hashable, Sendable {
    var bucket: Int
    var urgency: Int
}

/// How far clients are ahead of one another in a bucket that several lanes of one urgency wait for.
struct SharedBucketTags: Sendable {
    struct Tag: Comparable, Sendable {
        var tag: Double
        var client: String

        static func < (left: Tag, right: Tag) -> Bool {
            left.tag != right.tag ? left.tag < right.tag : left.client.utf8Precedes(right.client)
        }

        static func == (left: Tag, right: Tag) -> Bool {
            left.tag == right.tag && left.client.isExactly(right.client)
        }
    }

    /// The tag of the last one served.
    var virtual = 0.0
    private var tags: NameMap<Double> = [:]
    private var order = SortedSet<Tag>()

    var isEmpty: Bool { tags.isEmpty }

    func contains(_ client: String) -> Bool { tags[client] != nil }

    func lead(_ client: String) -> Double {
        guard let tag = tags[client] else { return 0 }
        return max(0, tag - virtual)
    }

    mutating func charge(_ client: String, weight: Int, by charge: Double) {
        let old = tags[client]
        if let old { order.remove(Tag(tag: old, client: client)) }
        let start = max(virtual, old ?? 0)
        if charge > 0 { virtual = start }
        let tag = max(0, start + charge / Double(weight))
        tags[client] = tag
        order.insert(Tag(tag: tag, client: client))
        purge(atMost: 2, ahead: false)
    }

    mutating func purge(atMost length: Int, ahead: Bool) {
        for tag in order.prefix(length) {
            if !ahead, tag.tag > virtual { return }
            order.remove(tag)
            tags[tag.client] = nil
        }
    }
}

/// What the store knows of a replica.
struct ReplicaRecord: Sendable {
    /// Time of its last call.
    var last: Micros
    /// Number of its last call.
    var number = 0
    /// When it was pushed a grant that it has not confirmed by a call; 0: none.
    var pushed: Micros = 0
    /// When it was last granted something, here or by itself; 0: never.
    var granted: Micros = 0
    /// How far the search for its tickets went, while it takes all of them out.
    var scanned: [UInt8]?
    var tickets = SortedSet<QueueTicket>()
}

/// Another store than before, or another clock: nothing is granted until the replicas have told what they sent.
struct RollCall: Sendable {
    struct Known: Sendable {
        var figures: BucketFigures
        /// The most that any was told, and what all sent since they were told.
        var told = 0
        var since = 0
        /// The lowest limit that any was told; 0: none.
        var learned = 0
        /// The latest time until which an upstream's 429s held it, as any was told.
        var hold: Micros = 0
        var sent: [BucketUse] = []
    }

    var began: Micros
    var ends: Micros
    /// When it was found to be over; 0: not yet.
    var closing: Micros = 0
    /// The buckets are wrong for certain.
    var forced: Bool
    /// Who was known when it began, by the clock of then: one that jumped takes those who live for dead.
    var before: [String]
    /// Who lived when it began: where the store has lost nothing only these can have used what it does not know of.
    var living: Set<String>
    /// By how much the clock was set back: what is booked lies so far ahead until the buckets are rebuilt.
    var back: Micros
    /// Settlements and reports of own use since it began, or since one that it took the place of did.
    var bookings: Int
    var answered: Set<String> = []
    /// Of these the ones that had known others before.
    var informed = 0
    /// Called again since it was found to be over: who sees that the clock jumped since its answer says so.
    var confirmed: Set<String> = []
    /// The highest grant number that anybody saw.
    var seen = 0
    /// How many such have to answer, by what those who called had known.
    var need = 0
    /// Who has to answer, by what those who answered had known: one who was taken for dead stands for nobody else.
    var expected: Set<String> = []
    /// When buckets had last started as full, by what those who answered had been told; 0: never.
    var full: Micros = 0
    var known: NameMap<Known> = [:]
}

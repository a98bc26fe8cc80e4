internal import NIOCore
package import RedisClient

/// Purges on their way to Redis: kept until it confirms them, so that none is lost while it is away.
struct PendingPurges {
    /// Above it, everything is purged.
    private static let most = 1_024
    private(set) var scopes: Set<PurgeScope> = []
    var isSending = false
    var confirmations: [(Bool) -> Void] = []

    mutating func add(_ added: some Sequence<PurgeScope>) {
        scopes.formUnion(added)
        if scopes.count > Self.most { scopes = [.all] }
    }

    mutating func take() -> (scopes: Set<PurgeScope>, confirmations: [(Bool) -> Void]) {
        defer {
            scopes = []
            confirmations = []
        }
        return (scopes, confirmations)
    }
}

extension CacheLane {
    private static let retry = TimeAmount.milliseconds(250)

    /// Outdates answers: in this process at once, in Redis and on the other replicas a round trip later.
    ///
    /// A write to what a route's answers come from calls this when the write has ended, however it ended, and before its answer is passed on.
    /// - Parameter done: `true` when Redis has it, or there is none; `false` where Redis is away: it gets it when it is back.
    package func purge(_ scope: PurgeScope, _ done: @escaping (Bool) -> Void = { _ in }) {
        eventLoop.preconditionInEventLoop()
        count(.purge)
        cache.memory.purge(scope)
        guard redis != nil else { return done(true) }
        let confirmation = Confirmation(count: purges.count, done)
        for part in purges.indices {
            purges[part].add(CollectionOfOne(scope))
            purges[part].confirmations.append { confirmation.take($0) }
            sendPurges(part: part)
        }
    }

    private func sendPurges(part: Int) {
        guard let redis, !purges[part].isSending, !purges[part].scopes.isEmpty else { return }
        purges[part].isSending = true
        let (scopes, confirmations) = purges[part].take()
        let done = { (confirmed: Bool) in
            for confirmation in confirmations { confirmation(confirmed) }
            if !confirmed { self.purges[part].add(scopes) }
            self.eventLoop.assumeIsolated().scheduleTask(in: confirmed ? .zero : Self.retry) {
                self.purges[part].isSending = false
                self.sendPurges(part: part)
            }
        }
        if redis.isUsable(part: part, now: eventLoop.now) {
            redis.purge(scopes, part: part, done)
        } else {
            done(false)
        }
    }

    /// One word for all parts of the cache.
    private final class Confirmation {
        private var missing: Int
        private var isConfirmed = true
        private let done: (Bool) -> Void

        init(count: Int, _ done: @escaping (Bool) -> Void) {
            missing = count
            self.done = done
        }

        func take(_ confirmed: Bool) {
            isConfirmed = isConfirmed && confirmed
            missing -= 1
            if missing == 0 { done(isConfirmed) }
        }
    }

    /// Makes this the lane that listens for its process: to purges, and to other replicas' flights. Also sweeps memory. Once a process.
    /// - Parameter subscriber: on this lane's loop; `nil`: memory only.
    package func listen(_ subscriber: RedisSubscriber?) {
        eventLoop.preconditionInEventLoop()
        precondition(feed == nil, "a lane listens once")
        let feed = PurgeFeed(lane: self)
        self.feed = feed
        if let redis, let subscriber {
            subscriber.subscribe(redis.names.channel, onSubscribed: { feed.compareAll() }, { feed.take($0) })
        }
        feed.tick()
    }

    /// Ends what `listen` began.
    package func stopListening() {
        feed?.stop()
        feed = nil
    }
}

/// What this process knows of Redis's generations. Messages tell it at once; a comparison each second finds what a message did not bring.
final class PurgeFeed {
    private static let interval = TimeAmount.seconds(1)
    private let lane: CacheLane
    /// By part of the cache.
    private var known: [[String: String]]
    private var timer: Scheduled<Void>?
    private var isStopped = false

    init(lane: CacheLane) {
        self.lane = lane
        known = Array(repeating: [:], count: lane.redis?.names.partCount ?? 0)
    }

    func stop() {
        isStopped = true
        timer?.cancel()
    }

    func take(_ message: ByteBuffer) {
        guard let names = lane.redis?.names, !isStopped else { return }
        let flights = lane.cache.flights
        switch names.message(message) {
        case .ended(let key):
            for (flight, owner) in flights.owners(of: key) { owner.run { $0.wake(flight) } }
        case .left(let key):
            for (flight, owner) in flights.owners(of: key) { owner.run { $0.othersLeft(flight) } }
        case .purged(let field, let value):
            let part = names.part(ofValue: value)
            known[part][field] = value
            known[part]["last"] = value
            if let scope = names.scope(ofField: field) { lane.cache.memory.purge(scope) }
        case nil: break
        }
    }

    func tick() {
        guard !isStopped else { return }
        let memory = lane.cache.memory
        // All of it in half a minute, a little at a time.
        memory.sweep(slots: max(256, memory.usage.entries / 32), now: lane.eventLoop.now)
        if let redis = lane.redis {
            for part in known.indices where redis.isUsable(part: part, now: lane.eventLoop.now) {
                redis.lastPurge(part: part) { last in
                    if let last, last != self.known[part]["last"] ?? "" { self.compare(part: part) }
                }
            }
        }
        timer = lane.eventLoop.assumeIsolated().scheduleTask(in: Self.interval) { self.tick() }
    }

    func compareAll() {
        for part in known.indices { compare(part: part) }
    }

    private func compare(part: Int) {
        guard let redis = lane.redis, !isStopped else { return }
        redis.generations(part: part) { fields in
            guard let fields, !self.isStopped else { return }
            let known = self.known[part]
            for field in Set(fields.keys).union(known.keys) where fields[field] != known[field] {
                if let scope = redis.names.scope(ofField: field) { self.lane.cache.memory.purge(scope) }
            }
            self.known[part] = fields
        }
    }
}

package import NIOCore
internal import RedisClient

/// One event loop's way into the cache. Loop-confined; every callback comes on its loop.
package final class CacheLane {
    package let eventLoop: any EventLoop
    let cache: AnswerCache
    let redis: RedisTier?
    private let counters: CacheCounters
    private var tickets: [UInt64: CacheTicket] = [:]
    /// Tokens that this lane handed out, by their flight's number; their holders own them.
    private var tokens: [UInt64: WeakToken] = [:]
    /// Flights that this lane began, by number.
    var flights: [UInt64: Flight] = [:]
    /// Purges that Redis has not confirmed, by part of the cache.
    var purges: [PendingPurges] = []
    /// Set on the lane that listens for the process.
    var feed: PurgeFeed?

    private struct WeakToken { weak var token: FillToken? }

    init(cache: AnswerCache, eventLoop: any EventLoop, redis: RedisConnection?, counters: CacheCounters) {
        eventLoop.preconditionInEventLoop()
        self.cache = cache
        self.eventLoop = eventLoop
        self.counters = counters
        self.redis = redis.map { connection in
            RedisTier(connection: connection, settings: cache.settings, replica: cache.replica) {
                counters.count(.redisError)
            }
        }
        purges = Array(repeating: PendingPurges(), count: self.redis?.names.partCount ?? 0)
    }

    // MARK: Asking

    /// Looks an answer up. A memory hit, and a miss where there is no Redis, are known at once and touch nothing but memory.
    /// - Parameter done: called once on this loop where the lookup is pending, unless the caller leaves before.
    package func lookUp(_ request: CacheRequest, _ done: @escaping (CacheOutcome) -> Void) -> CacheLookup {
        eventLoop.preconditionInEventLoop()
        let now = eventLoop.now
        if request.directives.noCache { return fetchAnew(request, now: now, done) }
        var staleCopy: StoredAnswer?
        switch cache.memory.find(request.key, now: now, maximumAge: request.directives.maximumAge) {
        case .fresh(let answer):
            count(.memoryHit)
            return .answered(.hit(CacheHit(answer, now: now)))
        case .stale(let answer, let mayRevalidate):
            count(.memoryHit)
            count(.stale)
            return .answered(
                .hit(CacheHit(answer, now: now, revalidation: mayRevalidate ? revalidation(request) : nil))
            )
        case .onError(let answer): staleCopy = answer
        case .none: break
        }
        if request.directives.onlyIfCached || request.directives.noStore { return peek(request, now: now, done) }
        return join(request, staleCopy: staleCopy, now: now, done)
    }

    /// The caller of a pending lookup has gone. What it waited for is given up if nobody else waits.
    package func leave(_ ticket: CacheTicket) {
        eventLoop.preconditionInEventLoop()
        guard tickets.removeValue(forKey: ticket.number) != nil else { return }
        ticket.deadline?.cancel()
        depart(ticket.request.key, ticket: ticket.number)
    }

    // MARK: Ways of a miss

    private func peek(_ request: CacheRequest, now: NIODeadline, _ done: @escaping (CacheOutcome) -> Void)
        -> CacheLookup
    {
        guard let redis, redis.isUsable(for: request.key, now: now) else { return .answered(notFound(request)) }
        let ticket = makeTicket(request, done)
        let stamp = cache.memory.stamp(for: request.tags)
        redis.lookUp(
            request.key,
            tags: request.tags,
            mode: .peek,
            token: "",
            maximumAge: request.directives.maximumAge
        ) { finding in
            guard self.take(ticket.number) != nil else { return }
            guard case .hit(let answer) = finding else { return ticket.done(self.notFound(request)) }
            self.keep(answer, key: request.key, stamp: stamp)
            ticket.done(self.redisHit(answer, request, mayRevalidate: false))
        }
        return .pending(ticket)
    }

    private func notFound(_ request: CacheRequest) -> CacheOutcome {
        if request.directives.onlyIfCached { return .notCached }
        count(.miss)
        return .uncached
    }

    /// `no-cache`: a call of its own, which is stored. Generations are read before it, so that a purge during it counts.
    private func fetchAnew(
        _ request: CacheRequest,
        now: NIODeadline,
        _ done: @escaping (CacheOutcome) -> Void
    ) -> CacheLookup {
        if request.directives.onlyIfCached { return .answered(.notCached) }
        count(.miss)
        if request.directives.noStore { return .answered(.uncached) }
        let stamp = cache.memory.stamp(for: request.tags)
        guard let redis, redis.isUsable(for: request.key, now: now) else {
            return .answered(.lead(unlockedToken(request, stamp: stamp, generations: nil)))
        }
        let ticket = makeTicket(request, done)
        redis.lookUp(request.key, tags: request.tags, mode: .skip, token: "", maximumAge: nil) { finding in
            guard self.take(ticket.number) != nil else { return }
            var generations: String?
            if case .lead(let found, _) = finding { generations = found }
            ticket.done(.lead(self.unlockedToken(request, stamp: stamp, generations: generations)))
        }
        return .pending(ticket)
    }

    private func unlockedToken(_ request: CacheRequest, stamp: GenerationStamp, generations: String?) -> FillToken {
        FillToken(
            lane: self,
            key: request.key,
            tags: request.tags,
            stamp: stamp,
            flight: nil,
            generations: generations,
            ticket: cache.nextNumber(),
            isRevalidation: false,
            staleCopy: nil
        )
    }

    private func join(
        _ request: CacheRequest,
        staleCopy: StoredAnswer?,
        now: NIODeadline,
        _ done: @escaping (CacheOutcome) -> Void
    ) -> CacheLookup {
        let ticket = makeTicket(request, done)
        guard let grant = enter(ticket, staleCopy: staleCopy, now: now) else { return .pending(ticket) }
        _ = take(ticket.number)
        return .answered(outcome(of: .lead(grant), for: ticket))
    }

    // MARK: News of flights

    /// From a flight's owner to one of its callers.
    func deliver(_ news: FlightNews, to number: UInt64) {
        guard let ticket = tickets[number] else {
            // It left while the news was on its way.
            if case .lead(let grant) = news { refuse(grant, ticket: number) }
            return
        }
        let now = eventLoop.now
        switch news {
        case .again: return askAgain(ticket, now: now)
        case .hit(let answer, _):
            // The flight was begun by who asked for less.
            if let oldest = ticket.request.directives.maximumAge,
                answer.age(at: now) > oldest || answer.remaining(at: now) <= .zero
            {
                return askAgain(ticket, now: now)
            }
        default: break
        }
        _ = take(number)
        ticket.done(outcome(of: news, for: ticket))
    }

    private func outcome(of news: FlightNews, for ticket: CacheTicket) -> CacheOutcome {
        switch news {
        case .hit(let answer, let mayRevalidate):
            return redisHit(answer, ticket.request, mayRevalidate: mayRevalidate)
        case .lead(let grant):
            count(.miss)
            return .lead(token(grant, ticket: ticket.number))
        case .collapsed(let answer):
            count(.collapsed)
            return .collapsed(answer)
        case .staleOnError(let answer, let status):
            count(.stale)
            return .staleOnError(answer, failedStatus: status)
        case .alone, .again:
            count(.miss)
            return .uncached
        }
    }

    /// A flight ended with nothing for this caller: from the beginning, with the same ticket.
    private func askAgain(_ ticket: CacheTicket, now: NIODeadline) {
        var staleCopy: StoredAnswer?
        let request = ticket.request
        switch cache.memory.find(request.key, now: now, maximumAge: request.directives.maximumAge) {
        case .fresh(let answer), .stale(let answer, _):
            _ = take(ticket.number)
            count(.memoryHit)
            return ticket.done(.hit(CacheHit(answer, now: now)))
        case .onError(let answer): staleCopy = answer
        case .none: break
        }
        guard let grant = enter(ticket, staleCopy: staleCopy, now: now) else { return }
        _ = take(ticket.number)
        ticket.done(outcome(of: .lead(grant), for: ticket))
    }

    private func redisHit(_ answer: StoredAnswer, _ request: CacheRequest, mayRevalidate: Bool) -> CacheOutcome {
        let hit = CacheHit(answer, now: eventLoop.now, revalidation: mayRevalidate ? revalidation(request) : nil)
        count(.redisHit)
        if hit.remaining < .zero { count(.stale) }
        return .hit(hit)
    }

    /// - Returns: `nil` for who wants nothing fetched or stored.
    private func revalidation(_ request: CacheRequest) -> Revalidation? {
        guard !request.directives.noStore, !request.directives.onlyIfCached else { return nil }
        return Revalidation(lane: self, key: request.key, tags: request.tags)
    }

    // MARK: Tickets and tokens

    private func makeTicket(_ request: CacheRequest, _ done: @escaping (CacheOutcome) -> Void) -> CacheTicket {
        let ticket = CacheTicket(number: cache.nextNumber(), request: request, done: done)
        tickets[ticket.number] = ticket
        if let deadline = request.deadline {
            ticket.deadline = eventLoop.assumeIsolated().scheduleTask(deadline: deadline) {
                guard self.take(ticket.number) != nil else { return }
                self.depart(request.key, ticket: ticket.number)
                ticket.done(.deadlinePassed)
            }
        }
        return ticket
    }

    /// What is delivered to a ticket is delivered once.
    private func take(_ number: UInt64) -> CacheTicket? {
        let ticket = tickets.removeValue(forKey: number)
        ticket?.deadline?.cancel()
        return ticket
    }

    func token(_ grant: FlightGrant, ticket: UInt64?) -> FillToken {
        let token = FillToken(
            lane: self,
            key: grant.key,
            tags: grant.tags,
            stamp: grant.stamp,
            flight: (grant.flight, grant.owner),
            generations: nil,
            ticket: ticket,
            isRevalidation: ticket == nil,
            staleCopy: grant.staleCopy
        )
        tokens[grant.flight] = WeakToken(token: token)
        return token
    }

    func forget(_ flight: UInt64) { tokens[flight] = nil }

    /// From a flight's owner: nobody waits any more.
    func abandon(_ flight: UInt64) {
        tokens.removeValue(forKey: flight)?.token?.abandon()
    }

    func count(_ event: CacheCounters.Event) { counters.count(event) }

    /// Into memory. What Redis held or a call brought is of use to this process's other loops at once.
    func keep(_ answer: StoredAnswer, key: CacheKey, stamp: GenerationStamp) {
        cache.memory.insert(answer, for: key, stamp: stamp, now: eventLoop.now)
    }
}

extension CacheHit {
    init(_ answer: StoredAnswer, now: NIODeadline, revalidation: Revalidation? = nil) {
        self.init(
            answer: answer,
            age: answer.age(at: now),
            remaining: answer.remaining(at: now),
            revalidation: revalidation
        )
    }
}

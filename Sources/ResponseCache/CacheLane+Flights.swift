internal import NIOCore

/// The owner's side: a flight's states and what moves it from one to the next. All on the loop that began it.
extension CacheLane {
    // MARK: Beginning

    /// Joins the key's flight, or begins one.
    /// - Returns: the right to fetch, where it can be had without asking anybody.
    func enter(_ ticket: CacheTicket, staleCopy: StoredAnswer?, now: NIODeadline) -> FlightGrant? {
        let request = ticket.request
        let number = cache.nextNumber()
        let own = LaneHandle(self)
        let caller = FlightCaller(lane: own, ticket: ticket.number)
        let stamp = cache.memory.stamp(for: request.tags)
        guard cache.flights.join(request.key, stamp, caller: caller, flight: number, owner: own) else { return nil }
        let flight = Flight(
            key: request.key,
            number: number,
            tags: request.tags,
            stamp: stamp,
            maximumAge: request.directives.maximumAge
        )
        flight.staleCopy = staleCopy
        flights[number] = flight
        guard let redis, redis.isUsable(for: request.key, now: now) else {
            flight.state = .leading(caller)
            return grant(flight)
        }
        ask(flight)
        return nil
    }

    /// Begins a flight that nobody waits for, if the key has none in this process and no other replica fetches it.
    func revalidate(_ key: CacheKey, tags: CacheTags, _ done: @escaping (FillToken?) -> Void) {
        eventLoop.preconditionInEventLoop()
        let number = cache.nextNumber()
        let stamp = cache.memory.stamp(for: tags)
        guard cache.flights.begin(key, stamp, flight: number, owner: LaneHandle(self)) else { return done(nil) }
        let flight = Flight(key: key, number: number, tags: tags, stamp: stamp, maximumAge: nil)
        flight.isRevalidation = true
        flight.revalidation = done
        flights[number] = flight
        if let redis, redis.isUsable(for: key, now: eventLoop.now) { ask(flight) } else { takeOff(flight) }
    }

    // MARK: Asking Redis

    private func token(of flight: Flight) -> String { "\(cache.replica):\(flight.number)" }

    private func ask(_ flight: Flight, waitedFor: String = "") {
        guard let redis else { return takeOff(flight) }
        flight.state = .asking
        flight.timer?.cancel()
        redis.lookUp(
            flight.key,
            tags: flight.tags,
            mode: flight.isRevalidation ? .refresh : .get,
            token: token(of: flight),
            maximumAge: flight.maximumAge,
            waitedFor: waitedFor
        ) { finding in
            guard self.flights[flight.number] === flight, case .asking = flight.state else { return }
            self.found(finding, flight)
        }
    }

    private func found(_ finding: RedisTier.Finding, _ flight: Flight) {
        switch finding {
        case .hit(let answer):
            keep(answer, key: flight.key, stamp: flight.stamp)
            let isStale = answer.remaining(at: eventLoop.now) < .zero
            var first = isStale && !flight.isRevalidation
            end(flight, except: nil) {
                defer { first = false }
                return .hit(answer, mayRevalidate: first)
            }
        case .lead(let generations, let staleCopy):
            flight.generations = generations
            flight.staleCopy = staleCopy ?? flight.staleCopy
            takeOff(flight)
        case .wait(let leader): wait(flight, for: leader)
        case .told(let answer): end(flight, except: nil) { .collapsed(answer) }
        case .staleOnError(let answer, let status):
            end(flight, except: nil) { .staleOnError(answer, failedStatus: status) }
        case .alone: end(flight, except: nil) { .alone }
        case .busy, .none: end(flight, except: nil) { .again }
        case .failed:
            // Without Redis each process fetches for itself.
            takeOff(flight)
        }
    }

    private func wait(_ flight: Flight, for leader: String) {
        if cache.flights.closeIfEmpty(flight.key, flight: flight.number) {
            flights[flight.number] = nil
            redis?.leave(flight.key)
            return
        }
        if flight.wokenWhileAsking {
            flight.wokenWhileAsking = false
            return ask(flight, waitedFor: leader)
        }
        flight.state = .waiting(leader: leader)
        let poll = cache.settings.poll.nanoseconds
        schedule(flight, in: .nanoseconds(.random(in: poll * 3 / 4...poll * 5 / 4))) {
            self.ask(flight, waitedFor: leader)
        }
    }

    // MARK: Leading

    private func grant(_ flight: Flight) -> FlightGrant {
        FlightGrant(
            key: flight.key,
            tags: flight.tags,
            stamp: flight.stamp,
            flight: flight.number,
            owner: LaneHandle(self),
            staleCopy: usableOnError(flight.staleCopy)
        )
    }

    private func usableOnError(_ copy: StoredAnswer?) -> StoredAnswer? {
        guard let copy, copy.freshness.isUsableOnError(atAge: copy.age(at: eventLoop.now)) else { return nil }
        return copy
    }

    /// Lets one caller fetch.
    private func takeOff(_ flight: Flight) {
        if let revalidation = flight.revalidation {
            flight.revalidation = nil
            flight.state = .leading(nil)
            scheduleRenewal(flight)
            return revalidation(token(grant(flight), ticket: nil))
        }
        guard let caller = cache.flights.first(flight.key, flight: flight.number) else { return dismiss(flight) }
        flight.state = .leading(caller)
        scheduleRenewal(flight)
        let grant = grant(flight)
        caller.lane.run { $0.deliver(.lead(grant), to: caller.ticket) }
    }

    /// Nobody is there to fetch.
    private func dismiss(_ flight: Flight) {
        guard cache.flights.closeIfEmpty(flight.key, flight: flight.number) else { return takeOff(flight) }
        drop(flight)
        release(flight, .nothing)
    }

    private func scheduleRenewal(_ flight: Flight) {
        guard flight.generations != nil else { return }
        schedule(flight, in: cache.settings.renewal) {
            if !flight.isRevalidation, self.cache.flights.isEmpty(flight.key, flight: flight.number) {
                self.askWhoWaits(flight)
            } else {
                self.renew(flight, releasingIfAlone: false) { _ in }
            }
            self.scheduleRenewal(flight)
        }
    }

    private func renew(_ flight: Flight, releasingIfAlone: Bool, _ done: @escaping (Int?) -> Void) {
        guard let redis, let generations = flight.generations else { return done(nil) }
        redis.renew(
            flight.key,
            token: token(of: flight),
            generations: generations,
            releasingIfAlone: releasingIfAlone,
            done
        )
    }

    // MARK: Ending

    /// From a token, on its lane.
    func filled(_ flight: (number: UInt64, owner: LaneHandle)?, _ result: FillResult, leader: UInt64?) {
        guard let flight else { return }
        flight.owner.run { $0.finish(flight.number, result, leader: leader) }
    }

    private func finish(_ number: UInt64, _ result: FillResult, leader: UInt64?) {
        guard let flight = flights[number], case .leading = flight.state else { return }
        switch result {
        case .completed(let answer):
            end(flight, except: leader) { .collapsed(answer) }
            guard let redis, let generations = flight.generations else { return }
            redis.store(answer, for: flight.key, token: token(of: flight), generations: generations)
        case .failed(.clientError(let answer)):
            end(flight, except: leader) { .collapsed(answer) }
            release(flight, .answer(answer))
        case .failed(.notShareable):
            end(flight, except: leader) { .alone }
            release(flight, .alone)
        case .failed(.other(let status)):
            if let copy = usableOnError(flight.staleCopy) {
                end(flight, except: leader) { .staleOnError(copy, failedStatus: status) }
                release(flight, .stale(failedStatus: status))
            } else {
                pass(flight, from: leader)
            }
        }
    }

    /// From a lane whose caller had left when it was to lead.
    func refuse(_ grant: FlightGrant, ticket: UInt64) {
        grant.owner.run { lane in
            guard
                let flight = lane.flights[grant.flight],
                case .leading(let caller) = flight.state, caller?.ticket == ticket
            else { return }
            lane.pass(flight, from: ticket)
        }
    }

    /// The next who waits here fetches, under the same lock; where nobody does, those of other replicas may.
    private func pass(_ flight: Flight, from leader: UInt64?) {
        flight.timer?.cancel()
        flight.isRevalidation = false
        if let leader { _ = cache.flights.leave(flight.key, ticket: leader) }
        takeOff(flight)
    }

    private func end(_ flight: Flight, except leader: UInt64?, _ news: () -> FlightNews) {
        let callers = cache.flights.close(flight.key, flight: flight.number)
        drop(flight)
        flight.revalidation?(nil)
        flight.revalidation = nil
        for caller in callers where caller.ticket != leader {
            let news = news()
            caller.lane.run { $0.deliver(news, to: caller.ticket) }
        }
    }

    private func drop(_ flight: Flight) {
        flight.timer?.cancel()
        flights[flight.number] = nil
    }

    private func release(_ flight: Flight, _ lastWord: RedisTier.LastWord) {
        guard flight.generations != nil else { return }
        redis?.release(flight.key, token: token(of: flight), lastWord)
    }

    func storeUnlocked(_ answer: StoredAnswer, key: CacheKey, generations: String?) {
        guard let redis, let generations else { return }
        redis.store(answer, for: key, token: "", generations: generations)
    }

    // MARK: Leaving

    /// A caller of this lane has gone.
    func depart(_ key: CacheKey, ticket: UInt64) {
        guard let (number, owner) = cache.flights.leave(key, ticket: ticket) else { return }
        owner.run { $0.emptied(number) }
    }

    private func emptied(_ number: UInt64) {
        guard let flight = flights[number] else { return }
        switch flight.state {
        // Redis's reply decides: a lock is given back, a place among the waiting too.
        case .asking: break
        case .waiting:
            guard cache.flights.closeIfEmpty(flight.key, flight: number) else { return }
            drop(flight)
            redis?.leave(flight.key)
        case .leading:
            guard !flight.isRevalidation, cache.flights.isEmpty(flight.key, flight: number) else { return }
            askWhoWaits(flight)
        }
    }

    /// Nobody waits here. Where no replica does either, the lock is given back in the same step, and the call is given up.
    private func askWhoWaits(_ flight: Flight) {
        guard flight.generations != nil, let redis, redis.isUsable(for: flight.key, now: eventLoop.now) else {
            _ = giveUp(flight)
            return
        }
        guard !flight.isChecking else { return }
        flight.isChecking = true
        renew(flight, releasingIfAlone: true) { waiting in
            flight.isChecking = false
            guard self.flights[flight.number] === flight, case .leading = flight.state else { return }
            if let waiting, waiting > 0 { return }
            if self.giveUp(flight) { return }
            // Somebody came in the meantime: take the lock again.
            self.renew(flight, releasingIfAlone: false) { _ in }
        }
    }

    /// - Returns: `false` where somebody waits after all.
    private func giveUp(_ flight: Flight) -> Bool {
        guard cache.flights.closeIfEmpty(flight.key, flight: flight.number) else { return false }
        drop(flight)
        if case .leading(let caller?) = flight.state {
            caller.lane.run { [number = flight.number] in $0.abandon(number) }
        }
        return true
    }

    // MARK: Messages of other replicas

    /// A leader has ended.
    func wake(_ number: UInt64) {
        guard let flight = flights[number] else { return }
        switch flight.state {
        case .asking: flight.wokenWhileAsking = true
        case .waiting(let leader): ask(flight, waitedFor: leader)
        case .leading: break
        }
    }

    /// No other replica waits any more.
    func othersLeft(_ number: UInt64) {
        guard let flight = flights[number], case .leading = flight.state else { return }
        emptied(number)
    }

    private func schedule(_ flight: Flight, in delay: TimeAmount, _ body: @escaping () -> Void) {
        flight.timer?.cancel()
        flight.timer = eventLoop.assumeIsolated().scheduleTask(in: delay) {
            if self.flights[flight.number] === flight { body() }
        }
    }
}

import Pacing

/// Counts what arrives at the upstream against what the quotas allow, and every slot against what was said before it.
///
/// It knows nothing of how slots are found: only what was granted, sent, refused, settled and lost, and when.
final class WindowOracle {
    private struct Arrival {
        var time: Micros
        /// When the store granted it; nil: its replica did, by its part.
        var granted: Micros?
        /// In which of the store's calls.
        var call: Int?
        /// Nobody could know that the store's clock had jumped.
        var isBlind: Bool
        /// What was booked for it, and what it really took.
        var reserved: Int
        var actual: Int
        /// In which of its calls the store learned what it really took: two calls may come at the same time.
        var settled = Int.max
    }

    private struct Taught {
        var at: Micros
        var limit: Int
    }

    private struct Account {
        var spec: BucketSpec
        /// As any configuration has it.
        var most: Int
        var arrivals: [Arrival] = []
        var stated: [Taught] = []
        var learned: [Taught] = []
        var heldUntil: Micros = 0
        /// The same by what each replica said, and what a store that lost its data was taught before.
        var heldBy: [String: Micros] = [:]
        var forgotten: [Taught] = []
        /// The lowest that was ever stated.
        var least = Int.max
    }

    private struct Order {
        var isPaused: Bool
        var at: Micros
    }

    private struct Slot {
        var at: Micros
        var call: Int
        var isBlind: Bool
        /// Units of each bucket.
        var booked: [String: Int]
    }

    /// As long as the store's clock may jump ahead without that looking like silence.
    private static let unseen: Micros = 1_500_000

    private let world: World
    private let configuration: ScheduleConfiguration
    let local: LocalOracle
    private var accounts: [String: Account] = [:]
    /// The store's names of a lane's buckets, and the upstream's of those that a call needs, in the same order.
    private var storeNames: [UInt64: [String]] = [:]
    private var names: [Int: [String]] = [:]
    private var slots: [Int: Slot] = [:]
    private var lastArrivals: [Int: [(name: String, index: Int)]] = [:]
    private var paused: Set<String> = []
    /// When the last order on a quota was given, by the store's clock.
    private var ordered: [String: Micros] = [:]
    /// The last order that was given to each replica.
    private var orders: [String: [String: Order]] = [:]
    /// By how much the store's clock jumped ahead unseen by itself, and when.
    private var jump: (at: Micros, span: Micros) = (-1, 0)
    private var calls = 0
    private var callers: Set<String> = []
    /// Who knew the store's clock before it jumped, until one of them has called.
    private var witnesses: [SimulatedReplica] = []
    /// It jumped by so little that the store does not even ask; else it asks all, and only the dead do not answer in the end:
    /// a store that was quiet while all its replicas were replaced looks the same.
    private var isUnseen = false
    /// Windows that begin later hold nothing that was granted before it jumped.
    private var blindUntil: Micros = -1
    private(set) var exceeded = false

    init(world: World, configuration: ScheduleConfiguration) {
        self.world = world
        self.configuration = configuration
        local = LocalOracle(world: world, sharers: configuration.sharers)
        for (name, spec) in configuration.buckets {
            accounts[name] = Account(spec: spec, most: max(spec.limit, configuration.older[name]?.limit ?? 0))
        }
        for set in configuration.sets {
            for names in [set.map(\.name), set.map { $0.overflow ?? $0.name }] {
                storeNames[LaneKey(names: names, urgency: 0).buckets] = names
            }
        }
    }

    // MARK: What the store was told and did

    /// A call that it had not seen before, now carried out.
    ///
    /// - Parameter isInRollCall: after it.
    func asked(_ call: QueueCall, of replica: SimulatedReplica, epoch: Micros, now: Micros, isInRollCall: Bool) {
        local.called(call.replica, isLocal: replica.agent.mode == .local)
        calls += 1
        callers.insert(call.replica)
        if witnesses.contains(where: { $0.id == call.replica }) { witnesses = [] }
        for lane in call.lanes {
            for bucket in lane.buckets {
                state(bucket)
            }
        }
        var uses: [(name: String, units: Int)] = []
        for operation in call.operations {
            switch operation {
            case .refused(let ticket, _, let buckets, let hold, let learned, _, _):
                refused(ticket, buckets, hold: hold, learned: learned, by: call.replica)
            case .settle(let ticket, let stamp, _):
                guard stamp.epoch == epoch else { continue }
                for (name, index) in lastArrivals[ticket.id] ?? [] {
                    accounts[name]?.arrivals[index].settled = calls
                }
            case .used(let figures, let used):
                uses.append((figures.name, used.reduce(0) { $0 + max(0, $1.units) }))
            case .pause(let quota, let isPaused):
                if isPaused { paused.insert(quota) } else { paused.remove(quota) }
                ordered[quota] = max(now, (ordered[quota] ?? 0) + 1)
                orders[call.replica, default: [:]][quota] = Order(isPaused: isPaused, at: ordered[quota]!)
            case .pauses(let told):
                for pause in told where orders[call.replica]?[pause.quota] != nil {
                    orders[call.replica]?[pause.quota] = Order(isPaused: pause.paused, at: pause.at)
                }
                for pause in told where pause.at > ordered[pause.quota] ?? 0 {
                    if pause.paused { paused.insert(pause.quota) } else { paused.remove(pause.quota) }
                    ordered[pause.quota] = pause.at
                }
            case .state(let figures): state(figures)
            case .report(let reports, _, _) where isInRollCall: answered(call.replica, reports)
            default: break
            }
        }
        local.used(call.replica, uses)
    }

    private func state(_ figures: BucketFigures) {
        guard var account = accounts.removeValue(forKey: figures.name) else { return }
        account.stated.append(Taught(at: world.time, limit: figures.limit))
        account.least = min(account.least, figures.limit)
        accounts[figures.name] = account
    }

    /// What it had ordered and been refused, and what it was told that 429s had taught, holds again in a store that lost it.
    private func answered(_ id: String, _ reports: [BucketReport]) {
        for (quota, order) in orders[id] ?? [:] where order.at > ordered[quota] ?? 0 {
            if order.isPaused { paused.insert(quota) } else { paused.remove(quota) }
            ordered[quota] = order.at
        }
        for name in Array(accounts.keys) {
            guard var account = accounts.removeValue(forKey: name) else { continue }
            account.heldUntil = max(account.heldUntil, account.heldBy[id] ?? 0)
            let report = reports.first { $0.figures.name == name }
            account.least = min(account.least, report?.figures.limit ?? .max)
            let learned = report?.learned ?? 0
            account.learned += account.forgotten.filter { $0.limit == learned }
            account.forgotten.removeAll { $0.limit == learned }
            accounts[name] = account
        }
    }

    private func refused(_ ticket: QueueTicket, _ buckets: [String], hold: Micros?, learned: Int?, by id: String) {
        for name in buckets {
            guard var account = accounts.removeValue(forKey: name) else { continue }
            if let hold {
                account.heldUntil = max(account.heldUntil, world.time + hold)
                account.heldBy[id] = max(account.heldBy[id] ?? 0, world.time + hold)
            }
            if let learned { account.learned.append(Taught(at: world.time, limit: learned)) }
            accounts[name] = account
        }
    }

    func granted(_ ticket: QueueTicket, _ stamp: GrantStamp) {
        let isBlind =
            !witnesses.isEmpty
            && witnesses.allSatisfy { $0.isDead || isUnseen && ($0.pausedSince != nil || $0.isCutOff) }
        let names = names[ticket.id] ?? []
        let units = stamp.booked.isEmpty ? ticket.costs : stamp.booked
        let booked = Dictionary(uniqueKeysWithValues: zip(names, units))
        slots[ticket.id] = Slot(at: world.time, call: calls, isBlind: isBlind, booked: booked)
        let storeNames = storeNames[ticket.lane.buckets] ?? []
        local.granted(
            ticket.owner,
            zip(zip(names, storeNames), units).map { .init(name: $0.0, storeName: $0.1, units: $1) }
        )
        for name in names {
            if let until = accounts[name]?.heldUntil, world.time < until {
                world.fail("\(name) granted to \(ticket.id) while the upstream holds it")
            }
            if paused.contains(where: { name == $0 || name.hasPrefix($0 + "/") }) {
                world.fail("\(name) granted to \(ticket.id) while it is paused")
            }
        }
    }

    /// Its data is gone, all or a second's worth: what it was told is told again, or not known.
    ///
    /// - Parameter isEmpty: else it is what was a second ago, with orders that may have been taken back since.
    func storeLost(used replicas: [String: SimulatedReplica], isEmpty: Bool) {
        for name in accounts.keys { accounts[name]?.stated = [] }
        forgetLearned()
        paused = []
        if isEmpty { ordered = [:] }
        local.storeLost(replicas)
    }

    /// - Parameter span: negative: it was set back.
    func clockJumped(_ span: Micros, known replicas: [String: SimulatedReplica]) {
        // That it went back the store sees by itself.
        if span > 0 {
            witnesses = callers.sorted().compactMap { replicas[$0] }
            blindUntil = world.time + LocalOracle.longestArrival
        }
        // More than that is silence to the store.
        isUnseen = (1...Self.unseen).contains(span)
        if isUnseen { jump = (world.time, span) }
        forgetLearned()
    }

    private func forgetLearned() {
        for name in accounts.keys {
            let learned = accounts[name]?.learned ?? []
            accounts[name]?.forgotten += learned
            accounts[name]?.learned = []
            accounts[name]?.heldUntil = 0
        }
    }

    func told(_ id: String, _ reply: QueueReply, processed: Micros) {
        local.told(id, reply.buckets.map(\.name), count: reply.peers?.count, processed: processed)
    }

    func came(_ request: SimulatedRequest) {
        names[request.id.value] = request.request.costs.map(\.bucket.name)
    }

    func grantedByItself(_ request: SimulatedRequest) {
        for cost in request.request.costs {
            local.took(request.replica.id, cost.bucket.name, min(cost.units, cost.bucket.limit))
        }
    }

    /// What it took is told: as its replica's use, where the store does not know the slot.
    func settles(_ request: SimulatedRequest) {
        for cost in request.request.costs {
            let reserved = min(cost.units, cost.bucket.limit)
            local.took(request.replica.id, cost.bucket.name, (request.actual[cost.bucket.name] ?? 0) - reserved)
        }
    }

    func wentLocal(_ id: String) { local.wentLocal(id) }
    func died(_ id: String) { local.died(id) }

    // MARK: What the upstream sees

    func arrived(_ request: SimulatedRequest) {
        var indices: [(name: String, index: Int)] = []
        let slot = request.isLocal ? nil : slots[request.id.value]
        for cost in request.request.costs {
            let name = cost.bucket.name
            guard var account = accounts.removeValue(forKey: name) else { continue }
            let bound = bound(account, granted: slot?.at)
            let least = min(cost.units, cost.bucket.limit, bound, leastKnown(account))
            let arrival = Arrival(
                time: world.time,
                granted: slot?.at,
                call: slot?.call,
                isBlind: slot?.isBlind == true,
                reserved: max(least, slot?.booked[name] ?? least),
                actual: request.actual[name] ?? cost.units
            )
            account.arrivals.append(arrival)
            indices.append((name, account.arrivals.count - 1))
            check(account)
            accounts[name] = account
        }
        lastArrivals[request.id.value] = indices
    }

    /// What may be in a window when a slot was granted at that time: the lowest limit that anybody stated within 3 s,
    /// or that the upstream taught within ten windows.
    private func bound(_ account: Account, granted: Micros?) -> Int {
        guard let granted else { return account.most }
        var bound = account.most
        for taught in account.stated.reversed() {
            // By a clock that jumped it is that much longer ago.
            let moved = taught.at < jump.at && jump.at <= granted ? jump.span : 0
            if taught.at <= granted - 3_000_000 + moved { break }
            if taught.at < granted { bound = min(bound, taught.limit) }
        }
        for taught in account.learned.reversed() {
            let moved = taught.at < jump.at && jump.at <= granted ? jump.span : 0
            if taught.at <= granted - 10 * account.spec.per.micros + moved { break }
            if taught.at < granted { bound = min(bound, taught.limit) }
        }
        return bound
    }

    /// An estimate is clamped to the limit that holds, which may be any that was stated or taught: no less is booked for it,
    /// whatever the store says.
    private func leastKnown(_ account: Account) -> Int {
        (account.learned + account.forgotten).lazy.map(\.limit).reduce(account.least, min)
    }

    private func check(_ account: Account) {
        if let reset = account.spec.reset { return checkCalendar(account, reset.micros - SimulatedStore.start) }
        let last = account.arrivals[account.arrivals.count - 1]
        let edge = last.time - account.spec.per.micros
        let window = account.arrivals.reversed().prefix { $0.time > edge }
        if edge < blindUntil, window.contains(where: \.isBlind) { return }
        // Which of them must not have been granted is the one that was granted last; calls overtake each other on the way.
        let newest = window.max { ($0.granted ?? 0, $0.call ?? 0) < ($1.granted ?? 0, $1.call ?? 0) }
        let decisive = last.granted == nil ? last : newest ?? last
        let bound = self.bound(account, granted: decisive.granted)
        let sum = window.reduce(0) { $0 + units($1, asOf: decisive.call) }
        let name = account.spec.name
        guard sum > bound else { return }
        let excess = local.excess(name, limit: account.most, window: edge)
        guard sum > bound + excess else { return }
        world.fail("exceeded: \(name) \(sum) of \(bound) in the window to \(World.seconds(last.time))")
    }

    /// The upstream's day may begin up to 2 s before or after the store's.
    private func checkCalendar(_ account: Account, _ reset: Micros) {
        for skew in [-1_900_000, 0, 1_900_000] {
            let last = account.arrivals[account.arrivals.count - 1]
            let isAfter = last.time >= reset + skew
            let sum = account.arrivals.reduce(0) {
                ($1.time >= reset + skew) == isAfter ? $0 + units($1, asOf: last.call) : $0
            }
            guard sum > account.most else { continue }
            let excess = local.excess(account.spec.name, limit: account.most, window: 0)
            if sum > account.most + excess {
                world.fail("exceeded: \(account.spec.name) \(sum) of \(account.most), a day that is off by \(skew)")
            }
        }
    }

    /// What was booked when that slot was granted: an estimate that fell short counts as soon as the store knows.
    private func units(_ arrival: Arrival, asOf call: Int?) -> Int {
        guard let call, arrival.settled <= call else { return min(arrival.actual, arrival.reserved) }
        return arrival.actual
    }
}

import Pacing
import TestSupport

/// Random operations of three replicas straight on the state machine, no network between: what agents do seldom or not
/// yet (calendar windows, changed figures, pauses, estimates, a full queue) comes as often as the rest.
final class DirectSchedule {
    private struct Granted {
        var ticket: QueueTicket
        var stamp: GrantStamp
    }

    let seed: Int
    private var generator: SeededGenerator
    private var state: QueueState
    private var now: Micros = 1_000_000_000_000
    private var numbers: [String: Int] = [:]
    private var nextID = 1
    private var waiting: [String: [QueueTicket]] = [:]
    private var granted: [String: [Granted]] = [:]
    /// Where tickets of models would wait by themselves.
    private var own: [Int: LaneFigures] = [:]
    private var lanes: [[BucketFigures]] = []
    private var seq = 0
    private var epoch: Micros = 0
    private let start: Micros
    /// More models than may have buckets of their own.
    private let hasModels: Bool
    let isCrowded: Bool
    private(set) var steps: [SimulatedStore.Step] = []
    private(set) var failures: [String] = []

    init(seed: Int) {
        self.seed = seed
        generator = SeededGenerator(seed: seed)
        start = now
        hasModels = seed % 4 < 2
        isCrowded = seed % 4 == 1
        state = QueueState(bounds: isCrowded ? ScriptReplay.crowded : QueueBounds())
        let second = 1_000_000
        func figures(_ name: String, _ limit: Int, _ per: Int, reset: Int = 0) -> BucketFigures {
            BucketFigures(
                name: name,
                limit: limit,
                per: per * second,
                guardInterval: 20_000,
                burst: generator.int(1...limit),
                reset: reset
            )
        }
        let up = figures("up", 20, 5)
        let flash = figures("rpm/flash", 10, 2)
        let tokens = figures("tpm/flash", 5000, 60)
        let pro = figures("rpm/pro", 6, 1)
        let day = figures("rpd", 40, 86_400, reset: start + 20 * second)
        let long = figures("hour", 60, 3600)
        lanes = [[flash, up], [flash, tokens, up], [pro, up], [pro], [flash, day], [long, pro]]
            .map { $0.sorted { $0.name < $1.name } }
    }

    func run(steps count: Int) {
        for _ in 0..<count where failures.isEmpty { step() }
    }

    private func step() {
        advanceTime()
        let me = generator.pick(["a", "b", "c"])
        var operations: [QueueOperation] = []
        var used: [LaneFigures] = []
        for _ in 0..<generator.int(0...4) { add(to: &operations, lanes: &used, for: me) }
        numbers[me, default: 0] += 1
        let isRepeated = generator.chance(0.05)
        let call = QueueCall(
            replica: me,
            number: isRepeated ? numbers[me]! - 1 : numbers[me]!,
            run: generator.chance(0.002) ? "other" : "run",
            seen: generator.chance(0.002) ? seq + 1 : seq,
            peers: generator.int(0...3),
            maxWaiting: 40,
            lanes: used,
            operations: operations
        )
        let listening = ["a", "b", "c"].filter { _ in generator.chance(0.97) }
        let before = state.contradictions()
        let outcome = state.call(call, now: now) { listening.contains($0) }
        steps.append(.call(call, now: now, listening: listening, outcome))
        let after = state.contradictions()
        if before.isEmpty, !after.isEmpty { failures.append("\(after) after \(call)") }
        learn(outcome, of: me)
    }

    private func advanceTime() {
        switch generator.int(0...999) {
        case ..<400: now += generator.int(0...2000)
        case ..<800: now += generator.int(2000...60_000)
        case ..<990: now += generator.int(60_000...900_000)
        case ..<996: now += generator.int(900_000...3_000_000)
        case ..<999: now += generator.int(30_000_000...90_000_000)
        default: now += generator.pick([-5_000_000, 3_600_000_000])
        }
    }

    private func learn(_ outcome: QueueState.Outcome, of me: String) {
        seq = max(seq, outcome.reply.seq)
        epoch = outcome.reply.epoch
        for (ticket, stamp) in zip(outcome.reply.grants, outcome.reply.stamps) {
            granted[me, default: []].append(Granted(ticket: ticket, stamp: stamp))
        }
        for (replica, push) in outcome.pushes {
            guard case .grant(let ticket, let stamp, _) = push else { continue }
            granted[replica, default: []].append(Granted(ticket: ticket, stamp: stamp))
        }
    }

    private func add(to operations: inout [QueueOperation], lanes used: inout [LaneFigures], for me: String) {
        switch generator.int(0...99) {
        case ..<45:
            let (ticket, lane) = newTicket(me)
            if !used.contains(lane) { used.append(lane) }
            waiting[me, default: []].append(ticket)
            operations.append(.enter(ticket, patience: generator.chance(0.7) ? generator.int(0...20_000_000) : nil))
        case ..<55:
            guard let ticket = takeWaiting(me) else { return }
            operations.append(.leave(ticket))
        case ..<65:
            guard let granted = takeGranted(me) else { return }
            let set = state(granted.ticket, in: &used)
            operations.append(.back(granted.ticket, granted.stamp, requeue: generator.chance(0.6), of: set))
        case ..<71:
            guard let granted = takeGranted(me) else { return }
            let names = lanes.flatMap(\.self).map(\.name)
            let set = state(granted.ticket, in: &used)
            operations.append(
                .refused(
                    granted.ticket,
                    granted.stamp,
                    buckets: [generator.pick(names)],
                    hold: generator.chance(0.5) ? nil : generator.int(0...2_000_000),
                    learned: generator.chance(0.5) ? nil : generator.int(1...30),
                    requeue: generator.chance(0.7),
                    of: set
                )
            )
        case ..<79:
            guard let granted = takeGranted(me) else { return }
            let costs = granted.ticket.costs.map { $0 > 1 ? generator.int(0...$0 * 2) : $0 }
            operations.append(.settle(granted.ticket, granted.stamp, costs: costs))
        case ..<83:
            guard let ticket = waiting[me]?.last else { return }
            operations.append(.estimate(ticket))
        case ..<90: operations.append(.beat)
        case 90: operations.append(.reset)
        case 91: operations.append(.pause(quota: generator.pick(["", "rpm", "up", "rpd"]), paused: true))
        case ..<95:
            for quota in ["", "rpm", "up", "rpd"] { operations.append(.pause(quota: quota, paused: false)) }
        case 95: if generator.chance(0.1) { operations.append(.jump(epoch: epoch)) }
        case 96: operations.append(generator.chance(0.5) ? .bye : .state(figures(generator.pick(lanes)[0])))
        case 97:
            operations.append(.used(figures(generator.pick(lanes)[0]), uses()))
        default:
            operations.append(
                .report(
                    generator.pick(lanes).map {
                        BucketReport(
                            figures: figures($0),
                            told: generator.int(0...$0.limit),
                            since: generator.int(0...3),
                            learned: generator.chance(0.2) ? generator.int(1...$0.limit) : 0,
                            hold: generator.chance(0.2) ? now + generator.int(-500_000...2_000_000) : 0,
                            sent: uses()
                        )
                    },
                    peers: ["a", "b", "c"].filter { _ in generator.chance(0.6) },
                    full: generator.chance(0.5) ? 0 : now - generator.int(0...3_000_000)
                )
            )
        }
    }

    /// - Returns: nil where the call does not say whose it is.
    private func state(_ ticket: QueueTicket, in used: inout [LaneFigures]) -> LaneKey? {
        guard ticket.id % 4 > 0, let set = own[ticket.id] else { return nil }
        if !used.contains(set) { used.append(set) }
        return set.key
    }

    private func uses() -> [BucketUse] {
        (0..<generator.int(0...3)).map { _ in
            BucketUse(at: now - generator.int(-100_000...3_000_000), units: generator.int(1...4))
        }
    }

    /// Now and then as another configuration has them.
    private func figures(_ figures: BucketFigures) -> BucketFigures {
        var figures = figures
        if figures.reset > 0 { figures.reset = nextReset() }
        guard generator.chance(0.05) else { return figures }
        switch generator.int(0...3) {
        case 0: figures.limit = max(1, figures.limit * generator.int(1...3) / 2)
        case 1: figures.burst = generator.int(1...figures.limit)
        case 2: figures.guardInterval = generator.pick([20_000, 50_000])
        default:
            if generator.chance(0.3) {
                figures.reset = figures.reset == 0 ? nextReset() : 0
            } else if figures.reset == 0 {
                figures.per = figures.per * generator.int(1...3) / 2
            }
        }
        figures.burst = min(figures.burst, figures.limit)
        return figures
    }

    /// A model that a caller chose, and which of its quotas that call needs.
    private func modelLane() -> LaneFigures {
        let number = generator.int(0...(isCrowded ? 7 : 99))
        // Two of them only their bytes tell apart.
        let model = number < 2 ? ["\u{e9}", "e\u{301}"][number] : "m\(number)"
        var buckets = [("rpd", 40, 3600), ("rpm", 3, 60)].map { quota, limit, seconds in
            BucketFigures(
                name: "\(quota)/\(model)",
                limit: limit,
                per: seconds * 1_000_000,
                guardInterval: 20_000,
                burst: limit
            )
        }
        if generator.chance(0.3) { buckets.remove(at: generator.int(0...1)) }
        return LaneFigures(
            key: LaneKey(names: buckets.map(\.name), urgency: 3),
            buckets: buckets.map { figures($0) },
            shared: buckets.map { "\($0.name.prefix(3))/*" }
        )
    }

    private func nextReset() -> Micros {
        let day = 86_400_000_000
        var reset = start + 20_000_000
        while reset <= now { reset += day }
        return reset
    }

    private func newLane() -> LaneFigures {
        let buckets = generator.pick(lanes).map { figures($0) }
        let urgency = generator.pick([0, 3, 3, 3, 6])
        return LaneFigures(key: LaneKey(names: buckets.map(\.name), urgency: urgency), buckets: buckets)
    }

    private func newTicket(_ me: String) -> (QueueTicket, LaneFigures) {
        let lane = hasModels && generator.chance(0.8) ? modelLane() : newLane()
        nextID += 1
        let costs = lane.buckets.map { $0.name.hasPrefix("tpm") ? generator.pick([1, 100, 900, 3000]) : 1 }
        let ticket = QueueTicket(
            lane: lane.key,
            client: generator.pick(["c1", "c2", "c3", "b", "\u{e9}", "e\u{301}"]),
            user: generator.pick(["", "x", "yy", "\u{e9}", "e\u{301}"]),
            place: now - generator.int(0...1000),
            owner: me,
            id: nextID,
            weight: generator.pick([1, 1, 2, 7]),
            allowance: generator.pick([20_000, 20_000, 300_000]),
            costs: costs
        )
        if lane.shared != nil { own[nextID] = lane }
        return (ticket, lane)
    }

    private func takeWaiting(_ me: String) -> QueueTicket? {
        guard let tickets = waiting[me], !tickets.isEmpty else { return nil }
        return waiting[me]?.remove(at: generator.int(0...tickets.count - 1))
    }

    private func takeGranted(_ me: String) -> Granted? {
        guard let grants = granted[me], !grants.isEmpty else { return nil }
        return granted[me]?.remove(at: generator.int(max(0, grants.count - 5)...grants.count - 1))
    }
}

import Pacing

/// A Redis: one state, that can be emptied, rolled back by up to a second, restarted, and whose clock can be wrong.
final class SimulatedStore {
    /// What happened to it, to be done again elsewhere.
    enum Step {
        case call(QueueCall, now: Micros, listening: [String], QueueState.Outcome)
        case snapshot
        case restore
        case empty
    }

    enum Loss: CaseIterable { case empty, rollback, keep }

    /// Its clock when the world begins.
    static let start: Micros = 1_000_000_000_000

    private let world: World
    let windows: WindowOracle
    let order: OrderOracle?
    let reservation: ReservationOracle?
    private let sabotage: Sabotage?
    private(set) var state: QueueState
    let bounds: QueueBounds
    private var snapshot: (state: QueueState, numbers: [String: Int], step: Int)?
    private(set) var isUp = true
    private(set) var errorsUntil: Micros = 0
    /// When it was last lost, jumped or back: nothing has to move before a while after that.
    private(set) var disturbedAt: Micros = 0
    private(set) var run = 1
    private var skew: Micros = 0
    var replicas: [String: SimulatedReplica] = [:]
    private var numbers: [String: Int] = [:]
    /// When something of each replica last arrived.
    private(set) var heard: [String: Micros] = [:]
    private var epoch: Micros = 0
    /// When each lane was last granted something.
    private(set) var served: [LaneKey: Micros] = [:]
    /// Filled where `records` is set.
    private(set) var steps: [Step] = []
    private var restores: Set<Int> = []
    var records = false

    init(
        world: World,
        windows: WindowOracle,
        order: OrderOracle?,
        reservation: ReservationOracle?,
        sabotage: Sabotage?,
        bounds: QueueBounds = QueueBounds()
    ) {
        self.bounds = bounds
        state = QueueState(bounds: bounds)
        self.world = world
        self.reservation = reservation
        self.windows = windows
        self.order = order
        self.sabotage = sabotage
    }

    var now: Micros { world.time + Self.start + skew }

    /// Keeps what a failover would fall back to: the last second is lost.
    func keepSnapshots() {
        snapshot = (state, numbers, steps.count)
        if records { steps.append(.snapshot) }
        world.after(1_000_000) { [self] in keepSnapshots() }
    }

    /// Without the snapshots that nothing went back to.
    var usedSteps: [Step] {
        steps.indices.filter { index in
            if case .snapshot = steps[index] { return restores.contains(index) }
            return true
        }
        .map { steps[$0] }
    }

    func call(_ asked: QueueCall, connection: Int, from replica: SimulatedReplica, sent: Micros) {
        guard isUp, connection == replica.connection, !replica.isDead else { return }
        guard errorsUntil <= world.time else { return replica.answerError(asked.number, connection: connection) }
        heard[replica.id] = world.time
        var call = asked
        sabotage?.change(&call)
        var outcome = carryOut(call)
        if world.isVerbose {
            world.say("\(call.replica) \(call.number) \(call.operations) -> \(outcome.reply) pushes \(outcome.pushes)")
        }
        sabotage?.change(&outcome, after: call, in: self)
        tell(asked, outcome)
        for (id, push) in outcome.pushes {
            let targets = id.isEmpty ? replicas.keys.sorted() : [id]
            for case let target? in targets.map({ replicas[$0] }) where target.isConnected && !target.isDead {
                target.push(push)
            }
        }
        replica.answer(outcome.reply, connection: connection, sent: sent)
    }

    private func carryOut(_ call: QueueCall) -> QueueState.Outcome {
        let listening = replicas.values.filter { $0.isConnected && !$0.isDead }.map(\.id)
        let outcome = state.call(call, now: now) { listening.contains($0) }
        let wrong = state.contradictions()
        if !wrong.isEmpty { world.fail("contradictions \(wrong) after \(call)") }
        if records { steps.append(.call(call, now: now, listening: listening.sorted(), outcome)) }
        if outcome.reply.epoch != epoch || state.isInRollCall {
            epoch = outcome.reply.epoch
            disturb()
        }
        return outcome
    }

    /// Tells those who watch, in the order in which the store did it.
    private func tell(_ call: QueueCall, _ outcome: QueueState.Outcome) {
        if call.number > numbers[call.replica] ?? 0 {
            numbers[call.replica] = call.number
            if let replica = replicas[call.replica] {
                let isInRollCall = outcome.reply.rollCall != nil
                windows.asked(call, of: replica, epoch: epoch, now: now, isInRollCall: isInRollCall)
            }
            order?.asked(call, outcome.reply.results)
        }
        for (ticket, stamp) in Self.grants(outcome) {
            served[ticket.lane] = world.time
            windows.granted(ticket, stamp)
            order?.granted(ticket)
            reservation?.granted(ticket)
        }
        reservation?.look(state, now: now)
    }

    /// For sabotage: a slot is taken back that somebody thinks to have.
    func takeBack(_ ticket: QueueTicket, _ stamp: GrantStamp, requeue: Bool) {
        state.takeBack(ticket, stamp, requeue: requeue)
    }

    /// For sabotage: a sign of life of a replica that has none.
    func probe(as id: String) {
        let call = QueueCall(
            replica: id,
            number: 0,
            run: "\(run)",
            seen: 0,
            peers: 0,
            maxWaiting: 0,
            lanes: [],
            operations: []
        )
        _ = state.call(call, now: now)
    }

    /// All grants of a call in the order that they were made.
    private static func grants(_ outcome: QueueState.Outcome) -> [(QueueTicket, GrantStamp)] {
        var pushed: [Int: (QueueTicket, GrantStamp)] = [:]
        for case (_, .grant(let ticket, let stamp, let seq)) in outcome.pushes { pushed[seq] = (ticket, stamp) }
        var own = zip(outcome.reply.grants, outcome.reply.stamps).makeIterator()
        var grants: [(QueueTicket, GrantStamp)] = []
        for seq in (outcome.reply.seq - pushed.count - outcome.reply.grants.count)..<outcome.reply.seq {
            if let slot = pushed[seq + 1] ?? own.next() { grants.append(slot) }
        }
        return grants
    }

    // MARK: Faults

    private func disturb() { disturbedAt = world.time }

    func lose(_ loss: Loss, down: Micros) {
        guard isUp else { return }
        world.say("store \(loss), down \(down)")
        isUp = false
        run += 1
        disturb()
        for replica in replicas.values.sorted(by: { $0.id < $1.id }) { replica.cut() }
        if loss == .empty || loss == .rollback && snapshot == nil {
            state = QueueState(bounds: bounds)
            if records { steps.append(.empty) }
        } else if loss == .rollback, let snapshot {
            state = snapshot.state
            restores.insert(snapshot.step)
            if records { steps.append(.restore) }
        }
        if loss != .keep {
            windows.storeLost(used: replicas, isEmpty: loss == .empty || snapshot == nil)
            numbers = loss == .rollback ? snapshot?.numbers ?? [:] : [:]
            self.snapshot = nil
        }
        world.after(down) { [self] in
            isUp = true
            disturb()
        }
    }

    func fail(for span: Micros) {
        world.say("errors for \(span)")
        errorsUntil = max(errorsUntil, world.time + span)
        world.after(span) { [self] in disturb() }
    }

    func jump(_ span: Micros) {
        world.say("clock \(span)")
        skew += span
        windows.clockJumped(span, known: replicas)
        disturb()
    }

    /// Time enough passes for all to be forgotten that nobody needs. A clock that ran ahead proves little: a learned limit
    /// rises once a call at most, by a nineteenth at least, so from the lowest, a third, in 13 calls after its ten windows.
    func outlive() {
        skew += 500_000
        for step in 1...100 {
            skew += step < 70 ? 1_000_000 : 200_000_000
            let call = QueueCall(
                replica: "last",
                number: step,
                run: "\(run)",
                seen: 0,
                peers: 0,
                maxWaiting: 1,
                lanes: [],
                operations: [.beat]
            )
            _ = carryOut(call)
        }
    }

    func close() { replicas = [:] }
}

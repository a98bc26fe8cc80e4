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

    private unowned let world: World
    private(set) var state = QueueState()
    private var snapshots: [QueueState] = []
    private(set) var isUp = true
    private(set) var run = 1
    var skew: Micros = 0
    var replicas: [String: SimulatedReplica] = [:]
    private(set) var calls = 0
    /// Times of grants.
    private(set) var grants: [Micros] = []
    /// Filled where `records` is set.
    private(set) var steps: [Step] = []
    var records = false

    init(world: World) {
        self.world = world
        snapshot()
    }

    var now: Micros { world.time + 1_000_000_000_000 + skew }

    private func snapshot() {
        snapshots = [state]
        if records { steps.append(.snapshot) }
        world.after(1_000_000) { [unowned self] in snapshot() }
    }

    func call(_ call: QueueCall, connection: Int, from replica: SimulatedReplica, sent: Micros) {
        guard isUp, connection == replica.connection, !replica.isDead else { return }
        calls += 1
        let before = state
        let outcome = state.call(call, now: now) { [replicas] id in
            replicas[id].map { $0.isConnected && !$0.isDead } ?? false
        }
        let wrong = state.contradictions()
        if !wrong.isEmpty {
            world.say("before: \(before.contradictions())")
            world.fail("\(wrong) after \(call)")
        }
        for _ in outcome.reply.grants { grants.append(world.time) }
        for (id, push) in outcome.pushes {
            if case .grant = push { grants.append(world.time) }
            for target in id.isEmpty
                ? Array(replicas.values).sorted(by: { $0.id < $1.id }) : [replicas[id]].compactMap(\.self)
            {
                if target.isConnected, !target.isDead { target.push(push) }
            }
        }
        if records {
            let listening = replicas.values.filter { $0.isConnected && !$0.isDead }.map(\.id).sorted()
            steps.append(.call(call, now: now, listening: listening, outcome))
        }
        if world.isVerbose {
            world.say(
                "call \(call.replica) \(call.number) \(call.operations) -> \(outcome.reply) pushes \(outcome.pushes)"
            )
        }
        replica.answer(outcome.reply, connection: connection, sent: sent)
    }

    func lose(_ loss: Loss, down: Micros) {
        world.say("store \(loss), down \(down)")
        isUp = false
        run += 1
        for replica in replicas.values.sorted(by: { $0.id < $1.id }) { replica.cut() }
        switch loss {
        case .empty: state = QueueState()
        case .rollback: state = snapshots.last ?? QueueState()
        case .keep: break
        }
        if records, loss != .keep { steps.append(loss == .empty || snapshots.isEmpty ? .empty : .restore) }
        if loss != .keep { snapshots = [] }
        world.after(down) { [unowned self] in isUp = true }
    }
}

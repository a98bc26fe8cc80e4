import Pacing
import TestSupport

/// Agents of several replicas on one store, with callers in closed and open loops: how often they call the store. Virtual
/// time, so that the count is the same on every machine.
final class CallLoad {
    struct Client {
        var name: String
        /// Closed loops: each asks again when it was answered. 0: an open loop, see `share`.
        var callers = 1
        var weight = 1
        var urgency = 3
        /// Between an answer and the next request, on average, in slots.
        var pause = 0.0
        /// Hangs up after so many slots, evenly distributed.
        var patience: ClosedRange<Double>?
        /// Open loop: requests come at random, at this part of the quota's rate.
        var share = 0.0
    }

    /// A crowd: one that asks for all it can get, one with more weight, three that call now and then, an urgent one, one
    /// that can wait, and one that hangs up early.
    static let crowd = [
        Client(name: "heavy", callers: 30, weight: 100),
        Client(name: "team", callers: 16, weight: 213),
        Client(name: "light-1", weight: 101, pause: 12),
        Client(name: "light-2", weight: 102, pause: 12),
        Client(name: "light-3", weight: 103, pause: 12),
        Client(name: "urgent", callers: 0, urgency: 1, share: 0.1),
        Client(name: "patient", callers: 3, urgency: 6),
        Client(name: "leaver", callers: 4, weight: 97, patience: 2...25),
    ]

    private final class Replica {
        var agent: AgentState
        /// When the last message of each kind arrives: a connection keeps the order.
        var arrivals = (out: 0, back: 0, push: 0)
        var timer = 0
        var timerAt = Micros.max
        var isTicking = false

        init(id: String, settings: QueueSettings, now: Micros) {
            agent = AgentState(id: id, settings: settings, now: now)
        }
    }

    private static let run = "run"
    private let world: World
    private let bucket: BucketSpec
    private let units: Int
    private let actual: Int?
    private var replicas: [Replica] = []
    private var store = QueueState(run: CallLoad.run)
    private var asked = 0
    private(set) var slots = 0
    /// Calls by what is in them: the letters of their operations, + where they granted.
    private var kinds: [String: Int] = [:]

    var calls: Int { kinds.values.reduce(0, +) }

    /// How many calls of each kind there were.
    var told: String { kinds.sorted { $0.value > $1.value }.map { "\($0.key) \($0.value)" }.joined(separator: ", ") }

    /// Of one slot, in microseconds.
    private let interval: Double

    /// - Parameters:
    ///   - units: that each call asks for.
    ///   - actual: what it really takes; nil: what was asked for.
    init(replicas count: Int, bucket: BucketSpec, units: Int, actual: Int?, seed: Int) {
        world = World(seed: seed)
        self.bucket = bucket
        self.units = units
        self.actual = actual
        interval = Double(bucket.per.micros * (actual ?? units)) / Double(bucket.limit)
        for index in 0..<count {
            let replica = Replica(id: "r\(index)", settings: QueueSettings(upstream: "test"), now: 0)
            replicas.append(replica)
            world.after(world.generator.int(0...1_000_000)) { [self] in
                act(replica) { $0.storeUp(run: Self.run, now: self.world.time) }
            }
        }
    }

    /// Calls a slot beyond one a second and replica, once the first windows are over.
    func callsASlot(of clients: [Client], seconds: Int) -> Double {
        world.after(4_000_000) { [self] in
            for client in clients {
                for index in 0..<client.callers { ask(client, index) }
                if client.share > 0 { open(client, 0) }
            }
        }
        let settled = 4_000_000 + 2 * bucket.per.micros
        world.run(until: settled)
        slots = 0
        kinds = [:]
        world.run(until: settled + seconds * 1_000_000)
        let calls = calls
        world.close()
        return Double(calls - replicas.count * seconds) / Double(slots)
    }

    // MARK: Callers

    private func open(_ client: Client, _ index: Int) {
        world.after(Micros(world.generator.exponential(interval / client.share))) { [self] in
            ask(client, index)
            open(client, index + 1)
        }
    }

    private func ask(_ client: Client, _ index: Int) {
        let replica = replicas[index % replicas.count]
        asked += 1
        let id = WaiterID(value: asked)
        let request = QueueRequest(
            costs: [.init(bucket, units: units, isEstimate: true)],
            client: client.name,
            weight: client.weight,
            urgency: client.urgency
        )
        let waiter = QueueWaiter(id: id, request: request, now: world.time, loop: nil) { _ in }
        waiting[id] = { [self] grant in
            slots += 1
            let answered = world.generator.int(1000...4000)
            if let actual {
                world.after(answered) { [self] in
                    act(replica) { $0.settle(grant, costs: [self.bucket.name: actual], now: self.world.time) }
                }
            }
            guard client.share == 0 else { return }
            let pause = client.pause * (0.5 + world.generator.part()) * interval
            world.after(answered + Micros(pause)) { [self] in ask(client, index) }
        }
        act(replica) { $0.enter(waiter, now: self.world.time) }
        guard let patience = client.patience else { return }
        let span = patience.lowerBound + world.generator.part() * (patience.upperBound - patience.lowerBound)
        world.after(Micros(span * interval)) { [self] in
            guard waiting.removeValue(forKey: id) != nil else { return }
            act(replica) { $0.leave(id, now: self.world.time) }
            // A new connection.
            world.after(world.generator.int(500...2000)) { [self] in ask(client, index) }
        }
    }

    private var waiting: [WaiterID: (Grant) -> Void] = [:]

    // MARK: Replicas and their store

    private func act(_ replica: Replica, _ input: (inout AgentState) -> Void) {
        input(&replica.agent)
        let events = replica.agent.outbox
        replica.agent.outbox = []
        for (waiter, event) in events {
            if case .granted(let grant) = event { waiting.removeValue(forKey: waiter.id)?(grant) }
        }
        guard !replica.isTicking else { return }
        replica.isTicking = true
        // What comes in one tick of the loop goes in one call.
        world.after(100) { [self] in
            replica.isTicking = false
            replica.agent.flush()
            let calls = replica.agent.calls
            replica.agent.calls = []
            for call in calls { send(call, from: replica) }
            arm(replica)
        }
    }

    private func arm(_ replica: Replica) {
        let wake = replica.agent.nextWake
        guard wake != replica.timerAt, wake < 1 << 50 else { return }
        replica.timer += 1
        replica.timerAt = wake
        let timer = replica.timer
        world.after(wake - world.time) { [self] in
            guard timer == replica.timer else { return }
            replica.timerAt = .max
            act(replica) { $0.wake(now: self.world.time) }
        }
    }

    private func send(_ call: QueueCall, from replica: Replica) {
        let sent = world.time
        hop(&replica.arrivals.out) { [self] in
            let outcome = store.call(call, now: world.time + 1_000_000_000_000) { _ in true }
            count(call, outcome)
            for (id, push) in outcome.pushes {
                for other in replicas where id.isEmpty || id == other.agent.id {
                    hop(&other.arrivals.push) { [self] in act(other) { $0.receive(push, now: self.world.time) } }
                }
            }
            hop(&replica.arrivals.back) { [self] in
                act(replica) { $0.receive(outcome.reply, sent: sent, now: self.world.time) }
            }
        }
    }

    private func count(_ call: QueueCall, _ outcome: QueueState.Outcome) {
        var letters = Set(call.operations.map(Self.letter)).sorted().joined()
        if !outcome.reply.grants.isEmpty || !outcome.pushes.isEmpty { letters += "+" }
        kinds[letters.isEmpty ? "-" : letters, default: 0] += 1
    }

    private static func letter(_ operation: QueueOperation) -> String {
        switch operation {
        case .enter: "e"
        case .leave: "l"
        case .settle: "s"
        case .beat: "t"
        default: "?"
        }
    }

    private func hop(_ last: inout Micros, _ action: @escaping () -> Void) {
        last = max(last, world.time + 100 + Micros(world.generator.exponential(100)))
        world.after(last - world.time, action)
    }
}

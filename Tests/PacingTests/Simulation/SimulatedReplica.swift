import Pacing

/// A process: an agent's state behind a network that delays, doubles and loses, and which can be paused and killed.
final class SimulatedReplica {
    let id: String
    private unowned let world: World
    private unowned let store: SimulatedStore
    private let upstream: SimulatedUpstream
    private(set) var agent: AgentState
    private(set) var isDead = false
    private(set) var pausedSince: Micros?
    private(set) var connection = 0
    private(set) var isConnected = false
    private var stash: [() -> Void] = []
    /// This process's monotonic clock against the world's.
    private let offset: Micros
    /// When the last message of each kind arrives: a connection keeps the order.
    private var arrivals = [0, 0, 0]
    private var unanswered: Set<Int> = []
    private var sends = 0
    private var timer = 0
    private var timerAt = Micros.max
    let faults: Set<Fault>

    init(
        id: String,
        world: World,
        store: SimulatedStore,
        upstream: SimulatedUpstream,
        settings: QueueSettings,
        faults: Set<Fault>
    ) {
        self.id = id
        self.world = world
        self.store = store
        self.upstream = upstream
        self.faults = faults
        offset = world.generator.int(1_000_000...100_000_000_000)
        agent = AgentState(id: id, settings: settings, now: world.time + offset)
        store.replicas[id] = self
        connect()
    }

    var now: Micros { world.time + offset }

    // MARK: The process

    /// An event of a paused process waits; of a dead one it never comes.
    func perform(_ action: @escaping () -> Void) {
        if isDead { return }
        if pausedSince != nil { return stash.append(action) }
        action()
    }

    func kill() {
        world.say("kill \(id)")
        isDead = true
        for waiting in agent.waiters.values { upstream.request(waiting.waiter.id).end("killed") }
        for request in upstream.requests where request.replica === self && request.endings.isEmpty {
            request.end("killed")
        }
    }

    func pause(for span: Micros) {
        world.say("pause \(id) for \(span)")
        pausedSince = world.time
        world.after(span) { [self] in
            pausedSince = nil
            let actions = stash
            stash = []
            for action in actions { perform(action) }
        }
    }

    // MARK: The connection

    func cut() {
        guard isConnected else { return }
        connection += 1
        isConnected = false
        world.after(world.generator.int(1000...5000)) { [self] in
            perform { [self] in act { $0.storeDown(now: now) } }
        }
        world.after(world.generator.int(50_000...400_000)) { [self] in perform { [self] in connect() } }
    }

    private func connect() {
        guard !isConnected else { return }
        guard store.isUp else {
            return world.after(200_000) { [self] in perform { [self] in connect() } }
        }
        isConnected = true
        arrivals = [0, 0, 0]
        act { $0.storeUp(run: "\(store.run)", now: now) }
    }

    private func hop(_ lane: Int) -> Micros {
        var delay = 100 + Micros(world.generator.exponential(400))
        if faults.contains(.delay), !world.isQuiet, world.generator.chance(0.005) {
            delay = world.generator.int(10_000...1_500_000)
        }
        arrivals[lane] = max(arrivals[lane], world.time + delay)
        return arrivals[lane] - world.time
    }

    private func send(_ call: QueueCall) {
        guard isConnected else { return }
        let sent = now
        let connection = connection
        sends += 1
        let send = sends
        unanswered.insert(send)
        for _ in 0..<(faults.contains(.double) && world.generator.chance(0.05) ? 2 : 1) {
            world.after(hop(0)) { [self] in
                store.call(call, connection: connection, from: self, sent: sent)
            }
        }
        awaiting[call.number, default: []].append((send, connection))
        world.after(500_000) { [self] in
            perform { [self] in
                guard unanswered.remove(send) != nil, connection == self.connection else { return }
                late.insert(send)
                act { $0.callFailed(now: now) }
            }
        }
        if faults.contains(.lose), !world.isQuiet, world.generator.chance(0.003) { cut() }
    }

    private var awaiting: [Int: [(send: Int, connection: Int)]] = [:]
    private var late: Set<Int> = []

    func answer(_ reply: QueueReply, connection: Int, sent: Micros) {
        world.after(hop(1)) { [self] in
            guard connection == self.connection else { return }
            perform { [self] in
                guard connection == self.connection else { return }
                let sends = awaiting[reply.number]?.filter { $0.connection == connection } ?? []
                for send in sends { unanswered.remove(send.send) }
                awaiting[reply.number] = nil
                // A reply after its time-out is dropped by the connection.
                if let send = sends.first?.send, late.contains(send) { return }
                act { $0.receive(reply, sent: sent, now: now) }
            }
        }
    }

    func push(_ push: QueuePush) {
        let connection = connection
        world.after(hop(2)) { [self] in
            guard connection == self.connection else { return }
            perform { [self] in act { $0.receive(push, now: now) } }
        }
    }

    // MARK: The agent

    func act(_ input: (inout AgentState) -> Void) {
        input(&agent)
        let events = agent.outbox
        agent.outbox = []
        for (waiter, event) in events { upstream.deliver(event, to: waiter, at: self) }
        scheduleTick()
    }

    private var isTicking = false

    /// What comes in one tick of the loop goes in one call.
    private func scheduleTick() {
        guard !isTicking else { return }
        isTicking = true
        world.after(200) { [self] in
            perform { [self] in
                isTicking = false
                agent.flush()
                let calls = agent.calls
                agent.calls = []
                for call in calls { send(call) }
                arm()
            }
        }
    }

    private func arm() {
        let wake = agent.nextWake
        guard wake != timerAt else { return }
        timer += 1
        timerAt = wake
        guard wake < 1 << 50 else { return }
        let timer = timer
        world.after(wake - now) { [self] in
            perform { [self] in
                guard timer == self.timer else { return }
                timerAt = .max
                act { $0.wake(now: now) }
            }
        }
    }
}

import Pacing
import TestSupport

/// A process: an agent's state behind a network that delays, doubles and loses, and which can be paused and killed.
final class SimulatedReplica {
    /// Its connection is taken for dead after so long without a byte.
    private static let silence: Micros = 3_000_000
    private static let timeout: Micros = 500_000

    let id: String
    /// Runs the older configuration.
    let isOlder: Bool
    private let world: World
    private let store: SimulatedStore
    private let upstream: SimulatedUpstream
    private let faults: Set<Fault>
    private let sabotage: Sabotage?
    private(set) var agent: AgentState
    private(set) var isDead = false
    private(set) var isLeaving = false
    /// Its last words are said.
    private(set) var isGone = false
    /// When it died, or was last silent: paused or cut off from the store.
    private(set) var silentAt: Micros = -1
    private(set) var pausedSince: Micros?
    private(set) var partitionedUntil: Micros = 0
    private(set) var connection = 0
    private(set) var isConnected = false
    private var stash: [() -> Void] = []
    /// This process's monotonic clock against the world's: set off, and running by so many millionths faster.
    private let offset: Micros
    private let drift: Micros
    /// When the last message of each kind arrives: a connection keeps the order.
    private var arrivals = (out: 0, back: 0, push: 0)
    private var unanswered: [(send: Int, number: Int, isLate: Bool)] = []
    private var sends = 0
    private var timer = 0
    private var timerAt = Micros.max
    private var isTicking = false

    init(
        id: String,
        isOlder: Bool,
        world: World,
        store: SimulatedStore,
        upstream: SimulatedUpstream,
        settings: QueueSettings,
        faults: Set<Fault>,
        sabotage: Sabotage?
    ) {
        self.id = id
        self.isOlder = isOlder
        self.world = world
        self.store = store
        self.upstream = upstream
        self.faults = faults
        self.sabotage = sabotage
        offset = world.generator.int(1_000_000...100_000_000_000)
        drift = world.generator.int(-200...200)
        agent = AgentState(id: id, settings: settings, now: world.time + offset)
        store.replicas[id] = self
        connect()
    }

    var now: Micros { offset + world.time + world.time / 1000 * drift / 1000 }

    /// In reach of the store, as far as it knows, and running.
    var isAble: Bool { !isDead && pausedSince == nil && isConnected && agent.mode == .connected && !isCutOff }
    var isCutOff: Bool { partitionedUntil > world.time }

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
        silentAt = world.time
        if !isGone { world.trouble() }
        upstream.died(self)
        store.windows.died(id)
    }

    /// It serves what it has, takes no more and says good-bye.
    func leave() {
        world.say("leave \(id)")
        isLeaving = true
        closeIfDone()
    }

    private func closeIfDone() {
        guard isLeaving, !isDead, agent.waiters.isEmpty, !upstream.isInUse(self) else {
            if !isDead { world.after(100_000) { [self] in perform { [self] in closeIfDone() } } }
            return
        }
        agent.close()
        agent.flush()
        for call in agent.calls { send(call) }
        isGone = true
        world.after(5000) { [self] in if !isDead { kill() } }
    }

    func pause(for span: Micros) {
        guard pausedSince == nil, !isDead else { return }
        world.say("pause \(id) for \(span)")
        pausedSince = world.time
        world.trouble(for: span)
        world.after(span) { [self] in
            silentAt = world.time
            pausedSince = nil
            let actions = stash
            stash = []
            for action in actions { perform(action) }
        }
    }

    /// What is sent arrives when it is over; a long one costs the connection.
    func partition(for span: Micros) {
        world.say("partition \(id) for \(span)")
        partitionedUntil = max(partitionedUntil, world.time + span)
        world.trouble(for: span)
        world.after(span) { [self] in silentAt = max(silentAt, world.time) }
        if span > Self.silence { world.after(Self.silence) { [self] in cut() } }
    }

    // MARK: The connection

    func cut() {
        guard isConnected else { return }
        connection += 1
        world.trouble()
        isConnected = false
        unanswered = []
        world.after(world.generator.int(1000...5000)) { [self] in
            perform { [self] in act { $0.storeDown(now: now) } }
        }
        world.after(world.generator.int(50_000...400_000)) { [self] in perform { [self] in connect() } }
    }

    private func connect() {
        guard !isConnected else { return }
        guard store.isUp, !isCutOff else {
            return world.after(200_000) { [self] in perform { [self] in connect() } }
        }
        isConnected = true
        arrivals = (0, 0, 0)
        act { $0.storeUp(run: "\(store.run)", now: now) }
    }

    private func hop(_ last: inout Micros) -> Micros {
        var delay = 100 + Micros(world.generator.exponential(400))
        if faults.contains(.delay), !world.isQuiet, world.generator.chance(0.005) {
            delay = world.generator.int(10_000...1_500_000)
            world.trouble(for: delay)
        }
        last = max(last, world.time + delay, partitionedUntil)
        return last - world.time
    }

    private func send(_ call: QueueCall) {
        guard isConnected else { return }
        let sent = now
        let connection = connection
        sends += 1
        let send = sends
        for _ in 0..<(faults.contains(.double) && world.generator.chance(0.05) ? 2 : 1) {
            world.after(hop(&arrivals.out)) { [self] in
                store.call(call, connection: connection, from: self, sent: sent)
            }
        }
        unanswered.append((send, call.number, false))
        world.after(Self.timeout) { [self] in
            perform { [self] in
                guard connection == self.connection,
                    let index = unanswered.firstIndex(where: { $0.send == send }), !unanswered[index].isLate
                else { return }
                unanswered[index].isLate = true
                act { $0.callFailed(now: now) }
            }
        }
        if faults.contains(.lose), !world.isQuiet, world.generator.chance(0.003) { cut() }
    }

    func answer(_ reply: QueueReply, connection: Int, sent: Micros) {
        let processed = world.time
        comesBack(reply.number, connection) { [self] in
            // How the buckets are booked is not known before a roll call is over.
            if reply.rollCall == nil { store.windows.told(id, reply, processed: processed) }
            act { $0.receive(reply, sent: sent, now: now) }
        }
    }

    func answerError(_ number: Int, connection: Int) {
        comesBack(number, connection) { [self] in act { $0.callFailed(now: now) } }
    }

    /// A reply after its time-out is dropped by the connection.
    private func comesBack(_ number: Int, _ connection: Int, _ action: @escaping () -> Void) {
        world.after(hop(&arrivals.back)) { [self] in
            guard connection == self.connection else { return }
            perform { [self] in
                guard connection == self.connection else { return }
                let isLate = unanswered.first { $0.number == number }?.isLate ?? false
                unanswered.removeAll { $0.number == number }
                if !isLate { action() }
            }
        }
    }

    func push(_ push: QueuePush) {
        let connection = connection
        world.after(hop(&arrivals.push)) { [self] in
            guard connection == self.connection else { return }
            if sabotage == .sendsStale, !isDead { return act { $0.receive(push, now: now) } }
            perform { [self] in act { $0.receive(push, now: now) } }
        }
    }

    // MARK: The agent

    func act(_ input: (inout AgentState) -> Void) {
        let before = agent.mode
        input(&agent)
        if agent.mode != before { changed(from: before) }
        if !agent.outbox.isEmpty {
            let events = agent.outbox
            agent.outbox = []
            for (waiter, event) in events { upstream.deliver(event, to: waiter, at: self) }
        }
        scheduleTick()
    }

    private func changed(from before: AgentState.Mode) {
        world.say("\(id) \(before) -> \(agent.mode)")
        if agent.mode == .local { store.windows.wentLocal(id) }
    }

    /// What comes in one tick of the loop goes in one call.
    private func scheduleTick() {
        guard !isTicking else { return }
        isTicking = true
        world.after(200) { [self] in
            perform { [self] in
                isTicking = false
                agent.flush()
                let calls = agent.calls
                agent.calls.removeAll(keepingCapacity: true)
                for call in calls { send(call) }
                arm()
            }
        }
    }

    private func arm() {
        let wake = agent.nextWake
        guard wake != timerAt, sabotage != .sleepyTimers else { return }
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

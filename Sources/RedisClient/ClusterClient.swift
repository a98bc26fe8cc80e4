internal import Logging
internal import NIOCore

/// A connection to each master of a cluster, and the map that says which of them serves what.
///
/// Loop-confined. Lives until `close`.
final class ClusterClient {
    private static let questionTimeout = TimeAmount.milliseconds(500)
    /// A node that is no master any more may be one that a slot is on its way to.
    private static let grace = TimeAmount.seconds(5)

    private let endpoint: RedisEndpoint
    private let seeds: [RedisPlace]
    private let eventLoop: any EventLoop
    private let logger: Logger
    private let clientName: String
    private let instruments: RedisInstruments
    private let onUp: (RedisServerInfo) -> Void
    private let onDown: (RedisError) -> Void

    private var nodes: [RedisPlace: ClusterNode] = [:]
    private var map: SlotMap?
    private var schedule = MapSchedule()
    private var timer: Scheduled<Void>?
    private var announced: RedisServerInfo?
    private var isClosed = false

    /// - Parameter onUp: the first node can be reached, and again where what nodes say of themselves changed.
    /// - Parameter onDown: no node can be reached any more.
    init(
        endpoint: RedisEndpoint,
        seeds: [RedisPlace],
        eventLoop: any EventLoop,
        logger: Logger,
        clientName: String,
        instruments: RedisInstruments,
        onUp: @escaping (RedisServerInfo) -> Void,
        onDown: @escaping (RedisError) -> Void
    ) {
        self.endpoint = endpoint
        self.seeds = seeds
        self.eventLoop = eventLoop
        self.logger = logger
        self.clientName = clientName
        self.instruments = instruments
        self.onUp = onUp
        self.onDown = onDown
    }

    func start() { perform(schedule.wanted()) }

    var isUp: Bool { announced != nil }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        timer?.cancel()
        for node in nodes.values { drop(node) }
        nodes = [:]
        announce(because: .connectionLost)
    }

    // MARK: Commands

    func send(_ request: ClusterCommand.Request, timeout: TimeAmount, _ done: @escaping PendingReplies.Completion) {
        eventLoop.preconditionInEventLoop()
        send(ClusterCommand(request, deadline: .now() + timeout, done))
    }

    private func send(_ command: ClusterCommand) {
        guard let map, !isClosed else { return refuse(command) }
        let place: RedisPlace?
        if let slot = command.slot {
            place = map.master(of: slot)
        } else {
            place = map.masters.first { nodes[$0]?.session != nil }
        }
        guard let place, let node = nodes[place] else {
            perform(schedule.wanted())
            return refuse(command)
        }
        transmit(command, to: node)
    }

    private func transmit(_ command: ClusterCommand, to node: ClusterNode, asking: Bool = false) {
        let left = command.deadline - .now()
        guard left > .zero else {
            instruments.counters.timeouts += 1
            return command.done(.failure(.timedOut))
        }
        guard let session = node.session else {
            guard node.isNew else { return refuse(command) }
            return park(command, at: node, for: left)
        }
        // Both leave in one write, and nothing comes between.
        if asking { session.send(["ASKING"], timeout: left) { _ in } }
        command.send(on: session, timeout: left) { self.answered(command, $0, by: node.place) }
    }

    private func answered(_ command: ClusterCommand, _ result: Result<RedisReply, RedisError>, by place: RedisPlace) {
        guard case .failure(.server(let error)) = result else { return command.done(result) }
        let reaction = ClusterReaction(
            error,
            detours: command.detours,
            timeLeft: command.deadline - .now(),
            asked: place
        )
        guard reaction != .report, !isClosed else {
            if error.isMisplaced || error.code == "CLUSTERDOWN" { perform(schedule.wanted()) }
            return command.done(result)
        }
        command.detours += 1
        instruments.counters.redirects += 1
        instruments.counters.serverErrors -= 1
        switch reaction {
        case .move(let slot, let target):
            map?.move(slot, to: target)
            perform(schedule.wanted())
            transmit(command, to: node(at: target))
        case .ask(let target): transmit(command, to: node(at: target), asking: true)
        case .wait(let time):
            perform(schedule.wanted())
            eventLoop.assumeIsolated().scheduleTask(in: time) { self.send(command) }
        case .report: break
        }
    }

    private func park(_ command: ClusterCommand, at node: ClusterNode, for time: TimeAmount) {
        node.park(command)
        eventLoop.assumeIsolated().scheduleTask(in: time) {
            for late in node.expire(now: .now()) {
                self.instruments.counters.timeouts += 1
                late.done(.failure(.timedOut))
            }
        }
    }

    private func refuse(_ command: ClusterCommand) {
        instruments.counters.refused += 1
        command.done(.failure(.notConnected))
    }

    // MARK: Nodes

    private func node(at place: RedisPlace) -> ClusterNode {
        if let node = nodes[place] { return node }
        let node = ClusterNode(place: place)
        nodes[place] = node
        let link = RedisLink(
            endpoint: endpoint,
            target: .fixed(place),
            greeting: .server,
            eventLoop: eventLoop,
            logger: logger,
            clientName: clientName,
            instruments: instruments,
            onUp: { self.cameUp(node, $0, $1) },
            onDown: { self.wentDown(node, $0) },
            onAttemptFailed: { self.attemptFailed(node) }
        )
        node.link = link
        link.start()
        return node
    }

    private func cameUp(_ node: ClusterNode, _ session: RedisSession, _ info: RedisServerInfo) {
        node.session = session
        node.info = info
        announce(because: .notConnected)
        for command in node.settle() { transmit(command, to: node) }
    }

    private func wentDown(_ node: ClusterNode, _ error: RedisError) {
        node.session = nil
        node.info = nil
        guard !isClosed else { return }
        announce(because: error)
        perform(schedule.wanted())
    }

    private func attemptFailed(_ node: ClusterNode) {
        for command in node.settle() { refuse(command) }
        guard !isClosed else { return }
        perform(schedule.wanted())
    }

    private func drop(_ node: ClusterNode) {
        let link = node.link
        node.link = nil
        link?.close()
        for command in node.settle() { refuse(command) }
    }

    /// What the nodes say together: an eviction policy that any of them has counts.
    private func announce(because error: RedisError) {
        let known = nodes.values.compactMap(\.info)
        guard var info = known.first else {
            guard announced != nil else { return }
            announced = nil
            return onDown(error)
        }
        info.runID = nil
        info.version = known.compactMap(\.version).min()
        let policies = known.compactMap(\.evictionPolicy)
        info.evictionPolicy = policies.first { $0 != "noeviction" } ?? policies.first
        guard info != announced else { return }
        announced = info
        onUp(info)
    }

    // MARK: The map

    private func perform(_ action: MapSchedule.Action) {
        guard !isClosed else { return }
        switch action {
        case .none: break
        case .ask: askForMap()
        case .wake(let time):
            timer?.cancel()
            // All replicas see a master go in the same moment; they need not ask in the same one.
            let varied = TimeAmount.nanoseconds(Int64(Double(time.nanoseconds) * Double.random(in: 0.75...1)))
            timer = eventLoop.assumeIsolated().scheduleTask(in: varied) { self.perform(self.schedule.woken()) }
        }
    }

    /// Of a node that can be reached; else on a new connection to one that was known, or that the URL names.
    private func askForMap() {
        if let (place, node) = nodes.filter({ $0.value.session != nil }).randomElement(), let session = node.session {
            return session.send(SlotMap.question, timeout: Self.questionTimeout) { result in
                self.take((try? result.get()).flatMap { SlotMap($0, asked: place) })
            }
        }
        let known = ((map?.masters ?? []) + (map?.replicas ?? [])).shuffled().prefix(2)
        RedisInquiry(dialer: RedisDialer(endpoint: endpoint, eventLoop: eventLoop)).ask(
            known + seeds.shuffled(),
            SlotMap.question,
            read: { SlotMap($0, asked: $1) }
        ) { self.take($0) }
    }

    private func take(_ map: SlotMap?) {
        guard !isClosed else { return }
        if let map, !map.masters.isEmpty {
            self.map = map
            for place in map.masters { node(at: place).leftAt = nil }
            dropLeft(now: .now())
        }
        let isWell = map.map { map in map.isWhole && map.masters.allSatisfy { nodes[$0]?.session != nil } } ?? false
        perform(schedule.answered(isWell: isWell))
    }

    private func dropLeft(now: NIODeadline) {
        guard let map else { return }
        for (place, node) in nodes where !map.masters.contains(place) {
            guard let since = node.leftAt else {
                node.leftAt = now
                continue
            }
            guard now - since > Self.grace else { continue }
            nodes[place] = nil
            drop(node)
        }
    }
}

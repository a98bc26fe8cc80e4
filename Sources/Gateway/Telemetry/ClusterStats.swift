internal import Logging
internal import NIOCore
internal import Pacing
internal import RedisClient
internal import Synchronization

/// Publishes this replica's counters once a second, and reads what all replicas published.
///
/// Totals live in Redis, so that they never fall when a replica goes; where Redis lost them, each replica adds all that it
/// counted itself. Without Redis the replica is the whole cluster.
package actor ClusterStats {
    package struct View: Sendable {
        var replicas = 1
        var totals = FlatCounters()
        var gauges: [ReplicaGauges] = []
        var users = 0
        /// Redis answered.
        var isShared = false
    }

    private let telemetry: ProcessTelemetry
    private let configuration: Configuration
    private let cacheCounts: @Sendable () -> CacheCounts
    private let waiting: @Sendable () async -> [ReplicaGauges.Waiting]
    private let redis: SharedRedis?
    private let keys: Keys
    private var sent = FlatCounters()
    /// Names the totals in Redis, as long as they are the same.
    private var epoch: String?
    private var usersWithoutRedis: [(at: NIODeadline, users: Set<ExactName>)] = []
    private let liveReplicas: LiveReplicas

    private static let interval = Duration.seconds(1)
    private static let script = RedisScript(name: "publish", source: PackageResources.publish_lua)
    private static let timeout = TimeAmount.milliseconds(500)

    init(
        telemetry: ProcessTelemetry,
        configuration: Configuration,
        cacheCounts: @escaping @Sendable () -> CacheCounts,
        waiting: @escaping @Sendable () async -> [ReplicaGauges.Waiting],
        redis: NIOLoopBound<RedisConnection>?,
        liveReplicas: LiveReplicas
    ) {
        self.telemetry = telemetry
        self.configuration = configuration
        self.cacheCounts = cacheCounts
        self.waiting = waiting
        self.redis = redis.map { SharedRedis(connection: $0) }
        self.liveReplicas = liveReplicas
        keys = Keys(prefix: configuration.redis?.prefix ?? "")
    }

    /// Publishes until cancelled; once more at the end, so that nothing counted is lost.
    package func run() async {
        while !Task.isCancelled {
            await publish()
            try? await Task.sleep(for: Self.interval)
        }
        await publish()
    }

    /// This replica's own counters.
    package func own() async -> TelemetrySnapshot { await telemetry.snapshot() }

    package func view() async -> View {
        await publish()
        let snapshot = await telemetry.snapshot()
        let cache = cacheCounts()
        let own = FlatCounters(snapshot: snapshot, cache: cache, configuration: configuration)
        var view = View()
        view.totals = own
        view.gauges = [
            ReplicaGauges(
                snapshot: snapshot,
                waiting: await waiting(),
                cacheBytes: cache.bytes,
                cacheEntries: cache.entries
            )
        ]
        view.users = usersWithoutRedis.reduce(into: Set<ExactName>()) { $0.formUnion($1.users) }.count
        guard let redis else { return view }
        let slots = keys.userSlots(secondsSinceEpoch: WallClock.seconds())
        async let totals = redis.send(["HGETALL", .text(keys.totals)], timeout: Self.timeout)
        async let gauges = redis.send(["HGETALL", .text(keys.gauges)], timeout: Self.timeout)
        async let denials = redis.send(
            ["ZREVRANGE", .text(keys.denials), "0", "999", "WITHSCORES"],
            timeout: Self.timeout
        )
        async let users = redis.send(["PFCOUNT"] + slots.map { .text($0) }, timeout: Self.timeout)
        guard let totalsReply = try? await totals, let gaugesReply = try? await gauges,
            let denialsReply = try? await denials, let usersReply = try? await users
        else { return view }
        view.isShared = true
        view.totals = FlatCounters(values: totalsReply.counters, denials: denialsReply.counters)
        view.gauges = gaugesReply.pairs.compactMap {
            ReplicaGauges.decode($0.1.bytes.map { Array($0.readableBytesView) } ?? [])
        }
        view.replicas = max(1, view.gauges.count)
        liveReplicas.set(view.replicas)
        view.users = usersReply.integer ?? 0
        return view
    }

    private func publish() async {
        let users = await telemetry.drainUsers()
        guard let redis else {
            let now = NIODeadline.now()
            usersWithoutRedis.removeAll { $0.at + .seconds(60) < now }
            usersWithoutRedis.append((now, users))
            return
        }
        let snapshot = await telemetry.snapshot()
        let cache = cacheCounts()
        let current = FlatCounters(snapshot: snapshot, cache: cache, configuration: configuration)
        let change = current.since(sent)
        let gauges = ReplicaGauges(
            snapshot: snapshot,
            waiting: await waiting(),
            cacheBytes: cache.bytes,
            cacheEntries: cache.entries
        )
        // Taken as sent before the answer: a publication whose answer is lost must not be counted twice.
        let before = sent
        sent = current
        do {
            let reply = try await redis.eval(
                Self.script,
                keys: keys.all(secondsSinceEpoch: WallClock.seconds()),
                arguments: arguments(change: change, gauges: gauges, users: users),
                timeout: Self.timeout
            )
            let answer = reply.array ?? []
            liveReplicas.set(answer.first?.integer ?? 1)
            let epoch = answer.count > 1 ? answer[1].string : nil
            // The totals were lost: the rest of what this replica counted follows with the next publication.
            if let known = self.epoch, known != epoch { sent = change }
            self.epoch = epoch
        } catch let error as RedisError where error == .notConnected || error == .overloaded {
            sent = before
        } catch {
            // It may have been counted: once too few is better than twice.
        }
    }

    private func arguments(change: FlatCounters, gauges: ReplicaGauges, users: Set<ExactName>) -> [RedisArgument] {
        var arguments: [RedisArgument] = [
            .text(telemetry.replica), .bytes(gauges.encoded()), .integer(change.values.count),
            .integer(change.denials.count),
        ]
        for counters in [change.values, change.denials] {
            for (name, increment) in counters {
                arguments.append(.text(name.field))
                arguments.append(.integer(increment))
            }
        }
        arguments.append(contentsOf: users.map { .text($0.text) })
        return arguments
    }

    /// One hash tag, so that one script may touch them all on a cluster too.
    private struct Keys: Sendable {
        let base: String
        init(prefix: String) { base = "\(prefix):{s1}" }
        var totals: String { base + ":totals" }
        var replicas: String { base + ":replicas" }
        var gauges: String { base + ":gauges" }
        var denials: String { base + ":denials" }

        /// Ten seconds a slot: the last six and the running one are the last minute.
        func userSlots(secondsSinceEpoch: Int64) -> [String] {
            (0...6).map { "\(base):users:\(secondsSinceEpoch / 10 - Int64($0))" }
        }

        func all(secondsSinceEpoch: Int64) -> [String] {
            [totals, replicas, gauges, userSlots(secondsSinceEpoch: secondsSinceEpoch)[0], denials]
        }
    }
}

/// How many replicas live, as last heard: what a replica's share is a part of when Redis is gone.
package final class LiveReplicas: Sendable {
    private let value = Atomic<Int>(1)
    package init() {}
    package var count: Int { value.load(ordering: .relaxed) }
    package func set(_ count: Int) { value.store(max(1, count), ordering: .relaxed) }
}

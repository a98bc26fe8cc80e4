import Hashing
import Logging
import NIOCore
import NIOPosix
import RateLimit
import RedisClient
import Synchronization
import TestSupport

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// A store with its loop, to be asked from a test.
struct Limiter: Sendable {
    private let store: NIOLoopBound<any LimitStore>
    private let close: @Sendable () async -> Void

    /// On a connection of its own.
    static func redis(
        _ url: String,
        rules: [LimitRule],
        prefix: String,
        memory: DenialMemory = DenialMemory(capacity: 0),
        timeout: TimeAmount = .seconds(10)
    ) async throws -> Limiter {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let handle = await RedisHandle.open(try RedisEndpoint(url: url), on: loop, logger: quiet)
        try await eventually("connected to Redis") { await handle.read { $0.isUp } }
        if await handle.read({ $0.isCluster }) {
            for tag in KeySlot.evenTags(prefix: "", count: 16) {
                try await eventually("every master is reached") { (try? await handle.send("GET", .text(tag))) != nil }
            }
        }
        let store = await handle.read { connection in
            NIOLoopBound<any LimitStore>(
                RedisLimitStore(
                    connection: connection,
                    rules: rules,
                    prefix: prefix,
                    timeout: timeout,
                    memory: memory
                ),
                eventLoop: connection.eventLoop
            )
        }
        return Limiter(store: store) { await handle.close() }
    }

    static func embedded(rules: [LimitRule]) async throws -> Limiter {
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let store = try await loop.submit {
            NIOLoopBound<any LimitStore>(EmbeddedLimitStore(rules: rules), eventLoop: loop)
        }.get()
        return Limiter(store: store) {}
    }

    func charge(_ charges: [LimitCharge], at now: Int? = nil) async throws -> LimitVerdict {
        let store = store
        let promise = store.eventLoop.makePromise(of: LimitVerdict.self)
        store.eventLoop.execute {
            store.value.charge(charges, at: now) { promise.completeWith($0.mapError { $0 as any Error }) }
        }
        return try await promise.futureResult.get()
    }

    func refund(_ charges: [LimitCharge], _ verdict: LimitVerdict, at now: Int? = nil) async throws {
        let store = store
        try await store.eventLoop.submit { store.value.refund(charges, verdict, at: now) }.get()
    }

    /// One after the other sent, and all waited for together.
    func chargeAll(_ requests: [[LimitCharge]], at now: Int? = nil) async throws -> [LimitVerdict] {
        let store = store
        let promises = requests.map { _ in store.eventLoop.makePromise(of: LimitVerdict.self) }
        store.eventLoop.execute {
            for (charges, promise) in zip(requests, promises) {
                store.value.charge(charges, at: now) { promise.completeWith($0.mapError { $0 as any Error }) }
            }
        }
        return try await EventLoopFuture.whenAllSucceed(promises.map(\.futureResult), on: store.eventLoop).get()
    }

    /// Started together on the loop.
    func chargeAtOnce(_ times: Int, _ charges: [LimitCharge]) async throws -> [LimitVerdict] {
        try await chargeAll(Array(repeating: charges, count: times))
    }

    func shutDown() async { await close() }
}

func charge(_ caller: String, rule: Int = 0) -> LimitCharge {
    LimitCharge(ruleIndex: rule, identity: LimitIdentity(caller, hasher: SHA256Hasher()))
}

/// Three shards for all tests that neither stop them nor count their keys: each has a prefix of its own.
enum SharedCluster {
    private static let started = Task { try await RedisCluster.start(isShared: true) }
    private static let prefixes = Mutex(0)

    static var cluster: RedisCluster {
        get async throws { try await started.value }
    }

    static func prefix() -> String {
        prefixes.withLock { count in
            count += 1
            return "test\(count)"
        }
    }
}

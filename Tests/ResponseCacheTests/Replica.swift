import Hashing
import Logging
import NIOCore
import NIOPosix
import RedisClient
import ResponseCache
import Synchronization
import TestSupport

/// One process as far as the cache can tell: a cache with lanes on loops of its own, and connections of its own.
final class Replica: Sendable {
    /// What lives on one loop.
    final class Seat {
        let lane: CacheLane
        let connection: RedisConnection?
        let subscriber: RedisSubscriber?

        init(cache: AnswerCache, eventLoop: any EventLoop, endpoint: RedisEndpoint?, listens: Bool, subscribes: Bool) {
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            connection = endpoint.map { RedisConnection(endpoint: $0, eventLoop: eventLoop, logger: logger) }
            subscriber =
                listens && subscribes
                ? endpoint.map { RedisSubscriber(endpoint: $0, eventLoop: eventLoop, logger: logger) } : nil
            lane = cache.makeLane(eventLoop: eventLoop, redis: connection)
            if listens { lane.listen(subscriber) }
        }

        func close() {
            lane.stopListening()
            subscriber?.close()
            connection?.close()
        }
    }

    let cache: AnswerCache
    private let group: MultiThreadedEventLoopGroup
    private let seats: [NIOLoopBound<Seat>]
    private let loops: [any EventLoop]

    static func settings() -> CacheSettings {
        var settings = CacheSettings(
            memory: 4 << 20,
            maximumEntry: 64 << 10,
            prefix: "test",
            redisTimeout: .seconds(5)
        )
        settings.lockExpiry = .milliseconds(600)
        settings.renewal = .milliseconds(150)
        settings.poll = .milliseconds(150)
        settings.waiterExpiry = .milliseconds(600)
        return settings
    }

    static func start(
        _ server: RedisServer?,
        loops: Int = 1,
        settings: CacheSettings = settings(),
        subscribes: Bool = true
    ) async throws -> Replica {
        try await start(url: server?.url, loops: loops, settings: settings, subscribes: subscribes)
    }

    static func start(
        url: String?,
        loops: Int = 1,
        settings: CacheSettings = settings(),
        subscribes: Bool = true
    ) async throws -> Replica {
        let endpoint = try url.map { try RedisEndpoint(url: $0) }
        let replica = try await Replica(endpoint: endpoint, loops: loops, settings: settings, subscribes: subscribes)
        if url != nil { try await replica.waitUntilUp() }
        return replica
    }

    private init(endpoint: RedisEndpoint?, loops: Int, settings: CacheSettings, subscribes: Bool) async throws {
        let cache = AnswerCache(settings: settings)
        self.cache = cache
        group = MultiThreadedEventLoopGroup(numberOfThreads: loops)
        let all = Array(group.makeIterator())
        self.loops = all
        var seats: [NIOLoopBound<Seat>] = []
        for (index, loop) in all.enumerated() {
            seats.append(
                try await loop.submit {
                    NIOLoopBound(
                        Seat(
                            cache: cache,
                            eventLoop: loop,
                            endpoint: endpoint,
                            listens: index == 0,
                            subscribes: subscribes
                        ),
                        eventLoop: loop
                    )
                }.get()
            )
        }
        self.seats = seats
    }

    /// Runs on a lane's loop.
    func on<Result: Sendable>(_ index: Int = 0, _ body: @escaping @Sendable (Seat) -> Result) async throws -> Result {
        let seat = seats[index]
        return try await loops[index].submit { body(seat.value) }.get()
    }

    func waitUntilUp() async throws {
        for index in loops.indices {
            try await eventually("connected to Redis") {
                try await self.on(index) { ($0.connection?.isUp ?? true) && ($0.subscriber?.isUp ?? true) }
            }
        }
    }

    /// What Redis answers this replica's first lane; empty for nothing.
    func redis(_ arguments: String...) async throws -> String {
        let loop = loops[0]
        let promise = loop.makePromise(of: String.self)
        try await on { seat in
            seat.connection?.send(arguments.map { .text($0) }, timeout: .seconds(5)) { result in
                promise.completeWith(
                    result.map { $0.integer.map { String($0) } ?? $0.string ?? "" }.mapError { $0 as any Error }
                )
            }
        }
        return try await promise.futureResult.get()
    }

    /// As by a crash: nothing is told to Redis any more.
    func cutOff() async throws {
        for index in loops.indices {
            try await on(index) { seat in seat.close() }
        }
    }

    func stop() async throws {
        try await cutOff()
        try await group.shutdownGracefully()
    }

    /// Begins a lookup; returns once it was begun.
    func ask(
        _ name: String,
        loop index: Int = 0,
        tags: CacheTags = CacheTags(route: "gemini", client: "team"),
        directives: String = "",
        within limit: TimeAmount? = nil
    ) async throws -> Question {
        let loop = loops[index]
        let promise = loop.makePromise(of: Seen.self)
        let ticket = try await on(index) { seat -> NIOLoopBound<CacheTicket>? in
            let request = CacheRequest(
                key: CacheKey.of(name),
                tags: tags,
                directives: RequestDirectives(parsing: ByteBuffer(string: directives).readableBytesView),
                deadline: limit.map { loop.now + $0 }
            )
            switch seat.lane.lookUp(request, { promise.succeed(Seen($0, loop)) }) {
            case .answered(let outcome):
                promise.succeed(Seen(outcome, loop))
                return nil
            case .pending(let ticket): return NIOLoopBound(ticket, eventLoop: loop)
            }
        }
        return Question(promise: promise, ticket: ticket, replica: self, index: index)
    }
}

/// A caller of the cache.
struct Question: Sendable {
    fileprivate let promise: EventLoopPromise<Seen>
    private let known: Known
    fileprivate let ticket: NIOLoopBound<CacheTicket>?
    fileprivate let replica: Replica
    fileprivate let index: Int

    fileprivate init(
        promise: EventLoopPromise<Seen>,
        ticket: NIOLoopBound<CacheTicket>?,
        replica: Replica,
        index: Int
    ) {
        let known = Known()
        promise.futureResult.whenSuccess { outcome in known.seen.withLock { $0 = outcome } }
        self.known = known
        self.promise = promise
        self.ticket = ticket
        self.replica = replica
        self.index = index
    }

    private final class Known: Sendable {
        let seen = Mutex<Seen?>(nil)
    }

    var outcome: Seen {
        get async throws { try await promise.futureResult.get() }
    }

    var isPending: Bool { ticket != nil }

    /// The token, if this caller leads by now.
    var leadNow: Lead? {
        if case .lead(let lead) = known.seen.withLock({ $0 }) { lead } else { nil }
    }

    func lead() async throws -> Lead {
        let outcome = try await outcome
        guard case .lead(let lead) = outcome else { throw Unexpected(outcome: "\(outcome)") }
        return lead
    }

    func leave() async throws {
        guard let ticket else { return }
        try await replica.on(index) { $0.lane.leave(ticket.value) }
        promise.succeed(.left)
    }
}

struct Unexpected: Error { let outcome: String }

/// A `CacheOutcome` that tests can carry about.
enum Seen: Sendable, CustomStringConvertible {
    case hit(String, isStale: Bool, Stale?)
    case lead(Lead)
    case collapsed(Int, String)
    case staleOnError(String, Int?)
    case uncached
    case notCached
    case deadlinePassed
    /// No outcome: the caller went before one came.
    case left

    init(_ outcome: CacheOutcome, _ loop: any EventLoop) {
        switch outcome {
        case .hit(let hit):
            self = .hit(
                String(buffer: hit.answer.body),
                isStale: hit.remaining <= .zero,
                hit.revalidation.map { Stale(revalidation: NIOLoopBound($0, eventLoop: loop), loop: loop) }
            )
        case .lead(let token): self = .lead(Lead(token, loop))
        case .collapsed(let answer): self = .collapsed(answer.status, String(buffer: answer.body))
        case .staleOnError(let answer, let status): self = .staleOnError(String(buffer: answer.body), status)
        case .uncached: self = .uncached
        case .notCached: self = .notCached
        case .deadlinePassed: self = .deadlinePassed
        }
    }

    var description: String {
        switch self {
        case .hit(let body, let isStale, _): "hit \(body)\(isStale ? " stale" : "")"
        case .lead: "lead"
        case .collapsed(let status, let body): "collapsed \(status) \(body)"
        case .staleOnError(let body, let status): "stale on \(status ?? 0) \(body)"
        case .uncached: "uncached"
        case .notCached: "not cached"
        case .deadlinePassed: "deadline passed"
        case .left: "left"
        }
    }
}

struct Stale: Sendable {
    fileprivate let revalidation: NIOLoopBound<Revalidation>
    fileprivate let loop: any EventLoop

    func acquire() async throws -> Lead? {
        let promise = loop.makePromise(of: Lead?.self)
        loop.execute { [self] in
            revalidation.value.acquire { token in promise.succeed(token.map { Lead($0, loop) }) }
        }
        return try await promise.futureResult.get()
    }
}

/// The holder of a token.
final class Lead: Sendable {
    private let token: NIOLoopBoundBox<FillToken?>
    private let loop: any EventLoop
    let abandoned: EventLoopFuture<Void>
    private let promise: EventLoopPromise<Void>

    init(_ token: FillToken, _ loop: any EventLoop) {
        promise = loop.makePromise(of: Void.self)
        abandoned = promise.futureResult
        self.loop = loop
        token.onAbandoned = { [promise] in promise.succeed(()) }
        self.token = NIOLoopBoundBox(token, eventLoop: loop)
    }

    deinit { promise.succeed(()) }

    func complete(
        _ body: String,
        status: Int = 200,
        freshness: Freshness = Freshness(timeToLive: .seconds(300)),
        isStream: Bool = false
    ) async throws {
        try await loop.submit { [token, loop] in
            token.value?.complete(Self.answer(body, 200, freshness, at: loop.now, isStream: isStream))
        }.get()
    }

    func fail(_ status: Int) async throws {
        try await loop.submit { [token] in token.value?.fail(.other(status: status)) }.get()
    }

    func failForAll(_ status: Int, _ body: String) async throws {
        try await loop.submit { [token, loop] in
            let answer = Self.answer(body, status, Freshness(timeToLive: .zero), at: loop.now, isStream: false)
            token.value?.fail(.clientError(answer))
        }.get()
    }

    func refuseToShare() async throws {
        try await loop.submit { [token] in token.value?.fail(.notShareable) }.get()
    }

    func callerLeft() async throws {
        try await loop.submit { [token] in token.value?.callerLeft() }.get()
    }

    /// Forgets the token without a word.
    func dropToken() async throws {
        try await loop.submit { [token] in token.value = nil }.get()
    }

    private static func answer(
        _ body: String,
        _ status: Int,
        _ freshness: Freshness,
        at now: NIODeadline,
        isStream: Bool
    ) -> StoredAnswer {
        StoredAnswer(
            status: status,
            fields: ByteBuffer(string: "Content-Type: text/plain\r\n"),
            body: ByteBuffer(string: body),
            isStream: isStream,
            storedAt: now,
            freshness: freshness,
            tags: CacheTags(route: "gemini", client: "team")
        )
    }
}

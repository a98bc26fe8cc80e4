internal import NIOCore
internal import RedisClient

/// The cache tier that all replicas share, over one loop's connection. Key layout and replies: `Lua/cache_lookup.lua`.
final class RedisTier {
    enum Mode: String {
        case get, peek, refresh, skip
    }

    enum Finding {
        case hit(StoredAnswer)
        /// The caller leads; the copy may be used if fetching fails.
        case lead(generations: String, staleCopy: StoredAnswer?)
        case wait(leader: String)
        case none
        case busy
        case told(StoredAnswer)
        case staleOnError(StoredAnswer, failedStatus: Int?)
        case alone
        /// Redis is gone, slow, or says what nobody understands.
        case failed
    }

    private static let lookup = RedisScript(name: "cache_lookup", source: PackageResources.cache_lookup_lua)
    private static let store = RedisScript(name: "cache_store", source: PackageResources.cache_store_lua)
    private static let release = RedisScript(name: "cache_release", source: PackageResources.cache_release_lua)
    private static let renew = RedisScript(name: "cache_renew", source: PackageResources.cache_renew_lua)
    private static let leave = RedisScript(name: "cache_leave", source: PackageResources.cache_leave_lua)
    private static let purge = RedisScript(name: "cache_purge", source: PackageResources.cache_purge_lua)

    let names: RedisNames
    private let connection: RedisConnection
    private let settings: CacheSettings
    private let replica: String
    /// Called once for each command that failed.
    private let onError: () -> Void
    /// By part of the cache: on a cluster one shard may hang and the others not.
    private var restsUntil: [NIODeadline]

    init(
        connection: RedisConnection,
        settings: CacheSettings,
        replica: String,
        onError: @escaping () -> Void
    ) {
        self.connection = connection
        self.settings = settings
        self.replica = replica
        self.onError = onError
        names = RedisNames(prefix: settings.prefix, isCluster: connection.isCluster)
        restsUntil = Array(repeating: .distantPast, count: names.partCount)
    }

    /// Whether asking about the key makes sense now.
    func isUsable(for key: CacheKey, now: NIODeadline) -> Bool { isUsable(part: names.part(of: key), now: now) }

    func isUsable(part: Int, now: NIODeadline) -> Bool { connection.isUp && now >= restsUntil[part] }

    // MARK: On the request's way

    /// - Parameter token: unique to the flight, and the same each time that it asks: a repeated question finds its own lock.
    /// - Parameter waitedFor: the leader whose last word the caller may take.
    func lookUp(
        _ key: CacheKey,
        tags: CacheTags,
        mode: Mode,
        token: String,
        maximumAge: TimeAmount?,
        waitedFor: String = "",
        _ done: @escaping (Finding) -> Void
    ) {
        let arguments: [RedisArgument] = [
            .text(mode.rawValue), .text(names.routeField(tags.route)), .text(names.clientField(tags.client)),
            .text(token),
            .integer(settings.lockExpiry.milliseconds), .text(replica), .integer(settings.waiterExpiry.milliseconds),
            .integer(maximumAge?.milliseconds ?? -1), .text(waitedFor), "",
        ]
        eval(Self.lookup, names.all(key), of: key, arguments, timeout: settings.redisTimeout) {
            [eventLoop = connection.eventLoop] in
            done($0.flatMap { Self.finding($0, now: eventLoop.now) } ?? .failed)
        }
    }

    // MARK: Behind it

    private static let backgroundTimeout = TimeAmount.seconds(2)

    func store(
        _ answer: StoredAnswer,
        for key: CacheKey,
        token: String,
        generations: String
    ) {
        let freshness = answer.freshness
        let spans = [freshness.timeToLive, freshness.staleWhileRevalidate, freshness.staleIfError]
        let arguments: [RedisArgument] = [
            .text(token), .text(generations), .text(names.routeField(answer.tags.route)),
            .text(names.clientField(answer.tags.client)), .buffer(StoredAnswerCoding.head(of: answer)),
            .buffer(answer.body),
            .text(spans.map { String($0.milliseconds) }.joined(separator: " ")),
            .integer(max(1, freshness.retention.milliseconds)), .integer(settings.lastWordExpiry.milliseconds),
            .text(names.channel), .text(names.endedMessage(key)), "",
        ]
        eval(Self.store, names.all(key), of: key, arguments, timeout: Self.backgroundTimeout) { _ in }
    }

    enum LastWord {
        case nothing
        case answer(StoredAnswer)
        case stale(failedStatus: Int?)
        case alone
    }

    func release(_ key: CacheKey, token: String, _ lastWord: LastWord) {
        var kind = ""
        var head = ByteBuffer()
        var body = ByteBuffer()
        var status = 0
        switch lastWord {
        case .nothing: break
        case .answer(let answer):
            kind = "answer"
            head = StoredAnswerCoding.head(of: answer)
            body = answer.body
        case .stale(let failedStatus):
            kind = "stale"
            status = failedStatus ?? 0
        case .alone: kind = "alone"
        }
        let arguments: [RedisArgument] = [
            .text(token), .text(kind), .buffer(head), .buffer(body), .integer(status),
            .integer(settings.lastWordExpiry.milliseconds), .text(names.channel), .text(names.endedMessage(key)),
        ]
        let keys = [names.lock(key), names.lastWord(key)]
        eval(Self.release, keys, of: key, arguments, timeout: Self.backgroundTimeout) { _ in }
    }

    /// - Parameter done: gets how many replicas wait, -1 where another leads, `nil` where Redis did not say.
    func renew(
        _ key: CacheKey,
        token: String,
        generations: String,
        releasingIfAlone: Bool,
        _ done: @escaping (Int?) -> Void
    ) {
        let arguments: [RedisArgument] = [
            .text(token), .integer(settings.lockExpiry.milliseconds), releasingIfAlone ? "release" : "keep",
            .text(generations), "",
        ]
        eval(Self.renew, [names.lock(key)], of: key, arguments, timeout: settings.renewal) { done($0?.integer) }
    }

    func leave(_ key: CacheKey) {
        let arguments: [RedisArgument] = [.text(replica), .text(names.channel), .text(names.leftMessage(key))]
        eval(Self.leave, [names.lock(key)], of: key, arguments, timeout: Self.backgroundTimeout) { _ in }
    }

    func purge(_ scopes: some Sequence<PurgeScope>, part: Int, _ done: @escaping (Bool) -> Void) {
        let arguments: [RedisArgument] =
            [.text(names.channel), .text(names.suffix(ofPart: part))] + scopes.map { .text(names.field($0)) }
        eval(
            Self.purge,
            [names.generations(ofPart: part)],
            part: part,
            arguments,
            timeout: Self.backgroundTimeout
        ) { done($0 != nil) }
    }

    /// The value that every purge changes; empty before the first.
    func lastPurge(part: Int, _ done: @escaping (String?) -> Void) {
        send(["HGET", .text(names.generations(ofPart: part)), "last"], part: part) { reply in
            done(reply.map { $0.string ?? "" })
        }
    }

    /// All generations by field.
    func generations(part: Int, _ done: @escaping ([String: String]?) -> Void) {
        send(["HGETALL", .text(names.generations(ofPart: part))], part: part) { reply in
            guard let parts = reply?.array else { return done(nil) }
            var fields: [String: String] = [:]
            for index in stride(from: 0, to: parts.count - 1, by: 2) {
                if let field = parts[index].string { fields[field] = parts[index + 1].string }
            }
            done(fields)
        }
    }

    // MARK: Commands

    private func eval(
        _ script: RedisScript,
        _ keys: [String],
        of key: CacheKey,
        _ arguments: [RedisArgument],
        timeout: TimeAmount,
        _ done: @escaping (RedisReply?) -> Void
    ) {
        eval(script, keys, part: names.part(of: key), arguments, timeout: timeout, done)
    }

    private func eval(
        _ script: RedisScript,
        _ keys: [String],
        part: Int,
        _ arguments: [RedisArgument],
        timeout: TimeAmount,
        _ done: @escaping (RedisReply?) -> Void
    ) {
        connection.eval(script, keys: keys, arguments: arguments, timeout: timeout) { done(self.judge($0, part: part)) }
    }

    private func send(_ arguments: [RedisArgument], part: Int, _ done: @escaping (RedisReply?) -> Void) {
        connection.send(arguments, timeout: Self.backgroundTimeout) { done(self.judge($0, part: part)) }
    }

    private func judge(_ result: Result<RedisReply, RedisError>, part: Int) -> RedisReply? {
        switch result {
        case .success(let reply): return reply
        case .failure(let error):
            onError()
            // A Redis that hangs must not cost each request its timeout.
            if error == .timedOut { restsUntil[part] = connection.eventLoop.now + settings.redisRest }
            return nil
        }
    }

    /// - Returns: `nil` for what nobody understands.
    private static func finding(_ reply: RedisReply, now: NIODeadline) -> Finding? {
        guard let parts = reply.array, let kind = parts.first?.string else { return nil }
        func answer(from index: Int) -> StoredAnswer? {
            guard parts.count >= index + 3, let age = parts[index].integer else { return nil }
            return self.answer(parts[index + 1], parts[index + 2], storedAt: now - .milliseconds(Int64(age)))
        }
        switch kind {
        case "hit": return answer(from: 1).map { .hit($0) }
        case "lead":
            guard parts.count >= 2, let generations = parts[1].string else { return nil }
            return .lead(generations: generations, staleCopy: answer(from: 2))
        case "wait": return parts.count >= 2 ? parts[1].string.map { .wait(leader: $0) } : nil
        case "none": return Finding.none
        case "busy": return .busy
        case "alone": return .alone
        case "told":
            guard parts.count >= 3 else { return nil }
            return self.answer(parts[1], parts[2], storedAt: now).map { .told($0) }
        case "stale":
            guard parts.count >= 2, let status = parts[1].integer else { return nil }
            return answer(from: 2).map { .staleOnError($0, failedStatus: status == 0 ? nil : status) }
        default: return nil
        }
    }

    private static func answer(_ head: RedisReply, _ body: RedisReply, storedAt: NIODeadline) -> StoredAnswer? {
        guard let head = head.bytes, let body = body.bytes else { return nil }
        return StoredAnswerCoding.answer(head: head, body: body, storedAt: storedAt)
    }
}

extension TimeAmount {
    var milliseconds: Int { Int(nanoseconds / 1_000_000) }
}

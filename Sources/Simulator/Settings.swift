/// How the simulator behaves. Every setting is a flag at start and a member of `POST /simulator/config` at run time.
package struct Settings: Sendable, Equatable {
    package var quotas = QuotaRules()
    /// The only API key that is accepted; nil: any, or none.
    package var key: String?

    /// From the arrival to the first byte of an answer.
    package var latency = Duration.zero
    /// Up to so much is added to the latency, evenly distributed.
    package var jitter = Duration.zero
    /// Between two chunks of a stream.
    package var chunkDelay = Duration.zero
    /// How many chunks the text of a stream is cut into.
    package var chunks = 8
    /// Length of a generated answer beyond the sentence that repeats the question.
    package var answerWords = 40
    /// Length of an embedding where the call names none.
    package var dimension = 768
    /// Bytes of text that count as a token.
    package var bytesPerToken = 4.0

    /// Share of calls that fail with `failStatus`.
    package var failRate = 0.0
    package var failStatus = 503
    /// Share of calls whose connection is reset before a byte of the answer.
    package var resetRate = 0.0
    /// Share of answers that break off in the middle.
    package var cutStreamRate = 0.0
    /// Start of the pseudo-random sequence behind jitter and faults.
    package var seed: UInt64 = 1

    /// Whether the log keeps the fields of each request, credentials excepted.
    package var logHeaders = false

    package init() {}
}

/// Why a setting was refused.
package struct SettingsError: Error, Equatable, CustomStringConvertible {
    package let name: String
    package let expected: String

    package var description: String { "\(name): \(expected)" }
}

extension Settings {
    /// Applies the members of a JSON object; all or none.
    /// - Throws: the first member that is unknown or has a wrong value.
    package mutating func apply(_ members: [String: JSONValue]) throws(SettingsError) {
        var changed = self
        for (name, value) in members.sorted(by: { $0.key < $1.key }) {
            guard let set = Self.members[name] else {
                throw SettingsError(name: name, expected: "no such setting")
            }
            try set(&changed, SettingValue(name: name, value: value))
        }
        self = changed
    }

    /// All settings under the names that `apply` takes. The key stays out.
    package var members: [String: JSONValue] {
        var members: [String: JSONValue] = [
            "window": .string(quotas.window.text),
            "day": .string(quotas.day.text),
            "count-refused": .bool(quotas.countsRefused),
            "latency": .string(latency.text),
            "jitter": .string(jitter.text),
            "chunk-delay": .string(chunkDelay.text),
            "chunks": .number(Double(chunks)),
            "answer-words": .number(Double(answerWords)),
            "dimension": .number(Double(dimension)),
            "bytes-per-token": .number(bytesPerToken),
            "fail-rate": .number(failRate),
            "fail-status": .number(Double(failStatus)),
            "reset-rate": .number(resetRate),
            "cut-stream-rate": .number(cutStreamRate),
            "seed": .number(Double(seed)),
            "log-headers": .bool(logHeaders),
        ]
        for quota in Quota.allCases {
            members[quota.rawValue] = quotas.limits[quota].map { .number(Double($0)) } ?? .null
        }
        return members
    }

    private typealias Setter = @Sendable (inout Settings, SettingValue) throws(SettingsError) -> Void

    private static let members: [String: Setter] = [
        "requests-per-minute": { s, v throws(SettingsError) in s.quotas.limits[.requestsPerMinute] = try v.limit() },
        "tokens-per-minute": { s, v throws(SettingsError) in s.quotas.limits[.tokensPerMinute] = try v.limit() },
        "requests-per-day": { s, v throws(SettingsError) in s.quotas.limits[.requestsPerDay] = try v.limit() },
        "pinecone-queries-per-minute": { s, v throws(SettingsError) in
            s.quotas.limits[.pineconeQueriesPerMinute] = try v.limit()
        },
        "window": { s, v throws(SettingsError) in s.quotas.window = try v.window() },
        "day": { s, v throws(SettingsError) in s.quotas.day = try v.window() },
        "count-refused": { s, v throws(SettingsError) in s.quotas.countsRefused = try v.bool() },
        "key": { s, v throws(SettingsError) in s.key = try v.optionalString() },
        "latency": { s, v throws(SettingsError) in s.latency = try v.duration() },
        "jitter": { s, v throws(SettingsError) in s.jitter = try v.duration() },
        "chunk-delay": { s, v throws(SettingsError) in s.chunkDelay = try v.duration() },
        "chunks": { s, v throws(SettingsError) in s.chunks = try v.whole(1...10_000) },
        "answer-words": { s, v throws(SettingsError) in s.answerWords = try v.whole(0...100_000) },
        "dimension": { s, v throws(SettingsError) in s.dimension = try v.whole(1...20_000) },
        "bytes-per-token": { s, v throws(SettingsError) in s.bytesPerToken = try v.bytes() },
        "fail-rate": { s, v throws(SettingsError) in s.failRate = try v.share() },
        "fail-status": { s, v throws(SettingsError) in s.failStatus = try v.whole(400...599) },
        "reset-rate": { s, v throws(SettingsError) in s.resetRate = try v.share() },
        "cut-stream-rate": { s, v throws(SettingsError) in s.cutStreamRate = try v.share() },
        "seed": { s, v throws(SettingsError) in s.seed = UInt64(try v.whole(0...Int(Int32.max))) },
        "log-headers": { s, v throws(SettingsError) in s.logHeaders = try v.bool() },
    ]
}

/// A member of the settings' JSON, read as the type that its setting has.
private struct SettingValue {
    let name: String
    let value: JSONValue

    func bool() throws(SettingsError) -> Bool {
        guard case .bool(let value) = value else { throw refused("true or false") }
        return value
    }

    func optionalString() throws(SettingsError) -> String? {
        switch value {
        case .null: nil
        case .string(let value): value
        default: throw refused("a string, or null")
        }
    }

    func whole(_ range: ClosedRange<Int>) throws(SettingsError) -> Int {
        guard case .number(let value) = value, let whole = Int(exactly: value), range.contains(whole) else {
            throw refused("a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return whole
    }

    /// Null takes the limit away.
    func limit() throws(SettingsError) -> Int? {
        value == .null ? nil : try whole(1...1_000_000_000)
    }

    func share() throws(SettingsError) -> Double {
        guard case .number(let value) = value, (0...1).contains(value) else { throw refused("a number from 0 to 1") }
        return value
    }

    func bytes() throws(SettingsError) -> Double {
        guard case .number(let value) = value, (0.25...64).contains(value) else {
            throw refused("a number from 0.25 to 64")
        }
        return value
    }

    func duration() throws(SettingsError) -> Duration {
        guard case .string(let text) = value, let duration = Duration(text: text) else {
            throw refused("a duration such as \"250ms\"")
        }
        return duration
    }

    func window() throws(SettingsError) -> Duration {
        let duration = try duration()
        guard duration > .zero else { throw refused("a duration above zero") }
        return duration
    }

    private func refused(_ expected: String) -> SettingsError {
        SettingsError(name: name, expected: "expected \(expected)")
    }
}

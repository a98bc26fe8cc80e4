/// A condition did not come true, or a process not up, in time.
package struct DeadlinePassed: Error, CustomStringConvertible {
    package let what: String
    package let limit: Duration
    package var description: String { "not within \(limit): \(what)" }
}

/// Polls until `condition` holds, for what no event tells.
/// - Throws: `DeadlinePassed`, or what the condition throws.
package func eventually(
    _ what: String,
    within limit: Duration = .seconds(10),
    every interval: Duration = .milliseconds(5),
    isolation: isolated (any Actor)? = #isolation,
    _ condition: () async throws -> Bool
) async throws {
    try await eventualValue(what, within: limit, every: interval) { try await condition() ? () : nil }
}

/// Polls until `value` is there.
/// - Throws: `DeadlinePassed`, or what the closure throws.
package func eventualValue<Value>(
    _ what: String,
    within limit: Duration = .seconds(10),
    every interval: Duration = .milliseconds(5),
    isolation: isolated (any Actor)? = #isolation,
    _ value: () async throws -> Value?
) async throws -> Value {
    let deadline = ContinuousClock.now + limit
    while true {
        if let value = try await value() { return value }
        guard ContinuousClock.now < deadline else { throw DeadlinePassed(what: what, limit: limit) }
        // The one place where tests poll.
        try await Task.sleep(for: interval)
    }
}

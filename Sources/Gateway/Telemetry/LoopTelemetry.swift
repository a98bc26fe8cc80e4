package import Dialects
package import NIOCore
package import Pacing
package import ResponseCache

/// One loop's counters: plain integers that only the loop touches, read by hopping to it.
package struct LoopCounters: Sendable {
    /// Whose tokens: labels of `gateway_gen_ai_client_token_usage_total`.
    package struct TokenKey: Hashable, Sendable {
        package var client: String
        package var model: ExactName
    }

    package var requests = 0
    package var inFlight = 0
    /// By route, then status − 100; the last row counts calls that no route took.
    package var byRouteAndStatus: [[Int]]
    package var limitAllowed: [Int]
    package var limitDenied: [Int]
    package var upstreamErrors: [Int]
    package var upstreamRetries: [Int]
    package var upstream429s: [Int]
    package var tokens: [TokenKey: TokenUsage] = [:]
    /// What cached answers saved, of models that have a price.
    package var savedTokens: [TokenKey: TokenUsage] = [:]
    package var denials: [DeniedKey: Int] = [:]
    /// Models that no quota covers, by upstream.
    package var uncovered: [UncoveredModel: Int] = [:]
    package var gateway = RollingHistogram()
    package var queue = RollingHistogram()
    package var upstream = RollingHistogram()

    package struct DeniedKey: Hashable, Sendable {
        package var limit: Int
        package var key: ExactName
    }

    package struct UncoveredModel: Hashable, Sendable {
        package var upstream: Int
        package var model: ExactName
    }

    package init(routes: Int, limits: Int, upstreams: Int) {
        byRouteAndStatus = .init(repeating: .init(repeating: 0, count: 500), count: routes + 1)
        limitAllowed = .init(repeating: 0, count: limits)
        limitDenied = .init(repeating: 0, count: limits)
        upstreamErrors = .init(repeating: 0, count: upstreams)
        upstreamRetries = .init(repeating: 0, count: upstreams)
        upstream429s = .init(repeating: 0, count: upstreams)
    }
}

/// Counts what happens on one loop. Every map is bounded: callers choose keys and models.
package final class LoopTelemetry {
    package private(set) var counters: LoopCounters
    /// Called with a model that no quota covers, the first time that this loop meets it.
    package var onUncovered: ((_ upstream: Int, _ model: String) -> Void)?
    /// Users (else addresses) of the last second, drained by the cluster's publisher.
    package private(set) var recentUsers: Set<ExactName> = []

    private static let mapLimit = 4_096
    private static let userLimit = 50_000

    private let pricedModels: Set<ExactName>

    package init(routes: Int, limits: Int, upstreams: Int, pricedModels: [String] = []) {
        self.pricedModels = Set(pricedModels.map(ExactName.init))
        counters = LoopCounters(routes: routes, limits: limits, upstreams: upstreams)
    }

    package func began() {
        counters.requests += 1
        counters.inFlight += 1
    }

    /// - Parameter route: `nil`: none took the call.
    package func ended(route: Int?, status: Int, timings: CallTimings, gateway: TimeAmount, now: NIODeadline) {
        counters.inFlight -= 1
        let row = route ?? counters.byRouteAndStatus.count - 1
        counters.byRouteAndStatus[row][min(max(status, 100), 599) - 100] += 1
        counters.gateway.record(gateway, at: now)
        if timings.calledUpstream || timings.queue > .zero { counters.queue.record(timings.queue, at: now) }
        if let firstByte = timings.firstByte { counters.upstream.record(firstByte, at: now) }
    }

    package func seen(user: String) {
        if recentUsers.count < Self.userLimit { recentUsers.insert(ExactName(user)) }
    }

    package func drainUsers() -> Set<ExactName> {
        defer { recentUsers.removeAll(keepingCapacity: true) }
        return recentUsers
    }

    package func allowed(_ limit: Int) { counters.limitAllowed[limit] += 1 }

    package func denied(_ limit: Int, key: String) {
        counters.limitDenied[limit] += 1
        let denied = LoopCounters.DeniedKey(limit: limit, key: ExactName(key))
        // One look into the map: a refusal does little else.
        if let place = counters.denials.index(forKey: denied) {
            counters.denials.values[place] += 1
        } else if counters.denials.count < Self.mapLimit {
            counters.denials[denied] = 1
        }
    }

    package func uncovered(upstream: Int, model: String?) {
        guard let model else { return }
        let key = LoopCounters.UncoveredModel(upstream: upstream, model: ExactName(model))
        if let count = counters.uncovered[key] {
            counters.uncovered[key] = count + 1
        } else if counters.uncovered.count < Self.mapLimit {
            counters.uncovered[key] = 1
            onUncovered?(upstream, model)
        }
    }

    package func retried(upstream: Int) { counters.upstreamRetries[upstream] += 1 }
    package func upstreamFailed(upstream: Int) { counters.upstreamErrors[upstream] += 1 }
    package func upstream429(upstream: Int) { counters.upstream429s[upstream] += 1 }

    /// A kept answer saved the tokens that it had cost.
    package func saved(_ answer: StoredAnswer, client: String, model: String?, dialect: Dialect) {
        guard dialect == .gemini, let model, pricedModels.contains(ExactName(model)) else { return }
        var scanner = UsageScanner()
        scanner.feed(answer.body)
        guard let tokens = scanner.usage else { return }
        Self.add(tokens, to: &counters.savedTokens, client: client, model: model)
    }

    package func used(tokens: TokenUsage, client: String, model: String) {
        Self.add(tokens, to: &counters.tokens, client: client, model: model)
    }

    private static func add(
        _ tokens: TokenUsage,
        to counts: inout [LoopCounters.TokenKey: TokenUsage],
        client: String,
        model: String
    ) {
        let key = LoopCounters.TokenKey(client: client, model: ExactName(model))
        if let place = counts.index(forKey: key) {
            let used = counts.values[place]
            counts.values[place] = TokenUsage(input: used.input + tokens.input, output: used.output + tokens.output)
        } else if counts.count < mapLimit {
            counts[key] = tokens
        }
    }
}

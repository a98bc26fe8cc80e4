internal import Dialects
package import NIOCore
package import Pacing

/// All loops' counters, summed when somebody looks.
package final class ProcessTelemetry: Sendable {
    private let loops: [NIOLoopBound<LoopTelemetry>]
    package let replica: String
    package let started: NIODeadline

    package init(loops: [NIOLoopBound<LoopTelemetry>], replica: String, started: NIODeadline) {
        self.loops = loops
        self.replica = replica
        self.started = started
    }

    package func snapshot() async -> TelemetrySnapshot {
        var merged: TelemetrySnapshot?
        for loop in loops {
            let part = try? await loop.eventLoop.submit {
                TelemetrySnapshot(loop.value.counters, now: .now())
            }.get()
            guard let part else { continue }
            if merged == nil { merged = part } else { merged?.merge(part) }
        }
        return merged ?? TelemetrySnapshot(LoopCounters(routes: 0, limits: 0, upstreams: 0), now: .now())
    }

    /// Who called since the last time, to be counted once over all replicas.
    package func drainUsers() async -> Set<ExactName> {
        var users: Set<ExactName> = []
        for loop in loops {
            let part = try? await loop.eventLoop.submit { loop.value.drainUsers() }.get()
            users.formUnion(part ?? [])
        }
        return users
    }
}

/// Counters at one moment, and the latencies of the windows that `/admin/stats` shows.
package struct TelemetrySnapshot: Sendable {
    package struct Latency: Sendable {
        package var gateway = Histogram()
        package var queue = Histogram()
        package var upstream = Histogram()

        mutating func merge(_ other: Latency) {
            gateway.merge(other.gateway)
            queue.merge(other.queue)
            upstream.merge(other.upstream)
        }
    }

    /// Minutes of each window.
    package static let windows = [1, 5, 60]

    package var counters: LoopCounters
    /// As `windows`.
    package var latency: [Latency]
    /// Since the start.
    package var latencyOfAll: Latency

    init(_ counters: LoopCounters, now: NIODeadline) {
        var counters = counters
        latency = Self.windows.map { minutes in
            Latency(
                gateway: counters.gateway.window(minutes: minutes, at: now),
                queue: counters.queue.window(minutes: minutes, at: now),
                upstream: counters.upstream.window(minutes: minutes, at: now)
            )
        }
        latencyOfAll = Latency(
            gateway: counters.gateway.all,
            queue: counters.queue.all,
            upstream: counters.upstream.all
        )
        self.counters = counters
    }

    mutating func merge(_ other: TelemetrySnapshot) {
        counters.merge(other.counters)
        for index in latency.indices { latency[index].merge(other.latency[index]) }
        latencyOfAll.merge(other.latencyOfAll)
    }
}

extension LoopCounters {
    mutating func merge(_ other: LoopCounters) {
        requests += other.requests
        inFlight += other.inFlight
        for row in byRouteAndStatus.indices {
            for column in byRouteAndStatus[row].indices {
                byRouteAndStatus[row][column] += other.byRouteAndStatus[row][column]
            }
        }
        Self.add(&limitAllowed, other.limitAllowed)
        Self.add(&limitDenied, other.limitDenied)
        Self.add(&upstreamErrors, other.upstreamErrors)
        Self.add(&upstreamRetries, other.upstreamRetries)
        Self.add(&upstream429s, other.upstream429s)
        tokens.merge(other.tokens) { TokenUsage(input: $0.input + $1.input, output: $0.output + $1.output) }
        savedTokens.merge(other.savedTokens) { TokenUsage(input: $0.input + $1.input, output: $0.output + $1.output) }
        denials.merge(other.denials, uniquingKeysWith: +)
        uncovered.merge(other.uncovered, uniquingKeysWith: +)
    }

    private static func add(_ left: inout [Int], _ right: [Int]) {
        for index in left.indices { left[index] += right[index] }
    }
}

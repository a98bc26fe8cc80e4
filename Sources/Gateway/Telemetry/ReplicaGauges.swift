internal import Foundation

/// What one replica tells the others each second beside its counters: gauges, and its latencies as sparse histograms.
struct ReplicaGauges: Codable, Sendable {
    struct Sparse: Codable, Sendable {
        /// Pairs bucket, count.
        var pairs: [Int] = []

        init(_ histogram: Histogram) {
            for (bucket, count) in histogram.counts.enumerated() where count > 0 {
                pairs.append(bucket)
                pairs.append(Int(count))
            }
        }

        func add(to histogram: inout Histogram) {
            var index = 0
            while index + 1 < pairs.count {
                histogram.add(bucket: pairs[index], count: UInt32(clamping: pairs[index + 1]))
                index += 2
            }
        }
    }

    struct Latency: Codable, Sendable {
        var gateway: Sparse
        var queue: Sparse
        var upstream: Sparse
    }

    /// The calls of one replica that wait for a bucket.
    struct Waiting: Codable, Sendable, Equatable {
        var upstream: String
        var bucket: String
        var count: Int
        var byClient: [String: Int]
        var byUrgency: [String: Int]
        /// Seconds.
        var oldest: Double
        /// Units that others used, as this replica noticed; `nil`: none.
        var usedElsewhere: Int?
    }

    var inFlight = 0
    var waiting: [Waiting] = []
    var cacheBytes = 0
    var cacheEntries = 0
    /// As `TelemetrySnapshot.windows`.
    var latency: [Latency] = []

    init(snapshot: TelemetrySnapshot, waiting: [Waiting], cacheBytes: Int, cacheEntries: Int) {
        self.waiting = waiting
        inFlight = snapshot.counters.inFlight
        self.cacheBytes = cacheBytes
        self.cacheEntries = cacheEntries
        latency = snapshot.latency.map {
            Latency(gateway: Sparse($0.gateway), queue: Sparse($0.queue), upstream: Sparse($0.upstream))
        }
    }

    func encoded() -> [UInt8] { (try? JSONEncoder().encode(self)).map(Array.init) ?? [] }

    /// - Returns: `nil` for what a replica of another version wrote.
    static func decode(_ bytes: [UInt8]) -> ReplicaGauges? { try? JSONDecoder().decode(Self.self, from: Data(bytes)) }
}

/// Counts durations in buckets, for Prometheus.
struct Histogram {
    /// Upper bounds in seconds.
    static let bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

    private var counts = [Int](repeating: 0, count: bounds.count + 1)
    private var sum = Duration.zero

    mutating func add(_ duration: Duration) {
        let seconds = duration / .seconds(1)
        counts[Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count] += 1
        sum += duration
    }

    /// Lines of the text format.
    func lines(name: String) -> String {
        var total = 0
        var text = ""
        for (bound, count) in zip(Self.bounds, counts) {
            total += count
            text += "\(name)_bucket{le=\"\(bound)\"} \(total)\n"
        }
        total += counts[Self.bounds.count]
        text += "\(name)_bucket{le=\"+Inf\"} \(total)\n"
        text += "\(name)_sum \(sum / .seconds(1))\n\(name)_count \(total)\n"
        return text
    }
}

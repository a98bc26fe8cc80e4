internal import DequeModule

/// Sums what arrives in windows of one length, exactly: every arrival is kept for as long as it can matter.
///
/// A window is half-open, `[t, t + length)`, and `t` is free: two arrivals share one if they are less than `length` apart.
/// An arrival may be reported a little late, after others that came later; all windows that it falls into are looked at.
/// Recording costs O(log n), and O(1) for each arrival that it was overtaken by.
package struct SlidingWindow: Sendable {
    /// The most that a window may hold.
    package var limit: Int
    /// How long a window is.
    package var length: Duration
    /// The largest sum that any window held.
    package private(set) var peak = 0

    private var arrivals: Deque<Arrival> = []
    private var forgotten = 0
    private let capacity: Int

    /// - Parameter capacity: how many arrivals are kept at most; the oldest go first. It must exceed `limit`
    ///   for the answers to stay exact under an endless flood.
    package init(limit: Int, length: Duration, capacity: Int = 1 << 20) {
        self.limit = limit
        self.length = length
        self.capacity = capacity
    }

    /// What the window that ends at `instant` holds.
    package func sum(at instant: Duration) -> Int {
        total(before: firstIndex(after: instant)) - total(before: firstIndex(after: instant - length))
    }

    /// Whether no window would hold more than the limit if `weight` arrived at `instant`.
    package func fits(_ weight: Int, at instant: Duration) -> Bool {
        guard weight <= limit, sum(at: instant) <= limit - weight else { return false }
        return overtakers(of: instant).allSatisfy { sum(at: arrivals[$0].at) <= limit - weight }
    }

    /// How long after `instant` `weight` fits if nothing else arrives; nil: never.
    package func wait(for weight: Int, at instant: Duration) -> Duration? {
        guard weight <= limit else { return nil }
        let excess = sum(at: instant) + weight - limit
        guard excess > 0 else { return .zero }
        let start = firstIndex(after: instant - length)
        let released = total(before: start) + excess
        guard let last = arrivals[start...].first(where: { $0.through >= released }) else { return .zero }
        return last.at + length - instant
    }

    /// Counts `weight` at `instant`, whether it fits or not.
    package mutating func record(_ weight: Int, at instant: Duration) {
        let place = firstIndex(after: instant)
        arrivals.insert(Arrival(at: instant, through: total(before: place) + weight), at: place)
        for index in arrivals.indices[(place + 1)...] { arrivals[index].through += weight }
        peak = max(peak, sum(at: instant))
        for index in overtakers(of: instant) { peak = max(peak, sum(at: arrivals[index].at)) }
        forget()
    }

    private struct Arrival {
        let at: Duration
        /// The weight of this arrival and of all before it.
        var through: Int
    }

    /// How late an arrival may be reported.
    private static let tardiness = Duration.seconds(1)

    private mutating func forget() {
        guard let newest = arrivals.last?.at else { return }
        let horizon = newest - length - Self.tardiness
        while let oldest = arrivals.first, oldest.at <= horizon || arrivals.count > capacity {
            forgotten = oldest.through
            arrivals.removeFirst()
        }
    }

    private func total(before index: Int) -> Int {
        index == 0 ? forgotten : arrivals[index - 1].through
    }

    /// Later arrivals that share a window with `instant`.
    private func overtakers(of instant: Duration) -> Range<Int> {
        firstIndex(after: instant)..<firstIndex(notBefore: instant + length)
    }

    private func firstIndex(after instant: Duration) -> Int {
        partitionPoint { $0 > instant }
    }

    private func firstIndex(notBefore instant: Duration) -> Int {
        partitionPoint { $0 >= instant }
    }

    private func partitionPoint(_ isBehind: (Duration) -> Bool) -> Int {
        var low = 0
        var high = arrivals.count
        while low < high {
            let middle = (low + high) / 2
            if isBehind(arrivals[middle].at) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}

package import NIOCore

/// Log-linear histogram of durations: eight buckets an octave from 1 µs to about 70 minutes, so a quantile is right within 7 %.
///
/// 256 counters, 1 KiB; recording is a shift, a mask and an increment.
package struct Histogram: Sendable, Equatable {
    package static let bucketCount = 256
    package private(set) var counts: [UInt32]
    package private(set) var total: UInt64 = 0
    /// Sum of all recorded, seconds.
    package private(set) var sum = 0.0

    package init() {
        counts = [UInt32](repeating: 0, count: Self.bucketCount)
    }

    package mutating func record(_ time: TimeAmount) {
        let micros = UInt64(max(0, time.nanoseconds)) / 1_000
        counts[Self.bucket(micros: micros)] &+= 1
        total &+= 1
        sum += Double(max(0, time.nanoseconds)) / 1e9
    }

    package mutating func merge(_ other: Histogram) {
        for index in counts.indices { counts[index] &+= other.counts[index] }
        total &+= other.total
        sum += other.sum
    }

    package mutating func add(bucket: Int, count: UInt32) {
        guard counts.indices.contains(bucket) else { return }
        counts[bucket] &+= count
        total &+= UInt64(count)
    }

    package mutating func clear() {
        for index in counts.indices { counts[index] = 0 }
        total = 0
        sum = 0
    }

    /// Seconds below which that part of all lies; 0 where nothing was recorded.
    package func quantile(_ part: Double) -> Double {
        guard total > 0 else { return 0 }
        let wanted = max(1, UInt64((Double(total) * part).rounded(.up)))
        var seen: UInt64 = 0
        for (index, count) in counts.enumerated() {
            seen += UInt64(count)
            if seen >= wanted { return Self.upperBound(of: index) }
        }
        return Self.upperBound(of: Self.bucketCount - 1)
    }

    /// How many lie at or below so many seconds, to the bucket.
    package func count(upTo seconds: Double) -> UInt64 {
        var seen: UInt64 = 0
        for (index, count) in counts.enumerated() {
            if Self.upperBound(of: index) > seconds * 1.000_001 { break }
            seen += UInt64(count)
        }
        return seen
    }

    /// Values below 8 µs have a bucket each; above, the three bits behind the first one tell.
    static func bucket(micros: UInt64) -> Int {
        if micros < 8 { return Int(micros) }
        let octave = 63 - micros.leadingZeroBitCount
        let step = Int((micros >> UInt64(octave - 3)) & 7)
        return min(bucketCount - 1, (octave - 2) * 8 + step)
    }

    /// Seconds.
    static func upperBound(of bucket: Int) -> Double {
        if bucket < 8 { return Double(bucket + 1) / 1e6 }
        let octave = bucket / 8 + 2
        let step = bucket % 8
        return Double((8 + step + 1)) * Double(UInt64(1) << UInt64(octave - 3)) / 1e6
    }
}

/// The last minute, five minutes and hour of one duration: rings of histograms, each slot cleared as it comes round.
package struct RollingHistogram: Sendable {
    /// 12 slots of 5 s, then 60 of 1 min.
    private var recent = [Histogram](repeating: Histogram(), count: 12)
    private var minutes = [Histogram](repeating: Histogram(), count: 60)
    private var recentSlot: Int64 = 0
    private var minuteSlot: Int64 = 0
    package private(set) var all = Histogram()

    package init() {}

    package mutating func record(_ time: TimeAmount, at now: NIODeadline) {
        advance(to: now)
        recent[Int(recentSlot % 12)].record(time)
        minutes[Int(minuteSlot % 60)].record(time)
        all.record(time)
    }

    /// - Parameter minutes: 1 counts the last 55 to 60 s; more count whole minutes and the running one.
    package mutating func window(minutes count: Int, at now: NIODeadline) -> Histogram {
        advance(to: now)
        var merged = Histogram()
        if count == 1 {
            for slot in recent { merged.merge(slot) }
        } else {
            for back in 0..<Int64(count) where minuteSlot - back >= 0 {
                merged.merge(minutes[Int((minuteSlot - back) % 60)])
            }
        }
        return merged
    }

    private mutating func advance(to now: NIODeadline) {
        let seconds = Int64(now.uptimeNanoseconds / 1_000_000_000)
        Self.advance(&recent, slot: &recentSlot, to: seconds / 5)
        Self.advance(&minutes, slot: &minuteSlot, to: seconds / 60)
    }

    private static func advance(_ ring: inout [Histogram], slot: inout Int64, to now: Int64) {
        guard now > slot else { return }
        for passed in max(slot + 1, now - Int64(ring.count) + 1)...now { ring[Int(passed % Int64(ring.count))].clear() }
        slot = now
    }
}

/// When the next call is due if calls came evenly: the theoretical arrival time (TAT).
package struct TheoreticalArrival: Equatable, Sendable {
    /// Microseconds on the store's clock.
    package var micros: Int
    /// On top of them, in `1/count` of a microsecond.
    package var fraction: Int

    package init(micros: Int, fraction: Int = 0) {
        self.micros = micros
        self.fraction = fraction
    }
}

/// GCRA in whole numbers: the virtual scheduling algorithm of ITU-T I.371 (annex A).
///
/// An interval is `window ÷ count`, seldom a whole number of microseconds. So times are counted in microseconds and
/// `1/count` of one: nothing is rounded, and over any time the rate is kept to the call. `charge_limits.lua` does the same.
package struct LimitPace: Equatable, Sendable {
    package let burst: Int
    /// Fractions in a microsecond.
    package let count: Int
    /// Between two calls at the even rate.
    package let interval: TheoreticalArrival
    /// How far a TAT may be ahead of a call that passes: `burst − 1` intervals.
    package let tolerance: TheoreticalArrival
    /// `burst` intervals, rounded up.
    package let fullBurstMicros: Int
    /// Rounded up.
    package let intervalMicros: Int
    private let windowMicros: Int

    init(count: Int, windowMicros: Int, burst: Int) {
        self.count = count
        self.burst = burst
        self.windowMicros = windowMicros
        interval = Self.intervals(1, windowMicros, count)
        tolerance = Self.intervals(burst - 1, windowMicros, count)
        let full = Self.intervals(burst, windowMicros, count)
        fullBurstMicros = full.micros + (full.fraction > 0 ? 1 : 0)
        intervalMicros = interval.micros + (interval.fraction > 0 ? 1 : 0)
    }

    private static func intervals(_ number: Int, _ windowMicros: Int, _ count: Int) -> TheoreticalArrival {
        let (quotient, remainder) = (Int128(number) * Int128(windowMicros)).quotientAndRemainder(
            dividingBy: Int128(count)
        )
        return TheoreticalArrival(micros: Int(quotient), fraction: Int(remainder))
    }

    /// The TAT that counts at `now`: not behind it, and no further ahead than charging leads (the clock was set back).
    func current(_ arrival: TheoreticalArrival?, now: Int) -> TheoreticalArrival {
        guard var arrival else { return TheoreticalArrival(micros: now) }
        // Fractions of a rule that was changed since: less than a microsecond.
        if arrival.fraction >= count { arrival = TheoreticalArrival(micros: arrival.micros + 1) }
        if arrival.micros < now { return TheoreticalArrival(micros: now) }
        let furthest = now + fullBurstMicros
        return arrival.micros > furthest ? TheoreticalArrival(micros: furthest) : arrival
    }

    /// Whether a call passes.
    func passes(_ arrival: TheoreticalArrival, now: Int) -> Bool {
        let latest = now + tolerance.micros
        return arrival.micros < latest || (arrival.micros == latest && arrival.fraction <= tolerance.fraction)
    }

    func charged(_ arrival: TheoreticalArrival) -> TheoreticalArrival {
        var sum = TheoreticalArrival(
            micros: arrival.micros + interval.micros,
            fraction: arrival.fraction + interval.fraction
        )
        if sum.fraction >= count {
            sum.micros += 1
            sum.fraction -= count
        }
        return sum
    }

    func refunded(_ arrival: TheoreticalArrival) -> TheoreticalArrival {
        var difference = TheoreticalArrival(
            micros: arrival.micros - interval.micros,
            fraction: arrival.fraction - interval.fraction
        )
        if difference.fraction < 0 {
            difference.micros -= 1
            difference.fraction += count
        }
        return difference
    }

    /// How many calls would pass at `now`, and how long until one more would; zero where the burst is whole.
    func outlook(_ arrival: TheoreticalArrival, now: Int) -> (remaining: Int, untilNextMicros: Int) {
        let room = fractions(micros: now + tolerance.micros - arrival.micros, tolerance.fraction - arrival.fraction)
        let remaining = room < 0 ? 0 : min(Int(room / Int128(windowMicros)) + 1, burst)
        guard remaining < burst else { return (remaining, 0) }
        let missing = Int128(remaining) * Int128(windowMicros) - room
        let micros = (missing + Int128(count) - 1) / Int128(count)
        return (remaining, Int(micros))
    }

    private func fractions(micros: Int, _ fraction: Int) -> Int128 {
        Int128(micros) * Int128(count) + Int128(fraction)
    }
}

/// How long a bucket takes to let units go, for estimates. Mirrored by `span` in the script.
extension Bucket {
    /// Microseconds until so many units have gone from now on, one after the other, where nobody else takes any: what is
    /// free, evenly where the bucket spreads it, then what comes back.
    func span(_ units: Double, now: Micros) -> Double {
        let all = Double(effective)
        let held = Double(max(0, hold - now))
        if reset > 0 {
            let free = Double(effective - used)
            if units <= free { return held }
            let rest = units - free - (all - Double(late))
            if rest <= 0 { return max(held, Double(reset + Pace.calendarSkew - now)) }
            let later = (rest / all).rounded(.up) - 1
            return max(held, Double(resetAfter + Pace.calendarSkew - now) + later * Double(per.value))
        }
        let windows = max(0, (units / all).rounded(.up) - 1)
        let back = untilBack(units - windows * all - Double(effective - used), now: now)
        var spread = 0.0
        let paced = units - Double(max(0, effectiveBurst - used))
        if effectiveBurst < effective, paced > 0 {
            let (rate, horizon) = steepest(now: now)
            let early = rate * horizon
            // The last one left at `pace`, as far as spreading goes.
            let since = max(Double(pace - now), -1 / rate)
            spread = since + (paced <= early ? paced / rate : horizon + (paced - early) / (all / Double(life)))
        }
        return max(held, max(back + windows * Double(life), spread))
    }

    /// Until so many of the booked units have come back, evenly within a block.
    private func untilBack(_ units: Double, now: Micros) -> Double {
        var short = units
        guard short > 0 else { return 0 }
        for (offset, sum) in coarse.enumerated() where sum > 0 {
            if Double(sum) < short {
                short -= Double(sum)
                continue
            }
            let end = (base + offset + 1) * Pace.block * width
            let begin = max(first, (base + offset) * Pace.block) * width
            return max(0, Double(begin + life - now) + short / Double(sum) * Double(end - begin))
        }
        return 0
    }
}

/// When units may go, and how what an idle bucket did not let go at once is spread.
extension Bucket {
    /// The steepest even rate that does not run dry before units come back, in units a microsecond, and for how many
    /// microseconds it is the steepest.
    func steepest(now: Micros) -> (rate: Double, horizon: Double) {
        let all = Double(effective)
        if isEven {
            // Evenly spaced means each window like the last: no faster than a slot, once booked, comes back.
            let round = Double(life + Pace.allowance + width)
            return (all / round, round)
        }
        var have = Double(effective - used) + max(1, all / 50)
        var rate = Double.infinity
        var horizon = Double(life)
        for (offset, sum) in coarse.enumerated() where sum > 0 {
            let left = (base + offset) * Pace.block * width + life - now
            if left > per.value / 32, have / Double(left) < rate {
                rate = have / Double(left)
                horizon = Double(left)
            }
            have += Double(sum)
        }
        if have / Double(life) < rate { (rate, horizon) = (have / Double(life), Double(life)) }
        return (max(rate, all / Double(life) / 50), horizon)
    }

    /// The time that so many units are apart at the present rate.
    func gap(_ amount: Int, now: Micros) -> Micros {
        Micros((Double(amount) / steepest(now: now).rate + 0.5).rounded(.down))
    }

    /// When so many units more may go: not after `now` means now.
    func ready(_ wanted: Int, now: Micros) -> Micros {
        if paused { return Pace.never }
        let all = effective
        let amount = min(wanted, all)
        var short = used + amount - all
        if reset > 0 {
            guard short > 0 else { return hold }
            return max(hold, (late + amount <= all ? reset : resetAfter) + Pace.calendarSkew)
        }
        var paced: Micros = 0
        let atOnce = effectiveBurst
        if atOnce >= amount, amount > atOnce - used, atOnce < all {
            let gap = gap(amount, now: now)
            // The rate moves a little: no second timer for that.
            if pace + gap > now + gap / 5 { paced = pace + gap }
        }
        if short <= 0 { return max(hold, paced) }
        for (offset, sum) in coarse.enumerated() {
            if sum < short {
                short -= sum
                continue
            }
            let block = base + offset
            for index in max(first, block * Pace.block)..<((block + 1) * Pace.block) {
                short -= units[index] ?? 0
                if short <= 0 {
                    let at = (index + 1) * width + life
                    let later = at + Micros((Double(amount) / Double(all) * Double(per.value)).rounded(.down))
                    return max(hold, at, min(paced, later))
                }
            }
        }
        return hold
    }

    /// So many units are free at that time if none goes before.
    func room(at time: Micros) -> Int {
        if reset > 0 {
            if time < reset + Pace.calendarSkew { return effective - used }
            return effective - (time < resetAfter + Pace.calendarSkew ? late : 0)
        }
        let edge = (time - life) / width
        var back = 0
        for (offset, sum) in coarse.enumerated() {
            let block = base + offset
            if (block + 1) * Pace.block <= edge {
                back += sum
            } else if block * Pace.block < edge {
                let from = max(first, block * Pace.block)
                if from < edge {
                    for index in from..<edge { back += units[index] ?? 0 }
                }
            }
        }
        return effective - used + back
    }

    /// What goes now is back by that time, so it delays nobody who goes then.
    func isBack(by time: Micros, now: Micros) -> Bool {
        if reset > 0 { return time >= resetAfter + Pace.calendarSkew }
        return time > now + Pace.longestAllowance + width + life
    }

    /// Books a grant. Who passes a waiting head leaves the pace alone.
    mutating func take(_ amount: Int, allowance: Micros, passing: Bool, now: Micros) {
        if !passing {
            let gap = gap(amount, now: now)
            // Evenly spaced slots keep their distance after a pause too, as far as timers let them.
            let catchUp = isEven ? min(Pace.catchUp, max(Pace.timerSlack, gap / 5)) : Pace.catchUp
            pace = max(min(pace + gap, now + gap / 5), now - catchUp)
        }
        total += amount
        book(amount, at: now + allowance, now: now)
    }

    /// What a grant really took in place of what was booked for it. The pace counted that too: what comes back may go at once.
    mutating func settle(_ booked: Int, to actual: Int, at time: Micros, now: Micros) {
        guard actual != booked else { return }
        book(actual - booked, at: time, now: now)
        if actual < booked, reset == 0 { pace -= gap(booked - actual, now: now) }
    }

    func state(now: Micros) -> BucketState {
        var booked: [BucketUse] = []
        if reset > 0 {
            if used > late { booked.append(BucketUse(at: reset + Pace.calendarSkew, units: used - late)) }
        } else {
            for (offset, sum) in coarse.enumerated() where sum > 0 {
                booked.append(BucketUse(at: (base + offset + 1) * Pace.block * width + life, units: sum))
            }
        }
        return BucketState(
            name: name,
            limit: limit.value,
            learned: effective < limit.value ? learned : nil,
            per: per.value,
            life: life,
            burst: burst.value,
            used: used,
            hold: hold,
            reset: reset,
            paused: paused,
            next: ready(1, now: now),
            refusals: refusals,
            booked: booked
        )
    }
}

/// Calendar windows and sliding ones: a quota's configuration may change from one to the other.
///
/// The new kind takes over once nobody has stated the former for three seconds: when the last replica of a rolling deploy
/// is replaced. What was used until then counts on, at the time when it was used.
extension Bucket {
    mutating func change(to figures: BucketFigures, now: Micros) {
        let old = reset > 0 ? blocks(width, now: now) : uses(now: now)
        let before = (units: used, wasCalendar: reset > 0)
        limit = Stated(value: figures.limit, at: now)
        burst = Stated(value: figures.burst, at: now)
        guardInterval = Stated(value: figures.guardInterval, at: now)
        per = Stated(value: figures.per, at: now)
        kindAt = now
        reset = figures.reset
        began = figures.reset - figures.per
        nextReset = 0
        late = 0
        used = 0
        pace = 0
        empty(now: now)
        var told = 0
        for use in old {
            told += use.units
            if reset > 0, use.at < began - Pace.calendarSkew {
                remember(use.units, at: use.at, now: now)
            } else {
                book(use.units, at: use.at, now: now)
            }
        }
        // When the rest was used is not known.
        if before.wasCalendar, before.units > told { book(before.units - told, at: now, now: now) }
    }

    // MARK: When a calendar window's units were used

    /// By block of sub-windows, which is all that a later sliding window needs.
    mutating func remember(_ amount: Int, at time: Micros, now: Micros) {
        let time = min(time, now + Pace.longestAllowance)
        let block = time / width / Pace.block
        guard isRemembered(block, now: now) else { return }
        if amount > 0 {
            add(amount, toBlock: block)
        } else if block >= base, block - base < coarse.count {
            coarse[block - base] = max(0, coarse[block - base] + amount)
        }
        while !coarse.isEmpty, !isRemembered(base, now: now) {
            coarse.removeFirst()
            base += 1
        }
    }

    private func isRemembered(_ block: Int, now: Micros) -> Bool { (block + 1) * Pace.block * width + life > now }

    /// Each at the end of its block of such sub-windows.
    func blocks(_ width: Micros, now: Micros) -> [BucketUse] {
        coarse.enumerated().filter { $0.element > 0 }.map { offset, sum in
            BucketUse(at: min((base + offset + 1) * Pace.block * width - 1, now + Pace.longestAllowance), units: sum)
        }
    }
}

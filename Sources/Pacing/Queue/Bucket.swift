/// One quota bucket: units booked by sub-window, so that its cost does not grow with the quota.
///
/// Exact: a sub-window's units come back when its END is older than window + guard, so no half-open window holds more
/// than the limit as long as bytes leave before the booked time. Mirrored by `queue2_bucket.lua`.
struct Bucket: Sendable {
    /// A figure and when a replica last stated one as strict.
    struct Stated: Sendable {
        var value: Int
        var at: Micros

        /// The stricter figure holds while anybody states it.
        mutating func state(_ figure: Int, stricter: Bool, now: Micros) {
            guard figure == value || stricter || now > at + Pace.stated else { return }
            value = figure
            at = now
        }

        mutating func restate(since edge: Micros, now: Micros) {
            if at > edge { at = now }
        }
    }

    let name: String
    var limit: Stated
    var burst: Stated
    var guardInterval: Stated
    var per: Stated
    /// 0: none.
    var learned = 0
    var raiseAt: Micros = 0
    var backoff: Micros = 0
    var refusedAt: Micros = 0
    var refusals = 0
    var hold: Micros = 0
    /// When the last unit was let go, as far as spreading goes.
    var pace: Micros = 0
    var used = 0
    /// Calendar windows: what counts on the other side of the reset too.
    var late = 0
    var reset: Micros
    /// When a calendar window began: the reset before.
    var began: Micros
    var nextReset: Micros = 0
    /// When a replica last stated that the window is a calendar one, or that it slides, whichever it is.
    var kindAt: Micros
    /// The first sub-window that may still be counted; what is before the window's edge is not any more.
    var first: Int
    /// Sums of `Pace.block` sub-windows, dense, the first being block `base`.
    var base = 0
    var coarse: [Int] = []
    var units: [Int: Int] = [:]
    var paused = false
    /// The bucket that counts what this one holds too; nil: none.
    var moved: String?
    /// Units ever granted.
    var total = 0
    /// Calls that ever came to wait for it, and that ended their wait.
    var entered = 0
    var gone = 0

    init(_ figures: BucketFigures, now: Micros) {
        name = figures.name
        limit = Stated(value: figures.limit, at: now)
        burst = Stated(value: figures.burst, at: now)
        guardInterval = Stated(value: figures.guardInterval, at: now)
        per = Stated(value: figures.per, at: now)
        reset = figures.reset
        began = figures.reset - figures.per
        kindAt = now
        first = 0
        first = (now - life) / width - 1
    }

    /// Of a sub-window.
    var width: Micros { (per.value + Pace.subWindows - 1) / Pace.subWindows }
    /// How long a unit counts after its sub-window.
    var life: Micros { per.value + guardInterval.value }
    var effective: Int { learned > 0 ? min(limit.value, learned) : limit.value }
    /// The burst, as a part of the limit that holds.
    var effectiveBurst: Int { (burst.value * effective + limit.value - 1) / limit.value }
    /// Of a calendar window: the reset after the next one.
    var resetAfter: Micros { nextReset > reset ? nextReset : reset + per.value }
    /// Evenly spaced, with no burst at all.
    var isEven: Bool { effectiveBurst == 1 }
    var isLong: Bool { per.value > Pace.short || reset > 0 }

    mutating func state(_ figures: BucketFigures, now: Micros) {
        if (figures.reset > 0) != (reset > 0) {
            // Figures of windows of two kinds say nothing of each other: the kind holds while anybody states it.
            if now > kindAt + Pace.stated { change(to: figures, now: now) }
            return
        }
        kindAt = now
        limit.state(figures.limit, stricter: figures.limit < limit.value, now: now)
        burst.state(figures.burst, stricter: figures.burst < burst.value, now: now)
        guardInterval.state(figures.guardInterval, stricter: figures.guardInterval > guardInterval.value, now: now)
        if burst.value > limit.value { burst.value = limit.value }
        let before = width
        per.state(figures.per, stricter: figures.per > per.value, now: now)
        if width != before { resize(from: before, now: now) }
        if figures.reset > 0 { state(reset: figures.reset, now: now) }
    }

    /// The next reset as a replica has it: a correction where both are well ahead, else the one after.
    private mutating func state(reset stated: Micros, now: Micros) {
        let minute = 60_000_000
        if stated > reset {
            if stated - reset <= 120 * minute, reset > now + minute { reset = stated } else { nextReset = stated }
        } else if stated < reset, stated > now + minute {
            reset = stated
        }
    }

    /// The window's length changed: what is booked keeps its time, at the end of its old sub-window.
    private mutating func resize(from before: Micros, now: Micros) {
        let old = reset > 0 ? blocks(before, now: now) : subWindows(before, now: now)
        empty(now: now)
        for use in old {
            if reset > 0 { remember(use.units, at: use.at, now: now) } else { book(use.units, at: use.at, now: now) }
        }
    }

    mutating func empty(now: Micros) {
        units = [:]
        coarse = []
        if reset == 0 { used = 0 }
        first = now / width - (life + width - 1) / width - 1
    }

    /// What sub-windows of that width hold, each at its end; nothing is booked further ahead than a slot may take.
    private func subWindows(_ width: Micros, now: Micros) -> [BucketUse] {
        units.keys.sorted().map {
            BucketUse(at: min(($0 + 1) * width - 1, now + Pace.longestAllowance), units: units[$0]!)
        }
    }

    /// All that counts now, and until when.
    func uses(now: Micros) -> [BucketUse] {
        if reset == 0 { return subWindows(width, now: now) }
        return [BucketUse(at: now, units: used - late), BucketUse(at: reset, units: late)].filter { $0.units > 0 }
    }

    // MARK: Booking

    /// Books, takes back (`amount` < 0) or corrects. Does nothing where the time has left the window or is not ours.
    mutating func book(_ amount: Int, at time: Micros, now: Micros) {
        if reset > 0 {
            remember(amount, at: time, now: now)
            // What was booked before the window began is not in it; what was used meanwhile may be.
            guard amount > 0 || time >= began - Pace.calendarSkew else { return }
            used = max(0, used + amount)
            if time >= reset - Pace.calendarSkew { late = max(0, late + amount) }
            // What is given back may be among what was taken to be so close to it.
            late = min(late, used)
            return
        }
        let index = time / width
        guard index >= max(first, (now - life) / width), time <= now + Pace.longestAllowance else { return }
        let had = units[index] ?? 0
        let change = max(amount, -had)
        guard change != 0 else { return }
        units[index] = had + change > 0 ? had + change : nil
        used += change
        add(change, toBlock: index / Pace.block)
    }

    mutating func add(_ change: Int, toBlock block: Int) {
        if coarse.isEmpty { base = block }
        while block < base {
            coarse.insert(0, at: 0)
            base -= 1
        }
        while block - base >= coarse.count { coarse.append(0) }
        coarse[block - base] += change
    }

    /// Lets go of what has left the window, and of a learned limit bit by bit.
    mutating func advance(now: Micros) {
        if learned > 0, now >= raiseAt {
            learned += max(1, limit.value / Pace.probeParts)
            raiseAt = now + per.value
            if learned >= limit.value { learned = 0 }
        }
        if reset > 0 {
            if now >= reset + Pace.calendarSkew {
                used = late
                late = 0
                began = reset
                reset = resetAfter
            }
            return
        }
        let edge = (now - life) / width
        while first < edge {
            if coarse.isEmpty { return }
            let block = first / Pace.block
            if block < base {
                guard edge >= base * Pace.block else { return }
                first = base * Pace.block
                continue
            }
            let stop = min(edge, (block + 1) * Pace.block)
            if coarse[0] > 0 {
                for index in first..<stop {
                    guard let gone = units.removeValue(forKey: index) else { continue }
                    used -= gone
                    coarse[0] -= gone
                }
            }
            if stop == (block + 1) * Pace.block {
                coarse.removeFirst()
                base += 1
            }
            first = stop
        }
    }

    /// Empties it, for a new life.
    mutating func clear(now: Micros) {
        used = 0
        units = [:]
        coarse = []
        first = (now - life) / width
        pace = 0
        moved = nil
        restate(since: -1, now: now)
    }

    /// What 429s taught lasts as long as it would have by the clock that was set back, from the call before on.
    mutating func setBack(by span: Micros) {
        hold = max(0, hold - span)
        raiseAt -= span
        refusedAt -= span
    }

    /// What 429s had taught, as replicas were told, in a store that lost it or whose clock jumped: when they did is not
    /// known, or by another clock, so it lasts as if it had been now.
    mutating func learnAgain(_ stated: Int, hold until: Micros, now: Micros) {
        hold = max(hold, until)
        if stated > 0 { learn(stated, now: now) }
        raiseAt = now + Pace.learnedWindows * per.value
    }

    /// What was stated since then holds as if it had been stated now: by another clock that may be long ago.
    mutating func restate(since edge: Micros, now: Micros) {
        limit.restate(since: edge, now: now)
        burst.restate(since: edge, now: now)
        guardInterval.restate(since: edge, now: now)
        per.restate(since: edge, now: now)
        if kindAt > edge { kindAt = now }
    }

    /// An upstream's 429 for a call that was granted at `granted`.
    ///
    /// - Parameter hold: what it asked for. Nil: one emission interval, doubling up to the window; refusals of calls that
    ///   were on their way already teach nothing new.
    mutating func refuse(granted: Micros, hold asked: Micros?, learned stated: Int?, now: Micros) {
        refusals += 1
        if let asked {
            hold = max(hold, now + max(0, asked))
        } else if granted > refusedAt {
            // Within a window of the end of the last hold.
            let again = backoff > 0 && now < refusedAt + backoff + per.value
            backoff = min(per.value, again ? backoff * 2 : max(1, per.value / effective))
            hold = max(hold, now + backoff)
        }
        // Also one above a limit that holds only until a newer configuration is alone.
        if let stated, stated >= 1 { learn(stated, now: now) }
        raiseAt = now + Pace.learnedWindows * per.value
        refusedAt = now
    }

    /// A limit that the upstream stated: a lower one holds, for ten windows without a 429.
    mutating func learn(_ stated: Int, now: Micros) {
        guard learned == 0 || stated < learned else { return }
        learned = stated
        raiseAt = now + Pace.learnedWindows * per.value
    }
}

/// Microseconds: a point on the store's clock, or a span. An integer: a window's edge has to be the same in Swift and in
/// Lua, whose numbers hold integers exactly up to 2^53, as microseconds the year 2255.
package typealias Micros = Int

/// What a replica's configuration says of one bucket of a quota.
package struct BucketFigures: Sendable, Hashable {
    /// Unique within the upstream: the quota's name, with `/model` behind it where each model has a bucket.
    package var name: String
    /// Units a window, ≥ 1, headroom taken off.
    package var limit: Int
    /// Length of the window.
    package var per: Micros
    /// By how much the delay until arrival may vary.
    package var guardInterval: Micros
    /// Units that an idle bucket lets go at once, 1…limit.
    package var burst: Int
    /// A calendar window: its next reset. 0: the window slides.
    package var reset: Micros

    package init(name: String, limit: Int, per: Micros, guardInterval: Micros, burst: Int, reset: Micros = 0) {
        self.name = name
        self.limit = max(1, limit)
        self.per = max(1, per)
        self.guardInterval = max(0, guardInterval)
        self.burst = min(max(1, burst), self.limit)
        self.reset = reset
    }
}

/// How many of what callers choose a queue keeps apart. Tests have smaller ones.
package struct QueueBounds: Sendable, Equatable {
    /// Sets of buckets of their own that may have waiters: each decision looks at all.
    package var sets = 64
    /// Buckets that may be known: each beat tells of all.
    package var buckets = 512
    /// Lanes without waiters that are remembered: each call reads all.
    package var idleLanes = 128

    package init() {}

    package init(sets: Int, buckets: Int, idleLanes: Int) {
        self.sets = sets
        self.buckets = buckets
        self.idleLanes = idleLanes
    }
}

/// The constants of the algorithm. `queue.lua` holds the same ones.
enum Pace {
    /// A grant is used within this time, or handed back: it is booked so much later than granted.
    static let allowance: Micros = 20_000
    /// The longest that a grant may ask for, where a connection has to be made first.
    static let longestAllowance: Micros = 2_000_000
    /// A replica that said nothing for so long is dead: two beats missed.
    static let dead: Micros = 2_750_000
    /// So long before that all others are told when it will be: every one of them calls at least once within this time.
    static let deathNotice: Micros = 1_250_000
    /// No more pushes to a replica that did not confirm one for so long.
    static let silent: Micros = 800_000
    /// The longest a roll call takes, and the shortest, so that replicas which reconnect are heard.
    static let rollCall: Micros = 1_500_000
    static let shortestRollCall: Micros = 500_000
    /// Between the call that finds a roll call over and its end: who made that call can still say that the clock jumped.
    static let rollCallClosing: Micros = 20_000
    /// Replicas call once a second: none for so long means that the store was out of everybody's reach.
    static let silence: Micros = 1_500_000
    static let sweepInterval: Micros = 250_000
    /// How long a stated figure holds against looser ones.
    static let stated: Micros = 3_000_000
    /// Slots a waiting urgency is owed for one that passed it by: it gets 5 % of all.
    static let floor = 0.05 / 0.95
    /// Sub-windows a window, and how many of them make one coarse sum.
    static let subWindows = 256
    static let block = 16
    /// Calendar windows: what is sent so close to the reset counts on both sides.
    static let calendarSkew: Micros = 2_000_000
    /// Longer windows survive a lost store by what the replicas saw, not as full.
    static let short: Micros = 300_000_000
    /// How much a late timer may catch up.
    static let catchUp: Micros = 50_000
    /// As much of it as is always allowed: timers are that late at times.
    static let timerSlack: Micros = 10_000
    /// So few that a slow machine carries them out well within the time that a slot may take to be used.
    static let grantsPerCall = 24
    /// Of the dead's waiters, of those that a replica does not know; and how many waiters are looked at for that.
    static let dropsPerCall = 100
    static let resetsPerCall = 200
    static let scanLength = 1000
    /// Between two calls that drop the waiters of the dead.
    static let scanInterval: Micros = 10_000
    /// How many flows an estimate looks at.
    static let sample = 32
    /// How much one service, and one arrival, moves what is known of how surely a client comes again.
    static let returnParts = 16
    static let returnUnit = 4096
    static let mostExpected = 8
    /// Who waited for less did not contend: what an idle bucket let go at once says nothing of who comes again.
    static let shortestWait: Micros = 50_000
    /// A lane's part of a bucket is known after so many calls, and is never taken for less than an urgency's least.
    static let partCalls = 4
    static let leastPart = 0.05
    /// A lane in which nobody waited for so long is forgotten.
    static let laneMemory: Micros = 60_000_000
    /// The same where more than half as many buckets are known as may be.
    static let crowdedMemory: Micros = 5_000_000
    /// How long it is remembered that a quota was resumed, for replicas that heard only of its pause.
    static let pauseMemory: Micros = 3_600_000_000
    /// Windows without a 429 until a learned limit rises, by so large a part of the stated one a window.
    static let learnedWindows = 10
    static let probeParts = 10
    /// No reset, no due time: later than every time.
    static let never: Micros = 1 << 52
}

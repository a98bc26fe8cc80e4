/// What this replica sent, bucket by bucket, in the running windows: by the monotonic clock, so that a store that comes
/// back with another clock, or with nothing, can be told. At most 257 entries a bucket.
struct UseLedger: Sendable {
    private struct Account: Sendable {
        var figures: BucketFigures
        /// By slot of a 256th of the window.
        var slots: [Int: Int] = [:]

        var width: Micros { (figures.per + Pace.subWindows - 1) / Pace.subWindows }
        var life: Micros { figures.per + figures.guardInterval }

        /// What was used keeps its time, at the end of its slot, where slots get another length.
        mutating func change(to figures: BucketFigures) {
            let before = width
            self.figures = figures
            guard width != before else { return }
            let old = slots
            slots = [:]
            for (slot, units) in old { slots[((slot + 1) * before - 1) / width, default: 0] += units }
        }
    }

    private var accounts: NameMap<Account> = [:]

    var isEmpty: Bool { accounts.values.allSatisfy(\.slots.isEmpty) }

    /// When the slot ends that a use at that time is kept in.
    static func slotEnd(of time: Micros, _ figures: BucketFigures) -> Micros {
        let width = Account(figures: figures).width
        return (time / width + 1) * width - 1
    }

    /// - Parameter amount: negative where a grant is handed back.
    mutating func record(_ lane: LaneFigures, costs: [Int], at time: Micros, sign: Int) {
        for (figures, cost) in zip(lane.buckets, costs) {
            var account = accounts.removeValue(forKey: figures.name) ?? Account(figures: figures)
            account.change(to: figures)
            let slot = time / account.width
            let units = (account.slots[slot] ?? 0) + sign * cost
            account.slots[slot] = units > 0 ? units : nil
            if account.slots.count > Pace.subWindows { Self.purge(&account, now: time) }
            accounts[figures.name] = account
        }
    }

    /// Forgets what has left its window, and buckets that hold nothing.
    mutating func purge(now: Micros) {
        for name in Array(accounts.names) {
            guard var account = accounts.removeValue(forKey: name) else { continue }
            Self.purge(&account, now: now)
            if !account.slots.isEmpty { accounts[name] = account }
        }
    }

    private static func purge(_ account: inout Account, now: Micros) {
        let edge = (now - account.life) / account.width
        account.slots = account.slots.filter { $0.key >= edge }
    }

    /// - Parameter convert: from the monotonic clock to the store's, at the latest.
    mutating func uses(now: Micros, convert: (Micros) -> Micros) -> [(figures: BucketFigures, uses: [BucketUse])] {
        purge(now: now)
        return accounts.values.sorted { $0.figures.name.utf8Precedes($1.figures.name) }
            .map { ($0.figures, Self.uses($0, convert)) }
    }

    private static func uses(_ account: Account, _ convert: (Micros) -> Micros) -> [BucketUse] {
        account.slots.sorted { $0.key < $1.key }.map { slot, units in
            BucketUse(at: convert((slot + 1) * account.width - 1), units: units)
        }
    }
}

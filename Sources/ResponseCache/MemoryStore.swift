internal import NIOCore

/// Answers in memory, bounded in bytes, kept by W-TinyLFU.
///
/// Einziger, Friedman, Manes: "TinyLFU: A Highly Efficient Cache Admission Policy" (ACM ToS 13(4), 2017): a small recency window in front of a
/// segmented main part, which a newcomer enters only if it was asked for more often than those that would make room. As weights differ, a
/// newcomer is held against the sum of its victims (aggregated victims; Einziger, Eytan, Friedman, Manes: "Lightweight Robust Size Aware
/// Cache Management", ACM ToS 18(3), 2022). At most `FrequencySketch.largest` victims are looked at, so an insertion is O(1).
struct MemoryStore {
    private let windowCapacity: Int
    private let mainCapacity: Int
    private let protectedCapacity: Int
    private var index: [CacheKey: Int32] = [:]
    private var lists = EntryLists()
    private var sketch: FrequencySketch
    private var sweepPosition = 0
    var generations = LocalGenerations()

    /// Slab place, dictionary slot, answer object, buffer headers, allocator rounding.
    static let overhead = 512

    /// - Parameters:
    ///   - capacity: bytes.
    ///   - maximumEntry: bytes of an answer's content.
    init(capacity: Int, maximumEntry: Int) {
        windowCapacity = max(capacity / 100, min(2 * maximumEntry, capacity / 16))
        mainCapacity = capacity - windowCapacity
        protectedCapacity = mainCapacity / 5 * 4
        sketch = FrequencySketch(expectedEntries: min(capacity / 4_096, 1 << 20))
    }

    var bytes: Int { lists.window.weight + lists.probation.weight + lists.protected.weight }
    var entries: Int { index.count }

    // MARK: Finding

    mutating func find(_ key: CacheKey, now: NIODeadline, maximumAge: TimeAmount?) -> MemoryFinding {
        sketch.count(key, entries: index.count)
        guard let place = index[key] else { return .none }
        let entry = lists[place]
        guard entry.expiresAt > now, generations.isCurrent(entry.stamp) else {
            _ = remove(key)
            return .none
        }
        let age = entry.answer.age(at: now)
        let use = entry.answer.freshness.use(atAge: age)
        if let maximumAge, age > maximumAge || use == .whileRevalidating {
            // RFC 9111, 5.2.1.1: who names an age takes nothing stale.
            return use == .fresh ? .none : .onError(entry.answer)
        }
        switch use {
        case .fresh:
            touch(place, entry.segment)
            return .fresh(entry.answer)
        case .whileRevalidating:
            touch(place, entry.segment)
            guard entry.nextRevalidation <= now else { return .stale(entry.answer, mayRevalidate: false) }
            lists[place].nextRevalidation = now + .seconds(1)
            return .stale(entry.answer, mayRevalidate: true)
        case .onError: return .onError(entry.answer)
        case .none: return .none
        }
    }

    private mutating func touch(_ place: Int32, _ segment: MemoryEntry.Segment) {
        switch segment {
        case .window: lists.move(place, to: .window)
        case .protected: lists.move(place, to: .protected)
        case .probation:
            lists.move(place, to: .protected)
            while lists.protected.weight > protectedCapacity { lists.move(lists.protected.oldest, to: .probation) }
        }
    }

    // MARK: Changing

    /// - Parameter dropped: gets what leaves, to be freed after the lock.
    /// - Returns: whether it was taken into consideration; `false` where it is too large, outdated, expired, or older than what is held.
    mutating func insert(
        _ answer: StoredAnswer,
        for key: CacheKey,
        stamp: GenerationStamp,
        now: NIODeadline,
        dropped: inout [StoredAnswer]
    ) -> Bool {
        // Compacted, both are slices of one allocation.
        let weight = Self.overhead + max(answer.fields.storageCapacity, answer.body.storageCapacity)
        let expiresAt = answer.storedAt + answer.freshness.retention
        guard weight <= mainCapacity, expiresAt > now, generations.isCurrent(stamp) else { return false }
        if let place = index[key] {
            let held = lists[place]
            // A copy from Redis may come after a newer answer of this process.
            if held.answer.storedAt > answer.storedAt, !isDead(held, now: now) { return false }
            drop(key, &dropped)
        }
        index[key] = lists.insert(
            MemoryEntry(
                key: key,
                answer: answer,
                stamp: stamp,
                weight: weight,
                expiresAt: expiresAt,
                nextRevalidation: now,
                segment: .window,
                older: EntryLists.none,
                newer: EntryLists.none
            )
        )
        while lists.window.weight > windowCapacity { admit(lists.window.oldest, now: now, dropped: &dropped) }
        return true
    }

    mutating func remove(_ key: CacheKey) -> StoredAnswer? {
        index.removeValue(forKey: key).map { lists.remove($0).answer }
    }

    /// Frees what has expired or is outdated in the next slots of a walk that never ends.
    mutating func sweep(slots: Int, now: NIODeadline, dropped: inout [StoredAnswer]) {
        for _ in 0..<min(slots, lists.slots) {
            if sweepPosition >= lists.slots { sweepPosition = 0 }
            if let entry = lists.entry(at: sweepPosition), isDead(entry, now: now), let answer = remove(entry.key) {
                dropped.append(answer)
            }
            sweepPosition += 1
        }
    }

    private func isDead(_ entry: MemoryEntry, now: NIODeadline) -> Bool {
        entry.expiresAt <= now || !generations.isCurrent(entry.stamp)
    }

    // MARK: Admission

    /// Moves the window's oldest into the main part, or drops it.
    private mutating func admit(_ candidate: Int32, now: NIODeadline, dropped: inout [StoredAnswer]) {
        let entry = lists[candidate]
        if isDead(entry, now: now) { return drop(entry.key, &dropped) }
        let frequency = sketch.frequency(of: entry.key)
        var contested = 0
        while lists.probation.weight + lists.protected.weight + entry.weight > mainCapacity {
            let oldest = lists.probation.oldest == EntryLists.none ? lists.protected.oldest : lists.probation.oldest
            let victim = lists[oldest]
            if !isDead(victim, now: now) {
                // Even one that nobody asked for lately counts: a large newcomer must be worth all that it displaces.
                contested += max(1, sketch.frequency(of: victim.key))
                if contested >= frequency { return drop(entry.key, &dropped) }
            }
            drop(victim.key, &dropped)
        }
        lists.move(candidate, to: .probation)
    }

    private mutating func drop(_ key: CacheKey, _ dropped: inout [StoredAnswer]) {
        if let answer = remove(key) { dropped.append(answer) }
    }
}

/// What memory holds for a key.
enum MemoryFinding {
    case fresh(StoredAnswer)
    /// Within stale-while-revalidate; `mayRevalidate` for one caller a second.
    case stale(StoredAnswer, mayRevalidate: Bool)
    /// To be used only where fetching it anew fails.
    case onError(StoredAnswer)
    case none
}

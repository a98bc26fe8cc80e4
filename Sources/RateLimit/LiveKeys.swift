/// The identities of one rule that have a bucket of their own, and the shared ones: what `charge_limits.lua` keeps in
/// Redis, in memory. Pure.
///
/// Nothing scans all of it: buckets whose time has passed are found by a heap ordered by the TAT that was current when
/// an entry was last looked at.
struct LiveKeys {
    private struct Entry {
        var micros: Int
        let identity: LimitIdentity

        static func < (left: Entry, right: Entry) -> Bool {
            left.micros == right.micros ? left.identity < right.identity : left.micros < right.micros
        }
    }

    private static let swept = 8
    private static let sweptWhenFull = 64

    private var own: [LimitIdentity: TheoreticalArrival] = [:]
    private var shared: [UInt16: TheoreticalArrival] = [:]
    /// A binary heap, smallest first.
    private var entries: [Entry] = []

    var count: Int { entries.count }

    /// Where an identity's TAT is kept.
    enum Place: Equatable {
        case own(isNew: Bool)
        case shared
    }

    mutating func place(of identity: LimitIdentity, maximum: Int, now: Int) -> Place {
        if let arrival = own[identity], arrival.micros >= now { return .own(isNew: false) }
        sweep(Self.swept, now: now)
        if entries.count >= maximum {
            sweep(Self.sweptWhenFull, now: now)
            if entries.count >= maximum { return .shared }
        }
        // Its time is over, but its entry was not swept yet: it counts already.
        return .own(isNew: own[identity] == nil)
    }

    func arrival(_ identity: LimitIdentity, _ place: Place) -> TheoreticalArrival? {
        switch place {
        case .own: own[identity]
        case .shared: shared[identity.sharedIndex]
        }
    }

    mutating func store(_ arrival: TheoreticalArrival, _ identity: LimitIdentity, _ place: Place) {
        switch place {
        case .own(let isNew):
            own[identity] = arrival
            if isNew { push(Entry(micros: arrival.micros, identity: identity)) }
        case .shared: shared[identity.sharedIndex] = arrival
        }
    }

    mutating func remove(_ identity: LimitIdentity, _ place: Place) {
        switch place {
        case .own: own[identity] = TheoreticalArrival(micros: .min)
        case .shared: shared.removeValue(forKey: identity.sharedIndex)
        }
    }

    /// Looks at some of the entries whose time may be over, at each once.
    private mutating func sweep(_ limit: Int, now: Int) {
        var alive: [Entry] = []
        for _ in 0..<limit {
            guard let first = entries.first, first.micros <= now else { break }
            popFirst()
            if let arrival = own[first.identity], arrival.micros >= now {
                alive.append(Entry(micros: arrival.micros, identity: first.identity))
            } else {
                own.removeValue(forKey: first.identity)
            }
        }
        for entry in alive { push(entry) }
    }

    private mutating func push(_ entry: Entry) {
        entries.append(entry)
        var child = entries.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard entries[child] < entries[parent] else { return }
            entries.swapAt(child, parent)
            child = parent
        }
    }

    private mutating func popFirst() {
        entries.swapAt(0, entries.count - 1)
        entries.removeLast()
        siftDown()
    }

    private mutating func siftDown() {
        var parent = 0
        while true {
            var smallest = parent
            let left = 2 * parent + 1
            if left < entries.count, entries[left] < entries[smallest] { smallest = left }
            if left + 1 < entries.count, entries[left + 1] < entries[smallest] { smallest = left + 1 }
            guard smallest != parent else { return }
            entries.swapAt(smallest, parent)
            parent = smallest
        }
    }
}

internal import NIOCore

/// One answer in memory: a place in a slab, linked into one of the lists.
struct MemoryEntry {
    var key: CacheKey
    var answer: StoredAnswer
    var stamp: GenerationStamp
    /// Bytes that it is counted with.
    var weight: Int
    var expiresAt: NIODeadline
    /// Stale copies: nobody of this process asks again before.
    var nextRevalidation: NIODeadline
    var segment: Segment
    var older: Int32
    var newer: Int32

    enum Segment: UInt8 { case window, probation, protected }
}

/// Three least-recently-used lists over one slab; every operation is O(1).
struct EntryLists {
    static let none: Int32 = -1

    struct List {
        var newest = EntryLists.none
        var oldest = EntryLists.none
        var weight = 0
    }

    private var slab: [MemoryEntry?] = []
    private var free: [Int32] = []
    private(set) var window = List()
    private(set) var probation = List()
    private(set) var protected = List()

    var slots: Int { slab.count }

    /// The entry must exist: an index that an owner kept is never stale.
    subscript(index: Int32) -> MemoryEntry {
        get {
            guard let entry = slab[Int(index)] else { preconditionFailure("freed entry") }
            return entry
        }
        set { slab[Int(index)] = newValue }
    }

    /// For a walk over all slots.
    func entry(at slot: Int) -> MemoryEntry? { slab[slot] }

    /// As the newest of the window.
    mutating func insert(_ entry: MemoryEntry) -> Int32 {
        let index: Int32
        if let reused = free.popLast() {
            index = reused
            slab[Int(index)] = entry
        } else {
            index = Int32(slab.count)
            slab.append(entry)
        }
        link(index, into: .window)
        return index
    }

    mutating func remove(_ index: Int32) -> MemoryEntry {
        unlink(index)
        let entry = self[index]
        slab[Int(index)] = nil
        free.append(index)
        return entry
    }

    /// As the newest of a list.
    mutating func move(_ index: Int32, to segment: MemoryEntry.Segment) {
        unlink(index)
        link(index, into: segment)
    }

    private mutating func link(_ index: Int32, into segment: MemoryEntry.Segment) {
        var list = self[segment]
        let previous = list.newest
        slab[Int(index)]?.segment = segment
        slab[Int(index)]?.older = previous
        slab[Int(index)]?.newer = Self.none
        if previous == Self.none { list.oldest = index } else { slab[Int(previous)]?.newer = index }
        list.newest = index
        list.weight += weight(of: index)
        self[segment] = list
    }

    private mutating func unlink(_ index: Int32) {
        guard let entry = slab[Int(index)] else { preconditionFailure("freed entry") }
        var list = self[entry.segment]
        if entry.newer == Self.none { list.newest = entry.older } else { slab[Int(entry.newer)]?.older = entry.older }
        if entry.older == Self.none { list.oldest = entry.newer } else { slab[Int(entry.older)]?.newer = entry.newer }
        list.weight -= entry.weight
        self[entry.segment] = list
    }

    private func weight(of index: Int32) -> Int { slab[Int(index)]?.weight ?? 0 }

    private subscript(segment: MemoryEntry.Segment) -> List {
        get {
            switch segment {
            case .window: window
            case .probation: probation
            case .protected: protected
            }
        }
        set {
            switch segment {
            case .window: window = newValue
            case .probation: probation = newValue
            case .protected: protected = newValue
            }
        }
    }
}

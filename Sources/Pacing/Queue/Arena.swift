/// Records under small integers that are used again: links between records stay valid while the record lives.
struct Arena<Record: Sendable>: Sendable {
    private var slots: [Record?] = []
    private var vacant: [Int] = []

    var count: Int { slots.count - vacant.count }
    var indices: [Int] { slots.indices.filter { slots[$0] != nil } }

    mutating func add(_ record: Record) -> Int {
        guard let index = vacant.popLast() else {
            slots.append(record)
            return slots.count - 1
        }
        slots[index] = record
        return index
    }

    mutating func remove(_ index: Int) {
        slots[index] = nil
        vacant.append(index)
    }

    /// The index must be one that `add` returned and `remove` has not taken back.
    subscript(index: Int) -> Record {
        get { slots[index]! }
        _modify { yield &slots[index]! }
    }
}

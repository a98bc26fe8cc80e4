import Pacing
import TestSupport

/// Virtual time, events in order, and what went wrong. Microseconds throughout.
final class World {
    /// Time and order of coming in one number, so that the heap moves plain words.
    private struct Entry {
        var key: UInt64
        var slot: Int
    }

    private static let orderBits: UInt64 = 28
    private var heap: [Entry] = []
    private var actions: [(() -> Void)?] = []
    private var vacant: [Int] = []
    private var order: UInt64 = 0
    var generator: SeededGenerator
    private(set) var time: Micros = 0
    /// What the schedule did, for a failing seed.
    private(set) var log: [String] = []
    private(set) var failures: [String] = []

    var isVerbose = false
    /// Until when something failed that only time mends: a message that is late, a process or a store that stands still.
    private(set) var troubledUntil: Micros = 0
    /// The network does no more harm.
    var isQuiet = false
    /// Everything is over: the rest of the events is left.
    var isOver = false

    init(seed: Int) { generator = SeededGenerator(seed: seed) }

    func after(_ delay: Micros, _ action: @escaping () -> Void) {
        order += 1
        let key = UInt64(time + max(0, delay)) << Self.orderBits | order
        let slot: Int
        if let free = vacant.popLast() {
            slot = free
            actions[slot] = action
        } else {
            slot = actions.count
            actions.append(action)
        }
        var child = heap.count
        heap.append(Entry(key: key, slot: slot))
        while child > 0, key < heap[(child - 1) / 2].key {
            heap[child] = heap[(child - 1) / 2]
            child = (child - 1) / 2
        }
        heap[child] = Entry(key: key, slot: slot)
    }

    func run(until end: Micros) {
        while let first = heap.first, failures.isEmpty, !isOver {
            let due = Micros(first.key >> Self.orderBits)
            guard due <= end else { break }
            let last = heap.removeLast()
            if !heap.isEmpty { sink(last) }
            time = due
            let action = actions[first.slot]
            actions[first.slot] = nil
            vacant.append(first.slot)
            action?()
        }
    }

    /// Lets go of what is still to come: the events hold what holds the world.
    func close() {
        heap = []
        actions = []
    }

    private func sink(_ entry: Entry) {
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].key < heap[child].key { child += 1 }
            guard heap[child].key < entry.key else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = entry
    }

    func trouble(for span: Micros = 0) { troubledUntil = max(troubledUntil, time + span) }

    func say(_ what: @autoclosure () -> String) {
        if isVerbose { log.append("\(Self.seconds(time)) \(what())") }
    }

    func fail(_ what: String) { failures.append("\(Self.seconds(time)) \(what)") }

    static func seconds(_ time: Micros) -> Double { Double(time) / 1e6 }
}

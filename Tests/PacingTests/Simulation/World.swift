import Pacing

/// Virtual time, events in order, and what went wrong. Microseconds throughout.
final class World {
    private struct Event {
        var time: Micros
        var order: Int
        var action: () -> Void
        func precedes(_ other: Event) -> Bool { (time, order) < (other.time, other.order) }
    }

    private var heap: [Event] = []
    private var order = 0
    var generator: SeededGenerator
    private(set) var time: Micros = 0
    /// What the schedule did, for a failing seed.
    private(set) var log: [String] = []
    private(set) var failures: [String] = []

    var isVerbose = false
    /// The network does no more harm.
    var isQuiet = false

    init(seed: Int) { generator = SeededGenerator(seed: seed) }

    func after(_ delay: Micros, _ action: @escaping () -> Void) {
        order += 1
        heap.append(Event(time: time + max(0, delay), order: order, action: action))
        var child = heap.count - 1
        while child > 0, heap[child].precedes(heap[(child - 1) / 2]) {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
    }

    func run(until end: Micros) {
        while let first = heap.first, first.time <= end, failures.isEmpty {
            heap.swapAt(0, heap.count - 1)
            heap.removeLast()
            sink()
            time = first.time
            first.action()
        }
        time = max(time, end)
    }

    private func sink() {
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2]
            where child < heap.count && heap[child].precedes(heap[least]) {
                least = child
            }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }

    func say(_ what: @autoclosure () -> String) { log.append("\(Double(time) / 1e6) \(what())") }

    func fail(_ what: String) { failures.append("\(Double(time) / 1e6) \(what)") }
}

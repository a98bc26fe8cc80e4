import Pacing
import TestSupport

/// Callers in virtual time on the state machine, and what each was told on entry against what came.
struct EstimateLoad {
    struct Caller {
        var client: String
        var user = ""
        var weight = 1
        var urgency = 3
        var cost = 1
    }

    struct Told {
        var caller: Caller
        var expected: Micros
        var entered: Micros
        var waited: Micros?
        var refused = false
    }

    private struct Entry {
        var time: Micros
        var order: Int
        var caller: Caller
        static func precedes(_ left: Entry, _ right: Entry) -> Bool {
            (left.time, left.order) < (right.time, right.order)
        }
    }

    static let second: Micros = 1_000_000

    let bucket: BucketFigures
    var driver = QueueDriver()
    var generator: SeededGenerator
    /// Nil: whoever comes waits.
    var patience: Micros?
    private(set) var told: [Told] = []
    private(set) var start: Micros
    private var entries: [Entry] = []
    private var order = 0
    private var indices: [Int: Int] = [:]
    private var seen = 0

    init(_ bucket: BucketFigures, seed: Int) {
        self.bucket = bucket
        generator = SeededGenerator(seed: seed)
        start = driver.now
    }

    mutating func enter(_ caller: Caller, after delay: Micros) {
        order += 1
        let entry = Entry(time: driver.now + delay, order: order, caller: caller)
        let position = entries.firstIndex { Entry.precedes(entry, $0) } ?? entries.count
        entries.insert(entry, at: position)
    }

    /// - Parameter granted: told of each grant; may enter more.
    mutating func run(seconds: Int, _ granted: (inout EstimateLoad, Caller) -> Void = { _, _ in }) {
        let end = driver.now + seconds * Self.second
        while driver.now < end {
            while let first = entries.first, first.time <= driver.now {
                entries.removeFirst()
                enter(first.caller)
            }
            let due = driver.call([]).due ?? .max
            while seen < driver.grants.count {
                let grant = driver.grants[seen]
                seen += 1
                guard let index = indices[grant.ticket.id] else { continue }
                told[index].waited = grant.at - told[index].entered
                granted(&self, told[index].caller)
            }
            let next = min(due, entries.first?.time ?? .max, driver.now + Self.second)
            driver.now = min(end, max(driver.now + 500, next))
        }
    }

    private mutating func enter(_ caller: Caller) {
        let entered = driver.enter(
            [bucket],
            costs: [caller.cost],
            client: caller.client,
            user: caller.user,
            urgency: caller.urgency,
            weight: caller.weight,
            patience: patience ?? QueueDriver.farFuture
        )
        switch entered.reply.results[0] {
        case .waiting(let wait, _):
            indices[entered.ticket.id] = told.count
            told.append(Told(caller: caller, expected: wait, entered: driver.now))
        case .tooLong(let wait):
            told.append(Told(caller: caller, expected: wait, entered: driver.now, refused: true))
        default: break
        }
    }

    /// The share of those who waited that were told right: within a quarter, or one interval between slots.
    func right(since: Int = 0) -> (share: Double, ratios: [Double]) {
        let interval = bucket.per / bucket.limit
        let from = start + since * Self.second
        let ended = told.filter { $0.entered >= from && ($0.waited ?? 0) > 0 }
        let good = ended.count { abs($0.expected - $0.waited!) <= max($0.waited! / 4, interval) }
        let ratios = ended.filter { $0.waited! > Self.second / 2 }.map { Double($0.expected) / Double($0.waited!) }
        return (Double(good) / Double(max(1, ended.count)), ratios.sorted())
    }
}

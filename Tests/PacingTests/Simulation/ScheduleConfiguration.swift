import Pacing
import TestSupport

enum Fault: String, CaseIterable {
    case delay, double, lose, kill, pause, partition, store, errors, clock, strict, deploy, hold
}

/// The quotas, clients, faults and events of one schedule, drawn from its seed.
struct ScheduleConfiguration {
    enum Profile {
        /// One set of buckets, nothing fails: the order itself is checked.
        case fair
        case any
    }

    static let most = 50
    let seed: Int
    let profile: Profile
    private(set) var faults: Set<Fault> = []
    private(set) var guardInterval: Micros = 20_000
    private(set) var policy = QueueSettings.LossPolicy.closed
    /// In the order of their names within a set.
    private(set) var sets: [[BucketSpec]] = []
    private(set) var buckets: [String: BucketSpec] = [:]
    /// As an older configuration has it, which a part of the replicas still run.
    private(set) var older: [String: BucketSpec] = [:]
    private(set) var weights: [Int] = []
    private(set) var replicas = 1
    private(set) var events: [ScheduleEvent] = []
    private(set) var settlesUp = false
    /// One client, of one user.
    private(set) var isAlone = false
    /// Fewer sets may wait, and fewer buckets be known, than there are models.
    private(set) var isCrowded = false
    private var urgencies = [3]
    private var span: Micros = 0
    private var generator: SeededGenerator

    init(seed: Int) {
        self.seed = seed
        generator = SeededGenerator(seed: seed &* 2 &+ 1)
        profile = seed % 4 == 0 ? .fair : .any
        guardInterval = generator.pick([20_000, 50_000])
        policy = generator.chance(0.6) ? .closed : .local
        if profile == .any {
            for fault in Fault.allCases where generator.chance(0.25) { faults.insert(fault) }
            if generator.chance(0.2) { faults = [] }
        } else if generator.chance(0.3) {
            faults = [.double]
        }
        isCrowded = profile == .any && !faults.contains(.deploy) && seed % 5 == 2
        replicas = generator.int(1...4)
        span = generator.pick([3_000_000, 6_000_000, 10_000_000, 14_000_000])
        drawBuckets()
        isAlone = profile == .any && faults.isEmpty && generator.chance(0.5)
        weights = (0..<(isAlone ? 1 : generator.int(1...6))).map { _ in generator.pick([1, 1, 2, 5]) }
        drawEvents()
    }

    /// One user, nothing fails, no estimate falls short, no day ends.
    var isCalm: Bool {
        isAlone && !isCrowded && !settlesUp && buckets.values.allSatisfy { $0.reset == nil }
    }

    var bounds: QueueBounds { isCrowded ? ScriptReplay.crowded : QueueBounds() }

    /// Buckets of models, by the one in which they count while these share.
    var sharers: [String: [String]] {
        Dictionary(grouping: buckets.values.filter { $0.overflow != nil }) { $0.overflow! }.mapValues { $0.map(\.name) }
    }

    /// Keeps only these events.
    mutating func keep(_ indices: [Int]) { events = indices.map { events[$0] } }

    private mutating func bucket(_ name: String, _ limit: Int, _ seconds: Int, reset: Micros? = nil) -> BucketSpec {
        var spec = BucketSpec(
            name: name,
            limit: limit,
            per: .seconds(seconds),
            burst: max(1, Int(Double(limit) * generator.pick([0.1, 0.5, 1]))),
            guardInterval: .microseconds(guardInterval),
            reset: reset.map { .microseconds(SimulatedStore.start + $0) }
        )
        if isCrowded, let slash = name.firstIndex(of: "/") { spec.overflow = name[...slash] + "*" }
        buckets[name] = spec
        if faults.contains(.deploy), generator.chance(0.7) {
            var other = spec
            other.limit = max(1, limit * generator.pick([3, 6, 15]) / 10)
            other.burst = min(other.burst, other.limit)
            older[name] = other
        }
        return spec
    }

    private mutating func drawBuckets() {
        if profile == .fair {
            if generator.chance(0.5) { urgencies = [0, 0, 0, 3, 6] }
            var set = [bucket("rpm/flash", generator.int(3...20), generator.pick([1, 2]))]
            if generator.chance(0.3) { set.append(bucket("tpm/flash", 5000, 2)) }
            sets = [set]
            return
        }
        urgencies = [0, 3, 3, 3, 6]
        let all = generator.chance(0.5) ? bucket("up", generator.int(5...40), generator.pick([2, 5])) : nil
        let day =
            generator.chance(0.15) && !faults.contains(.clock)
            ? bucket("day", generator.int(5...30), 86_400, reset: generator.int(1_000_000...span)) : nil
        let dayTokens =
            generator.chance(0.15) && !faults.contains(.clock)
            ? bucket("tpd", generator.pick([2000, 20_000]), 86_400, reset: generator.int(1_000_000...span)) : nil
        let hour = generator.chance(0.1) ? bucket("hour", generator.int(5...40), 3600) : nil
        var requests = (limit: 0, seconds: 0)
        var tokens = requests
        let models = isCrowded ? ["flash", "pro", "lite", "nano", "ultra"] : ["flash", "pro", "lite"]
        for model in models.prefix(isCrowded ? 5 : generator.int(1...3)) {
            var set = [day, dayTokens, hour, all].compactMap(\.self)
            // Models that share a bucket have the same quota.
            if set.isEmpty || generator.chance(0.8) {
                if !isCrowded || requests.limit == 0 {
                    requests = (generator.int(2...20), generator.pick([1, 2, 2, 5, 5, 5, 60]))
                }
                set.append(bucket("rpm/" + model, requests.limit, requests.seconds))
            }
            if generator.chance(0.5) {
                if !isCrowded || tokens.limit == 0 {
                    tokens = (generator.pick([1000, 5000]), generator.pick([2, 5]))
                }
                set.append(bucket("tpm/" + model, tokens.limit, tokens.seconds))
            }
            sets.append(set.sorted { $0.name < $1.name })
        }
    }

    // MARK: Events

    private mutating func drawEvents() {
        drawFaults()
        settlesUp = generator.chance(0.3)
        let asks = generator.int(5...Self.most - events.count)
        var left = asks
        while left > 0 {
            let start = generator.int(0...span * 7 / 10)
            let spread = generator.pick([0.01, 0.3, 2])
            let count = min(left, generator.int(1...40))
            left -= count
            for _ in 0..<count {
                let at = start + Micros(generator.exponential(spread) * 1e6)
                add(.ask(ask()), at: at)
            }
        }
        events.sort { $0.at < $1.at }
    }

    private mutating func add(_ kind: ScheduleEvent.Kind, at: Micros) {
        guard events.count < Self.most else { return }
        events.append(ScheduleEvent(at: at, pick: generator.int(0...59), kind: kind))
    }

    /// Counted in tokens, which are known only after the answer.
    static func isEstimated(_ bucket: BucketSpec) -> Bool { bucket.name.hasPrefix("tp") }

    private mutating func ask() -> ScheduleEvent.Ask {
        let index = generator.int(0...sets.count - 1)
        var units: [Int] = []
        var actual: [Int] = []
        let settles = generator.chance(0.6)
        for bucket in sets[index] {
            guard Self.isEstimated(bucket) else {
                let count = generator.chance(0.1) ? min(bucket.limit, generator.int(2...4)) : 1
                // Who needs several units waits for them while others pass: no share of urgencies to be checked.
                let isOne = !older.isEmpty || profile == .fair && urgencies.count > 1
                units.append(isOne ? 1 : count)
                actual.append(units.last!)
                continue
            }
            // The last one is more than any bucket holds.
            let estimate = generator.pick([10, 100, 100, 400, 900, 3000, 20_000])
            units.append(estimate)
            let reserved = min(estimate, bucket.limit)
            let real = settlesUp && generator.chance(0.3) ? reserved * 3 / 2 : generator.int(reserved / 5...reserved)
            actual.append(settles ? min(bucket.limit, max(1, real)) : reserved)
        }
        let leaves = generator.chance(0.1)
        return ScheduleEvent.Ask(
            client: generator.int(0...weights.count - 1),
            set: index,
            user: isAlone ? "x" : generator.pick(["x", "y", "z"]),
            urgency: generator.pick(urgencies),
            patience: profile == .fair ? 20_000_000 : generator.pick([500_000, 2_000_000, 8_000_000, 20_000_000]),
            allowance: generator.chance(0.1) ? 150_000 : 20_000,
            units: units,
            actual: actual,
            leaves: leaves ? generator.int(0...2_000_000) : nil
        )
    }

    private mutating func drawFaults() {
        func within(_ generator: inout SeededGenerator, from: Micros = 1_000_000) -> Micros {
            generator.int(from...span)
        }
        if faults.contains(.kill) {
            for _ in 0..<generator.int(1...2) { add(.kill, at: within(&generator)) }
        }
        if faults.contains(.pause) {
            for _ in 0..<generator.int(1...3) {
                let length = generator.pick([15_000, 50_000, 600_000, 4_000_000, 6_000_000])
                add(.pause(length), at: within(&generator))
            }
        }
        if faults.contains(.partition) {
            add(.partition(generator.pick([100_000, 700_000, 2_000_000, 5_000_000])), at: within(&generator))
        }
        if faults.contains(.store) {
            for _ in 0..<generator.int(1...2) {
                let loss = generator.pick(SimulatedStore.Loss.allCases)
                add(.store(loss, down: generator.int(50_000...2_000_000)), at: within(&generator))
            }
            if generator.chance(0.5) { add(.spawn, at: within(&generator)) }
        }
        if faults.contains(.errors) {
            add(.errors(generator.pick([50_000, 800_000, 3_000_000])), at: within(&generator))
        }
        if faults.contains(.clock) {
            let jump = generator.pick([-3_600_000_000, -5_000_000, -500_000, 500_000, 5_000_000, 3_600_000_000])
            add(.clock(jump), at: within(&generator))
        }
        if faults.contains(.strict) {
            // What a 429 taught is kept for ten windows: of an hour, for ever.
            let bucket = generator.pick(buckets.keys.filter { $0 != "hour" }.sorted() + ["rpm/flash"])
            let limit = max(1, (buckets[bucket]?.limit ?? 2) / 2)
            add(.strict(bucket: bucket, limit: limit), at: within(&generator, from: 0))
        }
        if faults.contains(.deploy) {
            let start = within(&generator)
            for turn in 0..<replicas { add(.replace, at: start + turn * 700_000) }
        }
        if faults.contains(.hold) {
            let quota = generator.pick(isCrowded ? ["up", "rpm", "tpm"] : ["up", "rpm", "rpm/flash", "tpm"])
            add(.hold(quota: quota, generator.int(100_000...3_000_000)), at: within(&generator, from: 0))
        }
    }
}

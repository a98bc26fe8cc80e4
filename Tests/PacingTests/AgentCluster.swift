import NIOCore
import Pacing

/// Agents, and the store that answers them at once.
struct AgentCluster {
    static let bucket = BucketSpec(name: "rpm", limit: 4, per: .seconds(60), burst: 4)

    var agents: [AgentState]
    var store = QueueState(run: "run")
    var now = 1_000_000
    /// By how much the store's clock is ahead.
    var skew = 0
    private(set) var granted = 0
    private(set) var last: Grant?
    private var nextID = 0

    init(_ count: Int) {
        agents = (0..<count).map {
            AgentState(id: "replica-\($0)", settings: QueueSettings(upstream: "upstream"), now: 0)
        }
    }

    mutating func up(_ index: Int, run: String = "run") {
        agents[index].storeUp(run: run, now: now)
        exchange(index)
    }

    mutating func down(_ index: Int) {
        agents[index].storeDown(now: now)
        count(index)
    }

    /// The store is emptied, and all are back at once.
    mutating func lose(run: String) {
        store = QueueState()
        for index in agents.indices {
            down(index)
            up(index, run: run)
        }
    }

    mutating func exchange(_ index: Int) {
        agents[index].flush()
        while !agents[index].calls.isEmpty {
            let calls = agents[index].calls
            agents[index].calls = []
            for call in calls {
                agents[index].receive(store.call(call, now: now + skew).reply, sent: now, now: now)
            }
            agents[index].flush()
        }
        count(index)
    }

    mutating func go(on time: Duration, _ indices: [Int]) {
        let end = now + time.micros
        while now < end {
            now += 50_000
            for index in indices {
                agents[index].wake(now: now)
                exchange(index)
            }
        }
    }

    mutating func enter(_ index: Int) {
        nextID += 1
        let request = QueueRequest(costs: [.init(Self.bucket)], client: "client")
        let waiter = QueueWaiter(id: WaiterID(value: nextID), request: request, now: now, loop: nil) { _ in }
        agents[index].enter(waiter, now: now)
        count(index)
    }

    private mutating func count(_ index: Int) {
        for case (_, .granted(let grant)) in agents[index].outbox {
            granted += 1
            last = grant
        }
        agents[index].outbox = []
    }
}

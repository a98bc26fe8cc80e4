internal import Synchronization

/// Whether this replica should get calls: not while it starts or drains, nor while Redis is down under `closed`.
package final class Readiness: Sendable {
    package enum Phase: UInt8, Sendable { case starting, serving, draining }

    private let phaseValue = Atomic<UInt8>(Phase.starting.rawValue)
    private let redisIsDown = Atomic<Bool>(false)
    /// Queues have connections of their own.
    private let cutQueues = Atomic<Int>(0)
    private let needsRedis: Bool

    /// - Parameter needsRedis: `redis.on_failure` is `closed`.
    package init(needsRedis: Bool) {
        self.needsRedis = needsRedis
        redisIsDown.store(needsRedis, ordering: .relaxed)
    }

    package var phase: Phase { Phase(rawValue: phaseValue.load(ordering: .relaxed)) ?? .draining }

    package func enter(_ phase: Phase) { phaseValue.store(phase.rawValue, ordering: .relaxed) }

    package func redis(isUp: Bool) { redisIsDown.store(!isUp, ordering: .relaxed) }

    /// A queue lost the store, or has it again.
    package func queue(isCut: Bool) { cutQueues.wrappingAdd(isCut ? 1 : -1, ordering: .relaxed) }

    /// - Returns: why not; `nil`: ready.
    package var obstacle: String? {
        switch phase {
        case .starting: return "starting"
        case .draining: return "draining"
        case .serving:
            let isOut = redisIsDown.load(ordering: .relaxed) || cutQueues.load(ordering: .relaxed) > 0
            return needsRedis && isOut
                ? "Redis is not reachable (redis.on_failure = \"closed\")" : nil
        }
    }
}

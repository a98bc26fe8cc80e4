package import CurlClient
package import Logging
package import NIOCore
package import RateLimit

/// What one event loop has of its own: its curl, its Redis connection behind the stores, its counters, its randomness.
///
/// Everything on the way of a request reaches the outside through its loop's worker. Loop-confined.
package final class Worker {
    package let eventLoop: any EventLoop
    package let plan: Plan
    /// By upstream: each has its own limit of connections, and a connection list that is quick to walk.
    package let curl: [CurlClient]
    package let limits: any LimitStore
    package let telemetry: LoopTelemetry
    package let logger: Logger
    package var random: FastRandom

    package init(
        eventLoop: any EventLoop,
        plan: Plan,
        curl: [CurlClient],
        limits: any LimitStore,
        telemetry: LoopTelemetry,
        logger: Logger,
        seed: UInt64
    ) {
        self.eventLoop = eventLoop
        self.plan = plan
        self.curl = curl
        self.limits = limits
        self.telemetry = telemetry
        self.logger = logger
        self.random = FastRandom(seed: seed)
    }

    package func now() -> NIODeadline { eventLoop.now }

    package func noteBreaker(_ upstream: UpstreamPlan, _ change: Breaker.State?) {
        guard let change else { return }
        logger.warning("breaker changed", metadata: ["upstream": "\(upstream.name)", "state": "\(change.rawValue)"])
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014): ids and jitter, never secrets.
package struct FastRandom: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

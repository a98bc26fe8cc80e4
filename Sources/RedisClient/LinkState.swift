package import NIOCore

/// When to dial, greet, rest and give up: the life of a connection that comes back by itself. Pure.
///
/// idle → dialling → greeting → up; from each of these a failure leads to resting, and from there to dialling again.
/// `close` leads from anywhere to closed. Every dial has a number, so that word of an older one is told apart.
package struct LinkState {
    package enum Action: Equatable {
        case none
        case dial(attempt: Int)
        case greet
        case announceUp
        /// Wait, then report `rested`.
        case rest(TimeAmount, announceDown: Bool)
        case hangUp(announceDown: Bool)
    }

    private enum Phase { case idle, dialling, greeting, up, resting, closed }

    /// The longest rest: Redis is to be in use again within a second of its return, a dial and a greeting included.
    package static let longestRest = TimeAmount.milliseconds(250)
    private static let shortestRest = TimeAmount.milliseconds(20)

    private var phase = Phase.idle
    package private(set) var attempt = 0
    package private(set) var failures = 0
    /// Connections in a row that came up and were lost at once.
    private var relapses = 0

    package init() {}

    package mutating func start() -> Action {
        guard phase == .idle else { return .none }
        return dial()
    }

    /// Whether this dial is still wanted.
    package func isDialling(attempt: Int) -> Bool { phase == .dialling && attempt == self.attempt }

    package mutating func dialled(attempt: Int) -> Action {
        guard phase == .dialling, attempt == self.attempt else { return .hangUp(announceDown: false) }
        phase = .greeting
        return .greet
    }

    package mutating func greeted(attempt: Int) -> Action {
        guard phase == .greeting, attempt == self.attempt else { return .none }
        phase = .up
        failures = 0
        return .announceUp
    }

    /// The connection has been up for a while.
    package mutating func settled() { relapses = 0 }

    /// The dial or the greeting failed, or the connection ended.
    package mutating func failed(attempt: Int) -> Action {
        guard attempt == self.attempt else { return .none }
        switch phase {
        case .dialling, .greeting, .up:
            let wasUp = phase == .up
            phase = .resting
            failures += 1
            if wasUp { relapses += 1 }
            return .rest(rest, announceDown: wasUp)
        case .idle, .resting, .closed:
            return .none
        }
    }

    package mutating func rested() -> Action {
        guard phase == .resting else { return .none }
        return dial()
    }

    package mutating func close() -> Action {
        guard phase != .closed else { return .none }
        let wasUp = phase == .up
        phase = .closed
        return .hangUp(announceDown: wasUp)
    }

    private mutating func dial() -> Action {
        phase = .dialling
        attempt += 1
        return .dial(attempt: attempt)
    }

    /// Doubles with each failure in a row, and with each server in a row that lets in and is of no use: one that others take
    /// for the master of a slot, say, while it sends everybody on.
    private var rest: TimeAmount {
        let doublings = min(failures - 1 + max(relapses - 1, 0), 8)
        return min(.nanoseconds(Self.shortestRest.nanoseconds << doublings), Self.longestRest)
    }
}

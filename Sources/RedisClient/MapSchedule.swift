package import NIOCore

/// When to ask a cluster for its slot map. Pure.
///
/// idle → asking → idle; whoever wants another one while one is asked for gets it after that. As long as something is amiss it
/// is asked for again and again, ever more slowly; else now and then.
package struct MapSchedule: Equatable {
    package enum Action: Equatable {
        case none
        case ask
        /// Wait, then report `woken`; an earlier wait is over.
        case wake(TimeAmount)
    }

    /// A slot that moved is found within it also where nobody is sent on.
    package static let calm = TimeAmount.seconds(10)
    package static let shortest = TimeAmount.milliseconds(20)
    package static let longest = TimeAmount.milliseconds(250)

    /// What is amiss for some ten seconds will not be mended by asking.
    private static let patient = 48
    private static let longRest = TimeAmount.seconds(1)

    private enum Phase { case asking, resting, idle }
    private var phase = Phase.idle
    private var isWanted = false
    private var failures = 0

    package init() {}

    /// Something showed that the map is not right.
    package mutating func wanted() -> Action {
        guard phase == .idle else {
            isWanted = true
            return .none
        }
        return ask()
    }

    /// - Parameter isWell: there is a map, it is whole, and its masters can be reached.
    package mutating func answered(isWell: Bool) -> Action {
        failures = isWell ? 0 : failures + 1
        guard isWanted || !isWell else {
            phase = .idle
            return .wake(Self.calm)
        }
        phase = .resting
        guard failures < Self.patient else { return .wake(Self.longRest) }
        return .wake(min(.nanoseconds(Self.shortest.nanoseconds << min(failures, 8)), Self.longest))
    }

    package mutating func woken() -> Action { phase == .asking ? .none : ask() }

    private mutating func ask() -> Action {
        phase = .asking
        isWanted = false
        return .ask
    }
}

package import NIOCore

/// Tells a peer that is gone from a process that was itself paused: what counts are looks at the connection that heard
/// nothing, not the time that passed. A process that comes back from a pause asks first. Pure.
package struct SilenceWatch {
    package enum Verdict: Equatable {
        case fine
        /// Quiet since the last look: ask for a sign of life.
        case ask
        /// Asked in vain, whatever TCP says.
        case gone
    }

    /// The last of so many looks in a row that hear nothing gives the peer up; each but the last asks.
    package static let looks = 3

    private var heard: NIODeadline?
    private var quietLooks = 0

    package init() {}

    /// - Parameter lastHeard: when the peer last sent anything.
    package mutating func look(lastHeard: NIODeadline) -> Verdict {
        guard lastHeard == heard else {
            heard = lastHeard
            quietLooks = 0
            return .fine
        }
        quietLooks += 1
        return quietLooks < Self.looks ? .ask : .gone
    }
}

import Pacing

/// What happens from outside: all drawn before the run, so that a failing schedule can be printed and cut down.
struct ScheduleEvent: CustomStringConvertible {
    enum Kind {
        /// A caller comes, and may go away again.
        case ask(Ask)
        /// A process dies and another one starts.
        case kill
        /// A process says good-bye and another one, perhaps of another configuration, starts.
        case replace
        case spawn
        case pause(Micros)
        /// Nothing passes between a replica and the store; connections stay open.
        case partition(Micros)
        case store(SimulatedStore.Loss, down: Micros)
        /// The store answers every call with an error and carries none out: full, or read-only.
        case errors(Micros)
        case clock(Micros)
        /// The upstream enforces less than is configured.
        case strict(bucket: String, limit: Int)
        /// An operator pauses a quota and resumes it.
        case hold(quota: String, Micros)
    }

    struct Ask: CustomStringConvertible {
        var client: Int
        var set: Int
        var user: String
        var urgency: Int
        var patience: Micros
        var allowance: Micros
        /// By the set's buckets: what is asked for and what the call really takes.
        var units: [Int]
        var actual: [Int]
        var leaves: Micros?

        var description: String {
            "client c\(client) user \(user) urgency \(urgency) set \(set) units \(units) really \(actual), waits "
                + "\(patience) µs, allowance \(allowance)" + (leaves.map { ", leaves after \($0)" } ?? "")
        }
    }

    var at: Micros
    /// Which replica: among those that live then.
    var pick: Int
    var kind: Kind

    var description: String { "\(World.seconds(at)) #\(pick % 60) \(kind)" }
}

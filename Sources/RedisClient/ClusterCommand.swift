internal import NIOCore

/// A command to a cluster, kept until its reply: it may have to go to another node.
final class ClusterCommand {
    enum Request {
        case command([RedisArgument])
        case script(ScriptCall)

        /// Where it belongs; `nil`: any node will do.
        var slot: KeySlot? {
            switch self {
            case .command(let arguments): arguments.count > 1 ? KeySlot(arguments[1]) : nil
            case .script(let call): call.keys.first.map { KeySlot($0) }
            }
        }
    }

    let request: Request
    let slot: KeySlot?
    let deadline: NIODeadline
    /// How often it was sent on.
    var detours = 0
    let done: PendingReplies.Completion

    init(_ request: Request, deadline: NIODeadline, _ done: @escaping PendingReplies.Completion) {
        self.request = request
        slot = request.slot
        self.deadline = deadline
        self.done = done
    }

    func send(on session: RedisSession, timeout: TimeAmount, _ done: @escaping PendingReplies.Completion) {
        switch request {
        case .command(let arguments): session.send(arguments, timeout: timeout, done)
        case .script(let call): session.eval(call, timeout: timeout, done)
        }
    }
}

package import NIOCore

/// What becomes of a command that a node of a cluster did not carry out (redis.io, "Redis cluster specification",
/// "Redirection and resharding"). Pure.
package enum ClusterReaction: Equatable {
    /// The slot is another's: remember it, and send there.
    case move(KeySlot, to: RedisPlace)
    /// The slot is on its way: only this command goes there, after ASKING.
    case ask(RedisPlace)
    /// Again after so long, to whoever serves the slot then.
    case wait(TimeAmount)
    /// The error is the caller's.
    case report

    private static let mostDetours = 12
    /// More at once would be two nodes that send it to and fro.
    private static let quickDetours = 3
    private static let shortestWait = TimeAmount.milliseconds(2)

    /// - Parameter detours: how often the command was sent on before.
    /// - Parameter timeLeft: until its deadline.
    /// - Parameter asked: who answered.
    package init(_ error: RedisServerError, detours: Int, timeLeft: TimeAmount, asked: RedisPlace) {
        guard timeLeft > .zero, detours < Self.mostDetours else {
            self = .report
            return
        }
        let wait = TimeAmount.nanoseconds(Self.shortestWait.nanoseconds << min(detours, 6))
        let words = error.message.split(separator: " ")
        switch error.code {
        case "MOVED", "ASK":
            guard words.count >= 3, let number = UInt16(words[1]), number < KeySlot.count,
                let place = Self.place(words[2], asked: asked)
            else {
                self = .report
                return
            }
            if error.code == "ASK" {
                self = .ask(place)
            } else if detours < Self.quickDetours {
                self = .move(KeySlot(number: number), to: place)
            } else {
                self = wait < timeLeft ? .wait(wait) : .report
            }
        case "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN", "LOADING": self = wait < timeLeft ? .wait(wait) : .report
        default: self = .report
        }
    }

    /// "host:port"; without a host it is that of who answered.
    private static func place(_ text: Substring, asked: RedisPlace) -> RedisPlace? {
        guard let colon = text.lastIndex(of: ":"), let port = Int(text[text.index(after: colon)...]),
            (1...65_535).contains(port)
        else { return nil }
        if colon > text.startIndex { return .tcp(host: String(text[..<colon]), port: port) }
        guard case .tcp(let host, _) = asked else { return nil }
        return .tcp(host: host, port: port)
    }
}

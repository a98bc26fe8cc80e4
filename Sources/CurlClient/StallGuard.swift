internal import NIOCore

/// Remembers which HTTP/2 connections fell silent after they had brought something.
///
/// libcurl 7.88 can leave received frames of a shared connection unread: a stream whose buffer was full gets the rest
/// and marks itself for another read, but nothing runs it (`cf_h2_recv`, the branch for `pausedata`, schedules
/// nothing). If the socket is empty by then, as it is after the last piece of a body, the transfers on it wait for
/// ever. So a connection is read once more when it has been silent for a while, until that brings nothing.
struct StallGuard {
    private struct Connection {
        let socket: Int32
        var last: NIODeadline
    }

    static let silence = TimeAmount.milliseconds(10)
    /// Few: one or two a host.
    private var connections: [Connection] = []

    /// When to look at `silent(at:)`; nil: no need.
    var deadline: NIODeadline? {
        connections.lazy.map(\.last).min().map { $0 + Self.silence }
    }

    /// Something came.
    /// - Returns: whether the connection is new here, so that `deadline` may have changed.
    mutating func received(on socket: Int32, at now: NIODeadline) -> Bool {
        for index in connections.indices where connections[index].socket == socket {
            connections[index].last = now
            return false
        }
        connections.append(Connection(socket: socket, last: now))
        return true
    }

    /// The sockets to read once more, which are forgotten until something comes.
    mutating func silent(at now: NIODeadline) -> [Int32] {
        let silent = connections.filter { $0.last + Self.silence <= now }
        connections.removeAll { $0.last + Self.silence <= now }
        return silent.map(\.socket)
    }
}

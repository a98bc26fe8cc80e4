internal import NIOCore

/// What a connection has counted since it was made. Loop-confined; copy it out to read it elsewhere.
package struct RedisCounters: Equatable, Sendable {
    /// Commands sent.
    package var commands = 0
    /// Replies that came while somebody waited.
    package var replies = 0
    /// Of these, errors.
    package var serverErrors = 0
    package var timeouts = 0
    /// Replies that came after their command's time.
    package var lateReplies = 0
    /// Of a cluster: commands that one node sent on to another; no errors.
    package var redirects = 0
    /// Commands not sent: no connection, or too many unanswered.
    package var refused = 0
    /// Commands that were unanswered when their connection ended.
    package var lost = 0
    /// Connections that were given up or lost.
    package var disconnects = 0

    package init() {}

    /// All that went wrong.
    package var errors: Int { serverErrors + timeouts + refused + lost }
}

/// Shared by the successive sessions of one connection.
final class RedisInstruments {
    var counters = RedisCounters()
    /// From sending to the reply, late ones included.
    var latencyObserver: ((TimeAmount) -> Void)?
}

package import NIOCore

/// Why the gateway itself answers a call, in place of its upstream.
///
/// Steps say what happened; only `Respond` knows status codes and dialects.
package enum Refusal: Equatable {
    case noRoute(method: String, path: String, nearest: String?)
    /// - Parameter lookedAt: the fields in which a key was looked for.
    case noKey(lookedAt: String)
    case unknownKey(lookedAt: String)
    case overLimit(name: String, burst: Int, retryAfter: TimeAmount)
    /// Redis is gone and `on_failure = "closed"`.
    case limitsUnavailable
    /// - Parameter setting: the key of the configuration that bounds it.
    case bodyTooLarge(limit: Int, setting: String)
    case badRequest(String)
    case batchTooLarge(items: Int, quota: String, holds: Int)
    case queueFull(setting: String, retryAfter: TimeAmount)
    /// - Parameter setting: what bounded the wait.
    case waitTooLong(expected: TimeAmount, allowed: TimeAmount, setting: String, retryAfter: TimeAmount)
    case queueUnavailable
    /// Waited for a slot and ran out of time.
    case noSlotInTime(setting: String)
    /// The call's own end came before the upstream's answer.
    case callTimedOut(setting: String)
    case breakerOpen(upstream: String, retryAfter: TimeAmount)
    case upstreamUnreachable(upstream: String, reason: String)
    case upstreamTimedOut(upstream: String, setting: String)
    case upstreamBroke(upstream: String, reason: String)
    case notCached
    case notReady(String)
    case forbidden(String)
    case missing(String)
    case methodNotAllowed(String)
}

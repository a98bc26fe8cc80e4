/// Why a call through the gateway brought nothing.
package enum GatewayError: Error, Equatable {
    /// An answer other than 200: its status, its Retry-After in seconds, and its message.
    case refused(status: Int, retryAfter: Int?, message: String?)
    case unreachable(String)
    case timedOut
    /// The answer broke off, or is not what it should be.
    case brokenAnswer(String)
    /// The model declined: its reason.
    case blocked(String)
    case cancelled
}

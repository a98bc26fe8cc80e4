internal import NIOCore

/// A caller that waits. Loop-confined; hand it to `CacheLane.leave` when the caller has gone.
package final class CacheTicket {
    let number: UInt64
    let request: CacheRequest
    let done: (CacheOutcome) -> Void
    var deadline: Scheduled<Void>?

    init(number: UInt64, request: CacheRequest, done: @escaping (CacheOutcome) -> Void) {
        self.number = number
        self.request = request
        self.done = done
    }
}

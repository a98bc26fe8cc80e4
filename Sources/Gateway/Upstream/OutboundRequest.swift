package import Dialects
package import HTTPWire
package import NIOCore

/// What has to be known to make one call upstream. Made by the cache step; the queue and the upstream step use it.
///
/// It outlives its caller where others wait for the same answer.
package struct OutboundRequest {
    package var head: RequestHead
    package var route: RoutePlan
    package var shape: CallShape
    package var caller: CallerFacts
    package var body: RequestBody
    package var arrival: NIODeadline
    package var deadlines: CallDeadlines
    package var requestID: RequestID
    /// Signs of life may begin the answer while the call waits for its slot.
    package var beats: Bool

    package var upstream: UpstreamPlan { route.upstream }

    /// GET, HEAD, PUT and DELETE, and what the caller says may be repeated.
    package var isIdempotent: Bool {
        switch head.method {
        case .get, .head, .put, .delete: true
        default: head.fields.contains(.idempotencyKey)
        }
    }
}

/// A moment, and what set it: refusals name the setting.
package struct Deadline: Equatable {
    package var at: NIODeadline
    package var setting: String

    package init(at: NIODeadline, setting: String) {
        self.at = at
        self.setting = setting
    }
}

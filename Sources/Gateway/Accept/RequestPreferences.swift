package import HTTPWire

/// What a caller says about waiting: `Prefer: wait=` (RFC 7240, 4.3) and `X-Server-Timeout`.
package struct RequestPreferences: Equatable {
    /// Seconds; bounds the wait in the queue.
    package var wait: Int?
    /// Seconds; the caller's own deadline for the whole call.
    package var serverTimeout: Double?

    /// Of nobody: a call in the background.
    package static let none = RequestPreferences()

    private init() {}

    package init(fields: FieldBlock) {
        if let prefer = fields.string(.prefer) { wait = Self.wait(in: prefer) }
        if let text = fields.string(.xServerTimeout), let seconds = Double(text), seconds > 0, seconds.isFinite {
            // Beyond a day it bounds nothing, and would overflow what a deadline holds.
            serverTimeout = min(seconds, 86_400)
        }
    }

    /// Whether Accept names nothing but `text/event-stream`: who takes something else too may get that, and could make
    /// nothing of a stream that was begun.
    static func takesEventsOnly(_ fields: FieldBlock) -> Bool {
        guard let accept = fields.string(.accept) else { return false }
        return accept.split(separator: ",").allSatisfy { FieldBlock.isEventStream($0) }
    }

    /// The first `wait` that is a whole number; anything else is ignored.
    static func wait(in prefer: String) -> Int? {
        for preference in prefer.split(separator: ",") {
            let pair = preference.prefix { $0 != ";" }.split(separator: "=", maxSplits: 1)
            guard pair.count == 2, pair[0].trimmingSpaces().lowercased() == "wait" else { continue }
            var value = pair[1].trimmingSpaces()
            if value.count >= 2, value.hasPrefix("\""), value.hasSuffix("\"") {
                value = String(value.dropFirst().dropLast())
            }
            guard !value.isEmpty, value.utf8.allSatisfy({ (48...57).contains($0) }) else { return nil }
            return min(Int(value) ?? 86_400, 86_400)
        }
        return nil
    }
}

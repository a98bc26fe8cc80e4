internal import Dialects
package import HTTPWire
package import NIOCore

extension FieldBlock {
    /// From Content-Length, where it says how long the body is (RFC 9112, 6.3).
    package var bodyLength: Int? {
        guard !contains(.transferEncoding), let value = first(.contentLength) else { return nil }
        var length = 0
        for byte in value {
            guard (48...57).contains(byte), length < 1 << 50 else { return nil }
            length = length * 10 + Int(byte - 48)
        }
        return value.isEmpty ? nil : length
    }

    /// Retry-After, in seconds or as a date (RFC 9110, 10.2.3).
    package var retryAfter: TimeAmount? {
        guard let text = string(.retryAfter) else { return nil }
        return RetryAfter.parse(text, secondsSinceEpoch: WallClock.seconds()).map { TimeAmount($0) }
    }
}

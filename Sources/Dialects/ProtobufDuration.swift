/// `google.protobuf.Duration` in JSON: seconds with up to nine fractional digits and an `s`, such as `"26.5s"`.
package enum ProtobufDuration {
    /// In whole milliseconds, rounded up, so that nobody comes back a moment too early; never negative.
    package static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        guard seconds >= 0, attoseconds >= 0 else { return "0s" }
        let milliseconds = (attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
        let whole = seconds + milliseconds / 1_000
        let fraction = milliseconds % 1_000
        guard fraction > 0 else { return "\(whole)s" }
        let digits = String(fraction)
        return "\(whole)." + String(repeating: "0", count: 3 - digits.count) + digits + "s"
    }

    /// - Returns: `nil` where the text is no duration, or one that is negative or beyond 10,000 years.
    package static func parse(_ text: String) -> Duration? {
        guard text.hasSuffix("s") else { return nil }
        let parts = text.dropLast().split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = parts.first, isDigits(whole), let seconds = Int64(whole), seconds <= 315_576_000_000 else {
            return nil
        }
        guard parts.count == 2 else { return .seconds(seconds) }
        let fraction = parts[1]
        guard isDigits(fraction), fraction.utf8.count <= 9, var nanoseconds = Int64(fraction) else { return nil }
        for _ in fraction.utf8.count..<9 { nanoseconds *= 10 }
        return .seconds(seconds) + .nanoseconds(nanoseconds)
    }

    private static func isDigits(_ text: some StringProtocol) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") }
    }
}

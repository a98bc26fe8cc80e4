/// Digits without a `String`.
enum Decimal {
    /// Of the least `Int`, with its sign.
    static let maxDigits = 20

    /// - Parameter buffer: `maxDigits` bytes.
    /// - Returns: the digits, at the buffer's end.
    static func write(_ value: Int, into buffer: UnsafeMutableBufferPointer<UInt8>) -> UnsafeBufferPointer<UInt8> {
        var rest = value.magnitude
        var index = maxDigits
        repeat {
            index -= 1
            buffer[index] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
            rest /= 10
        } while rest > 0
        if value < 0 {
            index -= 1
            buffer[index] = UInt8(ascii: "-")
        }
        return UnsafeBufferPointer(rebasing: buffer[index..<maxDigits])
    }
}
